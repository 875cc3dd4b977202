"""Officers of this node at their holds: what waits for them, and their answer.

An answer is an entry, in the log that answers the hold, in one transaction with the move of the
hold's row. Who answered and why rests sealed under the exchange's key, and stands in no log.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.decision import Finding
from xbgateway.model.entry import Approval, Held, Hold, Request
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import State
from xbgateway.model.record import (
    DONE,
    Append,
    Effect,
    HoldRow,
    KeepKey,
    MoveHold,
    MovePending,
    Pending,
    Record,
    Stale,
    Until,
)

from .admission import Admission
from .asking import HoldDecision, read_decision, seal_decision
from .holds import Holds, answered_already, entry_of
from .legs import Legs
from .ports import Ledger
from .stages import Submission
from .topology import Topology
from .unsent import Unsent

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who calls, with the roles that the token and the party give."""

    party: str
    subject: str
    roles: frozenset[str]

    @property
    def id(self) -> str:
        """How decisions name the person."""
        return f"{self.party}/{self.subject}"


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as the officer who may decide on it sees it: never any content."""

    row: HoldRow
    open: bool
    findings: tuple[Finding, ...]
    sender: str
    recipient: str
    service: str
    method: str
    purpose: str
    case_id: str
    decision: HoldDecision | None


class Desk:
    """Holds as officers of one node see them. ``act`` takes up a request that was approved."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        unsent: Unsent,
        holds: Holds,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._unsent = unsent
        self._holds = holds
        self.act: Callable[[Pending], object] = lambda _pending: None

    async def listed(
        self, officer: Officer, answered: bool, after: tuple[str, str] | None, limit: int
    ) -> list[HoldView]:
        """Holds that the officer's roles decide here, oldest first."""
        _any_role(officer)
        roles = sorted(officer.roles)

        def read() -> list[HoldView]:
            found = self._ledger.reader.holds_for(roles, answered, after, limit)
            return [self._view(row) for row in found]

        return await _off_the_loop(read)

    async def get(self, officer: Officer, exchange: str) -> HoldView:
        """The newest hold of an exchange that is decided here.

        Raises ``Refused``: ``ROLE_REQUIRED``, ``EXCHANGE_UNKNOWN``.
        """
        return await _off_the_loop(lambda: self._view(self._mine(officer, exchange)))

    def _mine(self, officer: Officer, exchange: str) -> HoldRow:
        _any_role(officer)
        rows = [row for row in self._ledger.reader.holds_of(exchange) if row.here]
        if not rows:
            raise Refused(Reason.EXCHANGE_UNKNOWN, "There is no hold of such an exchange here.")
        row = next((r for r in rows if r.state == "open"), rows[-1])
        if row.role not in officer.roles:
            raise Refused(Reason.ROLE_REQUIRED, "Only an officer of this role may.", role=row.role)
        return row

    def _view(self, row: HoldRow) -> HoldView:
        state = self._holds.state(row.exchange)
        asked = entry_of(state, row.leaf)
        about = state.request.entry if state.request else asked
        held_on = asked if isinstance(asked, Hold) else about
        assert isinstance(held_on, Request | Hold)
        key = self._holds.key(row.exchange)
        parked = self._unsent.parked(row.exchange, key) if key else None
        return HoldView(
            row=row,
            open=row.state == "open" and self._is_open(row, state),
            findings=self._admission.findings(asked.rules),
            sender=held_on.sender,
            recipient=held_on.recipient,
            service=held_on.service,
            method=held_on.method,
            purpose=held_on.purpose,
            case_id=(parked[0].case_id or "") if parked else "",
            decision=read_decision(key, row.decision) if key and row.decision else None,
        )

    def decisions(self, exchange: str) -> tuple[tuple[str, HoldDecision], ...]:
        """Who of this node decided on holds of an exchange: ``(role, decision)``; until erased."""
        rows = [row for row in self._ledger.reader.holds_of(exchange) if row.decision is not None]
        key = self._holds.key(exchange) if rows else None
        if key is None:
            return ()
        return tuple((r.role, read_decision(key, r.decision)) for r in rows if r.decision)

    def _is_open(self, row: HoldRow, state: State) -> bool:
        waits = state.hold is not None and state.hold.leaf == row.leaf
        return waits and self._clock.now() <= parse_instant(row.deadline)

    async def decide(
        self, officer: Officer, exchange: str, leaf: str, note: str, *, yes: bool
    ) -> HoldView:
        """An officer's answer, on record. ``leaf``: of the hold that was read; empty: the open one.

        Raises ``Refused``: ``ROLE_REQUIRED``, ``EXCHANGE_UNKNOWN``, ``SELF_APPROVAL``,
        ``HOLD_ANSWERED``, ``HOLD_EXPIRED``.
        """

        def read() -> tuple[HoldRow, State, bytes | None, Submission | None]:
            row = self._mine(officer, exchange)
            key = self._holds.key(exchange)
            parked = self._unsent.parked(exchange, key) if key else None
            return row, self._holds.state(exchange), key, parked[0] if parked else None

        # What changes after this look makes the transaction below stale.
        row, state, key, asked = await _off_the_loop(read)
        now = self._clock.now()
        if now > parse_instant(row.deadline):
            raise Refused(Reason.HOLD_EXPIRED, "The term of this hold is over.")
        if row.state != "open" or leaf not in ("", row.leaf) or not self._is_open(row, state):
            raise answered_already()
        if asked is not None and officer.id == f"{asked.party}/{asked.subject}":
            raise Refused(Reason.SELF_APPROVAL, "Whoever asked does not decide.")
        at = instant(now)
        effects: list[Effect] = []
        if key is None:  # of the other side's hold nothing rests here yet
            wrapped, key = self._legs.new_key()
            day = row.deadline[:10]
            effects.append(KeepKey(exchange, wrapped, at, Until(day, None)))
        said = HoldDecision(officer.id, note, at, yes)
        await self._answer(
            row,
            state,
            Approval(
                at=at,
                exchange=exchange,
                hold=row.leaf,
                approved="yes" if yes else "no",
                role=row.role,
            ),
            effects,
            seal_decision(key, said),
        )
        return await _off_the_loop(lambda: self._view(self._ledger.reader.hold(row.leaf) or row))

    async def _answer(
        self,
        row: HoldRow,
        state: State,
        entry: Approval,
        effects: list[Effect],
        decision: bytes,
    ) -> None:
        """The entry in the log that answers, and the row's move, in one transaction."""
        asked = next(p for p in state.evidence if p.leaf == row.leaf)
        yes, waiting, origin = entry.approved == "yes", None, asked.position.origin
        if isinstance(asked.entry, Held):  # our law held it: its own row goes on or ends
            assert state.request is not None
            waiting = state.request.position
            effects.append(MovePending(waiting, "approved" if yes else DONE))
            move = MoveHold(row.leaf, "open", "done", decision)
        elif asked.position.writer == self._topology.node:
            move = MoveHold(row.leaf, "open", "approved" if yes else "rejected", decision)
        else:
            origin = self._topology.reverse(origin)
            move = MoveHold(row.leaf, "open", "done", decision)
        append = Append(origin, entry.encode(), entry.exchange)
        try:
            await self._ledger.record(Record((append,), (*effects, move)))
        except Stale as stale:
            raise answered_already() from stale
        if waiting is not None and yes:
            pending = self._ledger.reader.pending_at(waiting)
            if pending is not None:
                self.act(pending)
        elif move.state != "done":
            self._holds.start(row.leaf)


async def _off_the_loop(read: Callable[[], _Read]) -> _Read:
    """Reads may wait for the disk."""
    return await asyncio.get_running_loop().run_in_executor(None, read)


def _any_role(officer: Officer) -> None:
    if not officer.roles:
        raise Refused(Reason.ROLE_REQUIRED, "Only an officer may.", role="any")
