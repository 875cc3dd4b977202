"""What officers of both sides have said of a request that came here, as its receiver reads it.

Of roles of our side only our own log counts (REQ-ENT-12); of the sender's side its declaration,
bound by the entry, is that node's word. Reads only.
"""

from dataclasses import dataclass

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.entry import Approval, Held, Hold, Request
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import outcome
from xbgateway.model.record import Effect, KeepKey, KeepUntil, Pending, Until

from .admission import Admission
from .asking import Ask, Side, approved, whom
from .decided import Decided
from .legs import Legs
from .ports import Ledger
from .stages import NOBODY, Approved, Declaration

_ALIKE = ("sender", "recipient", "service", "method", "purpose")


@dataclass(frozen=True, slots=True)
class Said:
    """What has been approved of a request, and until when its service may be called."""

    approved: Approved
    last: str


class Approvals:
    """Questions about approvals, of one node as receiver."""

    def __init__(self, admission: Admission, legs: Legs, ledger: Ledger, clock: Clock) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._clock = clock

    def of(self, pending: Pending, entry: Request, declaration: Declaration) -> Said:
        """Raises ``Refused(ENTRY_INVALID)`` where an approved hold was of another transfer."""
        if pending.unseen_before and not declaration.approvals:
            return Said(NOBODY, entry.not_after)
        now, reader = self._clock.now(), self._ledger.reader
        told = tuple(
            role
            for role in declaration.approvals
            if not self._admission.decides(entry.recipient, role, now)
        )
        state = outcome(reader.placed(entry.exchange), pending.position.writer)
        answered = {p.entry.hold: p.entry for p in state.approvals if isinstance(p.entry, Approval)}
        last = parse_instant(entry.not_after)
        for placed in state.evidence:
            asked, answer = placed.entry, answered.get(placed.leaf)
            if answer is None:
                continue
            if isinstance(asked, Hold) and any(
                getattr(asked, name) != getattr(entry, name) for name in _ALIKE
            ):
                raise Refused(Reason.ENTRY_INVALID, "the hold that was approved was another's")
            if isinstance(asked, Held):  # REQ-ENT-14
                term = parse_instant(entry.not_after) - parse_instant(entry.at)
                last = max(last, parse_instant(answer.at) + term)
        row = reader.exchange_row(entry.exchange)
        key = self._legs.unwrap(row[2]) if row is not None and row[2] is not None else None
        return Said(approved(state, reader, key, told=told), instant(last))

    def check_wanted(self, pending: Pending, exchange: str) -> None:
        """Raises ``Refused(EXCHANGE_CANCELLED)`` where its sender took the request back."""
        reader, here = self._ledger.reader, pending.position
        if not reader.said_more(here, exchange):
            return  # the common case, without reading any entry
        if outcome(reader.placed(exchange), here.writer).cancel is not None:
            raise Refused(Reason.EXCHANGE_CANCELLED, "its sender took the request back")

    def ask(self, decided: Decided, own: Side) -> Ask | None:
        """The role of our side that a held leg waits for now."""
        found = whom(decided, self._admission.tables, own)
        return found if found is not None and found.here else None

    def key(self, pending: Pending, exchange: str, at: str, until: Until) -> tuple[Effect, bytes]:
        """The exchange's own key here, and the row that keeps it: a hold may have made it."""
        # What nobody saw before has no row: the common case, without reading any.
        row = None if pending.unseen_before else self._ledger.reader.exchange_row(exchange)
        if row is not None and row[0] is None and row[2] is not None:
            return KeepUntil(exchange, until), self._legs.unwrap(row[2])
        wrapped, key = self._legs.new_key()
        return KeepKey(exchange, wrapped, at, until), key
