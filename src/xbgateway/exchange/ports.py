"""What the paths need from rooms beside them. Adapters fit these; they do not import them."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from xbgateway.model.entry import Request
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.record import HoldRow, HoldState, KeepChange, Pending, Record
from xbgateway.model.stream import StreamRow


class Records(Protocol):
    """Read-only questions to the store."""

    def placed(self, exchange: str) -> list[Placed]:
        """Every entry of an exchange from own logs and mirrors."""

    def said_more(self, position: Position, exchange: str) -> bool:
        """Whether more of an exchange stands in the same log, further down."""

    def exchange_row(
        self, exchange: str
    ) -> tuple[str | None, str | None, bytes | None, str] | None:
        """``(party, request_id, wrapped key, at)``."""

    def exchange_of(self, party: str, request_id: str) -> tuple[str, bytes] | None:
        """``(exchange, fingerprint)`` that a request id was taken by."""

    def exchanges(
        self, party: str, before: tuple[str, str] | None, limit: int
    ) -> list[tuple[str, str]]:
        """``(at, exchange)`` of a party, newest first."""

    def evidence_until(self, exchange: str) -> str | None:
        """Local day until which the facts of an exchange have to be kept."""

    def payload_due(self, today: str, limit: int, skip: int) -> list[str]:
        """Exchanges of which something may not be kept any longer, but for the first ``skip``."""

    def part(self, exchange: str, part: str) -> bytes | None:
        """A part of an exchange at rest."""

    def beside(self, position: Position) -> tuple[bytes, bytes] | None:
        """``(declaration, sealed)`` that is still kept beside an entry."""

    def entries(self, origin: str, start: int, end: int) -> list[bytes]:
        """Entries of a log."""

    def waiting(self) -> Iterable[tuple[Position, str]]:
        """Where mirrored entries wait for this node, and at which step."""

    def pending_at(self, position: Position) -> Pending | None:
        """One mirrored entry that waits for this node, with what came beside it."""

    def hold(self, leaf: str) -> HoldRow | None:
        """A hold by the leaf of its entry."""

    def holds_of(self, exchange: str) -> Sequence[HoldRow]:
        """Every hold of an exchange, in order."""

    def holds_in(self, *states: HoldState) -> Sequence[HoldRow]:
        """Every hold in one of these states, in order."""

    def holds_open(self, writer: str) -> int:
        """How many open holds for officers here are of exchanges in logs that begin so."""

    def holds_for(
        self, roles: Sequence[str], answered: bool, after: tuple[str, str] | None, limit: int
    ) -> Sequence[HoldRow]:
        """Holds that officers of this node decide, oldest first, strictly after a given one."""

    def open_requests(self) -> list[tuple[str, str, str, int]]:
        """What was sent for callers here and has not ended: id, party, log, bytes beside it."""

    def bundles(self, origin: str) -> list[bytes]:
        """Key bundles of a control lane, own or mirrored, in order."""

    def register(self) -> tuple[str, bytes] | None:
        """The newest base document and its version, apart from the changes since."""

    def register_as_of(self, at: str) -> tuple[str, bytes] | None:
        """The base document that was in use at an instant, and its version."""

    def changes(
        self, kind: str | None, record_id: str | None, before: int | None, limit: int
    ) -> list[tuple[int, KeepChange]]:
        """Register changes with their numbers, newest first."""

    def change_asked(self, request: str) -> KeepChange | None:
        """The register change that a request id was taken by."""

    def change_as_of(self, kind: str, record_id: str, at: str) -> KeepChange | None:
        """The last change of a record that was in use at an instant."""

    def waiting_in(self, origin: str) -> list[int]:
        """Indexes of the entries of one log that wait for this node, in order."""

    def wrap(self, digest: bytes) -> bytes | None:
        """An epoch's wrap by its digest."""

    def counter(self, kind: str, key: bytes, window: str) -> int:
        """A counter's value."""

    def subjects_after(self, kind: str, scope: bytes, since: str, joining: Iterable[bytes]) -> int:
        """Distinct subjects of a set since a local day, together with ``joining`` (distinct)."""

    def subjects_due(self, kind: str, before: str) -> bool:
        """Whether a kind has subjects that were last counted before a local day."""


class StreamRows(Protocol):
    """Read-only questions about attachments."""

    def row(self, stream_id: str) -> StreamRow | None:
        """An attachment by its own id: of its upload, or of the exchange that it came in with."""

    def sent_with(self, exchange: str) -> StreamRow | None:
        """The upload that an exchange of a party here took along."""

    def every(self) -> list[StreamRow]:
        """All of them, oldest first."""


class StoredSegments(Protocol):
    """The sealed segments of one attachment, open for appending. Blocks."""

    @property
    def count(self) -> int:
        """Segments that are durable."""

    def root(self) -> str:
        """Root of the tree over them, hex."""

    def append(self, sealed: Sequence[bytes]) -> None:
        """Make segments durable, in order."""

    def close(self) -> None:
        """Let go of it."""


class SegmentStore(Protocol):
    """Where sealed segments rest, by the id of their attachment. Blocks."""

    def open(self, name: str) -> StoredSegments:
        """Of one attachment, where they left off."""

    def held(self, name: str) -> int:
        """How many segments are durable."""

    def segments(self, name: str, start: int, count: int) -> Iterable[bytes]:
        """So many segments from one on."""

    def erase(self, name: str) -> None:
        """Take away what is there of it."""

    def names(self) -> set[str]:
        """Of what there are segments."""


class CaseLaw(Protocol):
    """What cases say of requests that name one."""

    def check(self, request: Request, origin: str) -> None:
        """Raises ``Refused(CASE_NOT_WANTED)``."""


class CaseRunner(Protocol):
    """Who keeps cases going."""

    async def mirrored(self, pending: Pending) -> None:
        """A step of a peer's case is on record here."""


class Ledger(Protocol):
    """The one place where anything becomes durable."""

    @property
    def reader(self) -> Records:
        """Read-only questions."""

    async def record(self, record: Record) -> tuple[Position, ...]:
        """All of it durable under a signed checkpoint, or nothing and an error."""

    def size(self, origin: str) -> int:
        """Durable entries of a log."""

    def root(self, origin: str) -> str:
        """Root of a log at its durable size, hex."""

    def held_size(self, origin: str) -> int:
        """Entries of an own log that its reader says it holds; all of a mirror, none of others."""


class Mirrored(Protocol):
    """A group of a peer's log that is durable here."""

    @property
    def origin(self) -> str:
        """The log."""

    @property
    def size(self) -> int:
        """Its size with the group."""

    @property
    def pending(self) -> tuple[Pending, ...]:
        """Entries that wait for this node."""

    @property
    def entries(self) -> tuple[Any, ...]:
        """Every entry of the group; ``None`` where one cannot be read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a service said: a payload, or its own error."""

    payload: bytes
    code: int = 0  # gRPC status code; 0 is OK
    message: str = ""


class NotReached(Exception):
    """The service was certainly not called."""


class EffectUnknown(Exception):
    """The call broke off; whether the service acted is not known."""


class Services(Protocol):
    """The local services that this node delivers to."""

    async def call(
        self, path: str, payload: bytes, metadata: Sequence[tuple[str, str]], timeout_s: float
    ) -> Answered:
        """Call one unary method. Raises ``NotReached`` or ``EffectUnknown``."""


class Meter(Protocol):
    """Where the paths count; labels come from closed lists."""

    def exchange(self, direction: str, outcome: str, reason: str | None = None) -> None:
        """One exchange came to its outcome here: ``outbound`` or ``inbound``."""

    def duties(self, verb: str, opened: int, overdue: int) -> None:
        """Duties of one verb: how many are open, and how many of these are overdue."""

    def step(self, step: str, seconds: float) -> None:
        """How long one step took that may wait: ``decide``, ``record`` or ``deliver``."""

    def register_change(self, kind: str, result: str) -> None:
        """One register change: ``own``, a ``peer``'s, or a peer's that was ``refused``."""

    def attempt(self, service: str, result: str) -> None:
        """One delivery: ``answered``, ``not_reached``, ``broken_off`` or ``handed_out``."""

    def deliveries(self, service: str, state: str, rows: int, oldest_s: float) -> None:
        """How many deliveries of a service are in a state, and the age of the oldest of them."""


class NoMeter:
    """Counts nothing: for paths whose process exports no metrics."""

    def exchange(self, direction: str, outcome: str, reason: str | None = None) -> None:
        """Nothing."""

    def duties(self, verb: str, opened: int, overdue: int) -> None:
        """Nothing."""

    def step(self, step: str, seconds: float) -> None:
        """Nothing."""

    def register_change(self, kind: str, result: str) -> None:
        """Nothing."""

    def attempt(self, service: str, result: str) -> None:
        """Nothing."""

    def deliveries(self, service: str, state: str, rows: int, oldest_s: float) -> None:
        """Nothing."""


class Peers(Protocol):
    """What the link can do for the paths."""

    async def want(self, pending: Pending) -> Pending | None:
        """Ask once more for what should have come beside an entry; ``None`` where it is gone."""

    async def control_reached(self, node: str, size: int, timeout_s: float) -> bool:
        """Wait until the mirror of the node's control lane has ``size`` entries."""

    def fetch(self, peer: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Sealed segments of an exchange's attachment, from its sender's node, from one on.

        Raises ``Unavailable`` where the line breaks, ``Refused`` where the sender says no.
        """
