"""What the gRPC edge needs from what lies behind it. Adapters fit these; they do not import them.

The edge knows who calls, how long they wait and how errors are spelt. It decides nothing about a
transfer and writes nothing: :class:`Path` does.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from xbgateway.exchange.asking import HoldDecision
from xbgateway.exchange.attachments import StreamView
from xbgateway.exchange.attention import Found, Item
from xbgateway.exchange.desk import HoldView, Officer
from xbgateway.exchange.inbox import Handed
from xbgateway.exchange.ports import Answered
from xbgateway.exchange.register_book import ChangeView, RecordView
from xbgateway.exchange.registrar import Asked
from xbgateway.exchange.revisions import ProposalView
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.model.duty import DutyState, TrackedDuty
from xbgateway.model.outcome import State
from xbgateway.model.proposal import Proposal
from xbgateway.model.rungs import Rung
from xbgateway.policy.revision import Revision
from xbgateway.register.changes import Change
from xbgateway.register.life import Due

# Where a page begins: exchanges before this ``(at, exchange)``, duties after this ``(due, id)``.
Before = tuple[str, str]
# ``(entry, tlog-proof file, origin, index)``
Proven = tuple[bytes, bytes, str, int]


class ExchangeView(Protocol):
    """What one party may see of one of its exchanges; any frozen value with these attributes."""

    @property
    def exchange(self) -> str:
        """Its id, a UUID."""

    @property
    def state(self) -> State:
        """What its entries say together."""

    @property
    def sender(self) -> str:
        """The calling party."""

    @property
    def recipient(self) -> str:
        """The providing party; empty where it was refused before one was chosen."""

    @property
    def service(self) -> str:
        """Full name of the service."""

    @property
    def method(self) -> str:
        """Name of the method."""

    @property
    def purpose(self) -> str:
        """Purpose code."""

    @property
    def at(self) -> str:
        """When it began, RFC 3339 UTC."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Fields that obligations removed, ``request:path`` or ``answer:path``."""

    @property
    def answers(self) -> tuple[tuple[str, HoldDecision], ...]:
        """Who of this node decided on holds of it: role and decision."""

    @property
    def masked(self) -> tuple[str, ...]:
        """Fields that obligations masked."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """How far it has come, and what shows it."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come, and its caller's result is on record, or erased."""


class Path(Protocol):
    """The exchange path of this node."""

    async def call(self, submission: Submission) -> Finished:
        """Run a submission to its end, or join the run of the same request id.

        Raises ``GatewayError`` before acceptance. It runs on tasks of its own: cancelling whoever
        awaits never cancels the exchange (pitfall 13).
        """

    async def submit(self, submission: Submission) -> Finished | str:
        """Take a submission over: the exchange under way, or what it came to already.

        Raises, and is cancelled, as :meth:`call`.
        """

    def watched(self, exchange: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set soon after most changes of an exchange; the watcher clears it."""

    def exchange_of(self, party: str, request_id: str) -> str | None:
        """The exchange that was accepted under a request id, if any."""

    async def get(self, party: str, exchange: str, auditor: bool) -> ExchangeView:
        """Raises ``Refused(EXCHANGE_UNKNOWN)`` also when it is another party's."""

    def result(self, party: str, exchange: str) -> Finished | None:
        """The stored result of a party's own exchange, once it has ended and until erased."""

    async def cancel(self, party: str, exchange: str) -> None:
        """Take a party's own exchange back; returns as soon as that is on record.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``EXCHANGE_ENDED``, ``HOLD_ANSWERED``.
        """

    async def list(
        self, party: str, page_size: int, before: Before | None
    ) -> tuple[Sequence[ExchangeView], Before | None]:
        """A party's exchanges, newest first, and where the next page begins; None at the end."""

    async def receipt(self, party: str, exchange: str, auditor: bool) -> Sequence[Proven]:
        """Its entries with proofs. Raises as :meth:`get`."""


class DutyPath(Protocol):
    """The duties of this node's parties."""

    def now(self) -> str:
        """The instant that states are told at."""

    async def list(
        self,
        party: str | None,
        state: DutyState,
        verb: str | None,
        page_size: int,
        after: Before | None,
    ) -> Sequence[TrackedDuty]:
        """Duties of a party (None: of all) by due time and id, after such a (due, id)."""

    async def get(self, party: str | None, duty: str) -> TrackedDuty:
        """One duty of a party (None: of any). Raises ``Refused(DUTY_UNKNOWN)``."""

    async def confirm(  # noqa: PLR0917 - one value for each thing that is kept
        self, party: str, duty: str, role: str, officer: str, note: str, evidence: str
    ) -> TrackedDuty:
        """It was carried out. Raises ``Refused``."""


class Desk(Protocol):
    """Holds as officers of this node see them. Roles come before existence."""

    async def listed(
        self, officer: Officer, answered: bool, after: Before | None, limit: int
    ) -> Sequence[HoldView]:
        """Holds of the officer's roles, oldest first, strictly after a given one."""

    async def get(self, officer: Officer, exchange: str) -> HoldView:
        """Raises ``Refused``: ``ROLE_REQUIRED``, ``EXCHANGE_UNKNOWN``."""

    async def decide(
        self, officer: Officer, exchange: str, leaf: str, note: str, *, yes: bool
    ) -> HoldView:
        """Raises as :meth:`get`, and ``SELF_APPROVAL``, ``HOLD_ANSWERED``, ``HOLD_EXPIRED``."""


class Inbox(Protocol):
    """What parties of this node pull."""

    async def pull(self, party: str, most: int, wait_s: float) -> Sequence[Handed]:
        """Messages under a lease each. Raises ``Refused(SERVICE_UNKNOWN)``."""

    async def acknowledge(self, party: str, exchange: str, lease: str, answer: Answered) -> None:
        """Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``LEASE_OVER``, ``ANSWERED_OTHERWISE``."""

    async def extend(self, party: str, exchange: str, lease: str, seconds: int) -> str:
        """Until when the lease lasts now."""

    async def release(self, party: str, exchange: str, lease: str) -> None:
        """It can be pulled again at once."""


class Attention(Protocol):
    """What waits for a person of this node; ``party`` None: of every party."""

    async def listed(self, party: str | None, after: Before | None, limit: int) -> Sequence[Item]:
        """Items that wait, oldest first, strictly after a given one."""

    def get(self, party: str | None, exchange: str) -> Item:
        """Raises ``Refused(EXCHANGE_UNKNOWN)``."""

    async def requeue(self, party: str, exchange: str) -> Item:
        """Raises as :meth:`get`, and ``NOT_WAITING_FOR_PERSON``, ``EXCHANGE_EXPIRED``."""

    async def resolve(
        self, party: str, exchange: str, officer: str, note: str, found: Found
    ) -> Item:
        """Raises as :meth:`get`, and ``NOT_WAITING_FOR_PERSON``."""

    async def close(self, party: str, exchange: str, officer: str, note: str) -> Item:
        """Raises as :meth:`resolve`."""


class Uploads(Protocol):
    """Attachments that parties of this node hand in."""

    def upload(
        self, party: str, stream_id: str, size_bytes: int, segments: AsyncIterator[bytes]
    ) -> AsyncGenerator[int, None]:
        """Take segments; yields how many are durable."""


class Incoming(Protocol):
    """Attachments that came in for parties of this node."""

    def download(self, party: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Segments from one on."""


class Streams(Protocol):
    """Attachments of this node's parties."""

    @property
    def uploads(self) -> Uploads:
        """Those that are handed in."""

    @property
    def crossing(self) -> Incoming:
        """Those that come in."""

    def get(self, party: str, stream_id: str) -> StreamView:
        """Raises ``Refused(STREAM_UNKNOWN)``."""

    async def delete(self, party: str, stream_id: str) -> None:
        """Raises as :meth:`get`, and ``EXCHANGE_PENDING``."""


class LogView(Protocol):
    """One log of this node."""

    @property
    def origin(self) -> str:
        """Its name."""

    @property
    def role(self) -> str:
        """``own``, ``mirror`` or ``home``."""

    @property
    def size(self) -> int:
        """Durable entries."""

    @property
    def checkpoint(self) -> bytes:
        """The latest checkpoint with all signatures; empty where there is none yet."""

    @property
    def held_size(self) -> int:
        """Size up to which the peer says that it holds the log."""

    @property
    def stopped(self) -> str:
        """Why it stopped; empty while it runs."""


class LogEntry(Protocol):
    """One entry and where it stands."""

    @property
    def origin(self) -> str:
        """The log's name."""

    @property
    def index(self) -> int:
        """Its place."""

    @property
    def entry(self) -> bytes:
        """To the byte."""


class Logs(Protocol):
    """The node's logs, read only. Unknown origins and indexes: ``Refused(ENTRY_UNKNOWN)``."""

    async def logs(self) -> Sequence[LogView]:
        """Every log, in the order of the store."""

    async def entries(self, origin: str, start: int, count: int) -> Sequence[LogEntry]:
        """At most ``count`` entries from ``start`` on; fewer only at the end of the log."""

    async def entries_of(self, exchange: str, origin: str) -> Sequence[LogEntry]:
        """Every entry of an exchange in one log, in order."""

    def tail(self, origin: str | None, start: int) -> AsyncIterator[LogEntry]:
        """Entries from ``start`` on, then each new one; ``None``: the new ones of every log."""

    async def prove(self, origin: str, index: int) -> tuple[bytes, bytes]:
        """``(entry, tlog-proof file)``."""


class Registers(Protocol):
    """What registers say. ``party`` sees what names it; ``None`` is an officer or auditor."""

    def list(
        self, kind: str, state: str, party: str | None, after: str, limit: int
    ) -> Sequence[RecordView]:
        """Records of a kind, by id from ``after`` on."""

    def get(
        self, kind: str, record_id: str, as_of: datetime | None, party: str | None
    ) -> RecordView:
        """Raises ``Refused(RECORD_UNKNOWN)`` also for what does not name the party."""

    def changes(
        self, kind: str, record_id: str, before: int | None, limit: int
    ) -> Sequence[ChangeView]:
        """Changes, newest first."""

    def due(self, kind: str = "", after: Before = ("", "")) -> Sequence[Due]:
        """Deadlines after a place, the earliest first."""

    def applied(self, change: Change) -> RecordView:
        """The record as a change made it, or would."""


class Changes(Protocol):
    """Where officers' events go."""

    async def apply(self, asked: Asked) -> Change:
        """Apply an event; raises ``Refused`` where it cannot be."""


class PolicyDesk(Protocol):
    """Revisions of the policies, as officers propose them and put them into use."""

    def active(self) -> tuple[Revision, str]:
        """What is in use, and since when. Blocks."""

    async def propose(
        self, officer: Officer, proposal: str, files: Mapping[str, bytes], note: str
    ) -> ProposalView:
        """Check files and keep them for a second officer."""

    async def list(self, officer: Officer, before: Before | None, limit: int) -> Sequence[Proposal]:
        """Proposals, newest first."""

    async def get(self, officer: Officer, proposal: str) -> ProposalView:
        """One proposal."""

    async def approve(self, officer: Officer, proposal: str, reason: str) -> ProposalView:
        """Put it into use."""

    async def reject(self, officer: Officer, proposal: str, reason: str) -> ProposalView:
        """End it."""
