"""Holds: what waited for a person goes on or ends, and what peers say of holds.

Three places (REQ-ENT-15): our own hold at home, a hold of the other side that travelled here, and a
request that our law held when it came (``inbound.py``). The row of a hold moves once from ``open``,
in the same transaction as the entry that answers it (``desk.py``); so nobody answers twice, and a
crash repeats nothing. What an answer starts is taken up again at a start: an approval is no
decision, law is asked once more.
"""

import asyncio
from dataclasses import replace

import structlog

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.entry import Approval, Held, Hold
from xbgateway.model.errors import GatewayError, Reason, Refused, Unavailable
from xbgateway.model.origins import in_lane
from xbgateway.model.outcome import State, outcome
from xbgateway.model.record import (
    DONE,
    Append,
    Effect,
    HoldRow,
    KeepHold,
    MoveHold,
    MovePending,
    Pending,
    Record,
    Stale,
)

from .admission import Admission
from .asking import approved, in_a_lane
from .legs import Legs
from .outbound import Outbound
from .ports import Ledger
from .room import Room
from .topology import Topology
from .unsent import Footing, Unsent

_log = structlog.get_logger("holds")


class Holds:
    """The holds of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        outbound: Outbound,
        unsent: Unsent,
        room: Room,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._outbound = outbound
        self._unsent = unsent
        self._room = room
        self._acting: dict[str, asyncio.Task[None]] = {}

    # ---- whoever asked -------------------------------------------------------------------------

    def is_of(self, party: str, exchange: str) -> bool:
        """Whether a party of this node opened an exchange."""
        row = self._ledger.reader.exchange_row(exchange)
        return row is not None and row[0] == party

    async def withdraw(self, party: str, exchange: str) -> None:
        """The caller gives up a hold that is still open.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``HOLD_ANSWERED``.
        """
        if not self.is_of(party, exchange):
            raise Refused(Reason.EXCHANGE_UNKNOWN, "no such exchange of this party")
        rows = [r for r in self._ledger.reader.holds_of(exchange) if r.state == "open"]
        for row in rows:
            state = self.state(exchange)
            if not isinstance(entry_of(state, row.leaf), Hold):
                continue
            try:
                await self._give_up(row, state, "open", Reason.HOLD_WITHDRAWN)
            except Stale as stale:
                raise answered_already() from stale
            return
        raise answered_already()

    def take_up(self) -> None:
        """Act on every answer that is on record, and end what nobody answered in time."""
        now = self._clock.now()
        for row in self._ledger.reader.holds_in("approved", "rejected"):
            self.start(row.leaf)
        for row in self._ledger.reader.holds_in("open"):
            if now > parse_instant(row.deadline) or not self._waits(row):
                self.start(row.leaf)

    def _waits(self, row: HoldRow) -> bool:
        state = self.state(row.exchange)
        return state.hold is not None and state.hold.leaf == row.leaf

    def start(self, leaf: str) -> None:
        """Act on what is on record of a hold, on a task that this node owns."""
        if leaf not in self._acting:
            task = asyncio.get_running_loop().create_task(self._until_done(leaf))
            self._acting[leaf] = task
            task.add_done_callback(lambda _done: self._acting.pop(leaf, None))

    def running(self) -> list[asyncio.Task[None]]:
        """What is being acted on just now."""
        return list(self._acting.values())

    async def _until_done(self, leaf: str) -> None:
        delay_s = 0.1
        while True:
            try:
                await self._go_on(leaf)
            except Unavailable as error:
                if error.reason is Reason.DRAINING:
                    return
                _log.warning("hold_waits", reason=str(error.reason))
            except Stale:
                pass  # somebody was faster: look again
            except GatewayError as error:
                _log.error("hold_stopped", reason=str(error.reason))
                return
            except Exception:  # noqa: BLE001 - its row stays, and is taken up at the next minute
                _log.exception("hold_failed")
                return
            else:
                return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 30.0)

    async def _go_on(self, leaf: str) -> None:
        row = self._ledger.reader.hold(leaf)
        if row is None or row.state == "done":
            return
        state = self.state(row.exchange)
        asked = entry_of(state, leaf)
        ours = isinstance(asked, Hold) and self._admission.node_of(asked.sender) == (
            self._topology.node
        )
        if row.state == "rejected":
            await self._give_up(row, state, "rejected", Reason.HOLD_REJECTED)
        elif row.state == "approved":
            await self._approved(row, state)
        elif not ours:
            # Whoever asked gave up, or the term is over: a held request's own row says so.
            if isinstance(asked, Hold):
                await self._ledger.record(Record((), (MoveHold(leaf, "open", "done"),)))
        elif self._clock.now() > parse_instant(row.deadline):
            await self._give_up(row, state, "open", Reason.HOLD_EXPIRED)

    async def _approved(self, row: HoldRow, state: State) -> None:
        """Law is asked again, on the facts of this moment, by the steps of a new submission."""
        key = self.key(row.exchange)
        parked = self._unsent.parked(row.exchange, key) if key else None
        if key is None or parked is None:
            return
        submission, since = parked
        footing = Footing(
            key=key,
            approved=approved(
                state,
                self._ledger.reader,
                key,
                requester=f"{submission.party}/{submission.subject}",
                admitted_at=since,
            ),
            leaf=row.leaf,
            in_lane=in_a_lane(state.evidence),
        )
        lane = int(row.exchange[-2:], 16)
        try:
            admitted = self._admission.admit(submission, b"", self._clock.now(), lane)
            await self._outbound.go_on(replace(admitted, exchange=row.exchange), footing)
        except Refused as refused:
            await self._give_up(row, state, "approved", refused.reason)

    async def _give_up(self, row: HoldRow, state: State, was: str, reason: str) -> None:
        key = self.key(row.exchange)
        if key is not None:
            move = MoveHold(row.leaf, was, "done")  # type: ignore[arg-type] # a state, as read
            await self._unsent.give_up(row.leaf, move, reason, state, key)

    # ---- what the peer says --------------------------------------------------------------------

    def concerns(self, pending: Pending) -> bool:
        """Whether a mirrored entry is a hold, or the answer to a hold of ours."""
        entry = pending.decoded
        if isinstance(entry, Approval):
            return self._ledger.reader.hold(entry.hold) is not None
        return isinstance(entry, Hold)

    async def mirrored(self, pending: Pending) -> None:
        """A hold of the other side for a role of ours, or its officer's answer to ours."""
        entry = pending.decoded
        if isinstance(entry, Hold):
            await self._asked(pending, entry)
        else:
            assert isinstance(entry, Approval)
            await self._told(pending, entry)

    async def _asked(self, pending: Pending, entry: Hold) -> None:
        state = outcome(self._ledger.reader.placed(entry.exchange), pending.position.writer)
        placed = next((p for p in state.evidence if p.position == pending.position), None)
        effects: list[Effect] = [MovePending(pending.position, DONE)]
        if placed is not None and self._for_us(pending, entry):
            keep = KeepHold(
                placed.leaf, entry.exchange, entry.at, entry.role, entry.deadline, here=True
            )
            try:
                async with self._room.one_more(pending.position.origin):
                    known = self._ledger.reader.hold(placed.leaf) is not None
                    effects += [] if known else [keep]
                    await self._ledger.record(Record((), tuple(effects)))
            except Refused as full:  # the node itself says no, as below
                _log.warning("hold_refused", reason=str(full.reason), exchange=entry.exchange)
            else:
                return
        if placed is None:
            await self._ledger.record(Record((), tuple(effects)))
            return
        # Nobody here may decide it: the node itself says no, so that whoever asked need not wait.
        no = Approval(
            at=instant(self._clock.now()),
            exchange=entry.exchange,
            hold=placed.leaf,
            approved="no",
            role=entry.role,
        )
        append = Append(
            self._topology.reverse(pending.position.origin), no.encode(), entry.exchange
        )
        await self._ledger.record(Record((append,), tuple(effects)))

    def _for_us(self, pending: Pending, entry: Hold) -> bool:
        """Whether the sender is the peer's, and role, recipient and id are such as we answer."""
        reader = self._ledger.reader
        row = reader.exchange_row(entry.exchange)
        taken = row is not None and row[0] is not None
        return (
            not taken
            and in_lane(pending.position.origin, entry.exchange)
            and self._admission.is_of(entry.sender, self._topology.peer_of(pending.position.origin))
            and self._admission.is_of(entry.recipient, self._topology.node)
            and self._admission.decides(entry.recipient, entry.role, self._clock.now())
        )

    async def _told(self, pending: Pending, entry: Approval) -> None:
        row = self._ledger.reader.hold(entry.hold)
        state = self.state(entry.exchange)
        counts = any(p.position == pending.position for p in state.evidence)
        moved = MovePending(pending.position, DONE)
        if not counts or row is None or row.here or row.state != "open":
            await self._ledger.record(Record((), (moved,)))
            return
        to = "approved" if entry.approved == "yes" else "rejected"
        try:
            move = MoveHold(row.leaf, "open", to)  # type: ignore[arg-type] # one of two literals
            await self._ledger.record(Record((), (moved, move)))
        except Stale:
            await self._ledger.record(Record((), (moved,)))
            return
        self.start(row.leaf)

    # ---- reading -------------------------------------------------------------------------------

    def state(self, exchange: str) -> State:
        """What the entries of an exchange say, as this node knows who opened it."""
        reader = self._ledger.reader
        row = reader.exchange_row(exchange)
        ours = row is not None and row[0] is not None
        return outcome(reader.placed(exchange), self._topology.node if ours else None)

    def key(self, exchange: str) -> bytes | None:
        """The exchange's own key here; ``None`` where there is none, or none any more."""
        row = self._ledger.reader.exchange_row(exchange)
        return None if row is None or row[2] is None else self._legs.unwrap(row[2])


def entry_of(state: State, leaf: str) -> Hold | Held:
    """The hold with this leaf."""
    found = next(p.entry for p in (*state.evidence, *state.anomalies) if p.leaf == leaf)
    assert isinstance(found, Hold | Held)
    return found


def answered_already() -> Refused:
    """The refusal of whoever comes too late."""
    return Refused(Reason.HOLD_ANSWERED, "The hold is not open any more.")
