"""The receiver's word on an exchange of a caller of ours: steps 7 to 10 of ``outbound.py``.

    7 await      the receiver's entry is mirrored here (done by store and link)
    8 decide     the answer leg, on the receiver's declaration
    9 open       the answer, check its content, minimise by our own law too
   10 record     what became of it; only now does the caller hear

The same for a caller who waits, one who hung up, and after a crash.
"""

from datetime import datetime

from xbgateway.model.clock import Clock, instant
from xbgateway.model.delivery import DeliveryRow, PutDelivery
from xbgateway.model.entry import (
    Accepted,
    Answer,
    Approval,
    Expired,
    Final,
    Held,
    Refused_,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.facts import Leg
from xbgateway.model.limits import RECORD_RETRIES_MAX
from xbgateway.model.outcome import Outcome, outcome
from xbgateway.model.record import (
    DONE,
    Append,
    Effect,
    KeepPart,
    MovePending,
    Pending,
    Record,
    ReleaseBeside,
    Stale,
)
from xbgateway.seal import seal_at_rest

from .admission import Admission
from .asking import approved, informed, notice
from .decided import Decided, refuse_unless_allowed
from .failures import unpack_error
from .flights import Flight, Flights
from .legs import Legs
from .ports import Ledger, Meter, Peers
from .results import pack_finished
from .stages import Approved, Declaration, Finished, by_leg
from .topology import Topology

_SAID = (Reason.RESOLVED_NOT_EXECUTED, Reason.EXCHANGE_CANCELLED)


class Replies:
    """What this node does with the entries that answer its own requests."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        peers: Peers,
        topology: Topology,
        clock: Clock,
        meter: Meter,
        flights: Flights,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._peers = peers
        self._topology = topology
        self._clock = clock
        self._meter = meter
        self._flights = flights

    def accepted(self, entry: Accepted, origin: str, index: int) -> None:
        """The receiver's log says that the request was admitted."""
        flight = self._flights.get(entry.exchange)
        if flight is None or flight.accepted is not None or flight.request_leaf != entry.request:
            return
        if not flight.said_before and self._topology.reverse(origin) == flight.lane:
            flight.accepted = index

    def said(self, exchange: str) -> None:
        """The receiver's log says something else: only the one reading knows what then counts."""
        flight = self._flights.get(exchange)
        if flight is not None:
            flight.said_before = True

    async def reply(self, pending: Pending) -> None:
        """Steps 8-10 for one entry of the receiver's log. Normal work and recovery alike."""
        entry = pending.decoded
        no = isinstance(entry, Approval) and entry.approved == "no"
        flight = None
        if isinstance(entry, Answer | Refused_ | Expired | Held | Approval) and (
            no or not isinstance(entry, Approval)
        ):
            flight = self._flight(entry)
        if flight is None or not self._in_place(flight, pending, entry):
            await self._ledger.record(Record((), (MovePending(pending.position, DONE),)))
            return
        match entry:
            case Held():
                await self._ledger.record(Record((), (MovePending(pending.position, DONE),)))
                findings = self._admission.findings(entry.rules)
                self._flights.held(flight.exchange, notice(flight.exchange, entry, findings))
            case Answer(status="answered" | "failed"):
                await self._decided_again(flight, pending, entry)
            case Answer() | Refused_() | Expired() | Approval():
                await self._ended(flight, pending, entry)

    def _flight(self, entry: Answer | Refused_ | Expired | Held | Approval) -> Flight | None:
        """The exchange that an entry speaks of, from memory or, after a crash, from the store."""
        flight = self._flights.get(entry.exchange)
        if flight is not None:
            return flight
        reader = self._ledger.reader
        row = reader.exchange_row(entry.exchange)
        if row is None or row[0] is None or reader.part(entry.exchange, "result") is not None:
            return None  # not of a caller of ours, or it has ended: the entry is one too many
        state = outcome(reader.placed(entry.exchange), self._topology.node)
        beside = reader.beside(state.request.position) if state.request else None
        if state.request is None or beside is None:
            return None
        declaration = Declaration.decode(beside[0])
        flight = Flight(
            exchange=entry.exchange,
            key=self._legs.unwrap(row[2]),
            request_leaf=state.request.leaf,
            declaration=declaration,
            answer_standing=None,
            lane=state.request.position.origin,
            said_before=True,  # only the one reading knows what was said meanwhile
        )
        self._flights.begin(flight)
        return flight

    def _in_place(self, flight: Flight, pending: Pending, entry: object) -> bool:
        """Whether the entry stands where the one reading of entries gives it a meaning."""
        if flight.ending not in (None, pending.position):
            return False  # the receiver's first word is being acted on; this one comes too late
        if (
            flight.accepted is not None
            and isinstance(entry, Answer)
            and entry.request == flight.request_leaf
            and pending.position.index > flight.accepted
            and self._topology.reverse(pending.position.origin) == flight.lane
        ):
            flight.ending = pending.position
            return True  # the common case, already known without asking the store
        state = outcome(self._ledger.reader.placed(flight.exchange), self._topology.node)
        if not any(p.position == pending.position for p in state.evidence):
            return False
        if not isinstance(entry, Held):
            flight.ending = pending.position
        return True

    async def _decided_again(self, flight: Flight, pending: Pending, entry: Answer) -> None:
        """Steps 8 to 10, as often as another register comes into use before they are recorded."""
        for _attempt in range(RECORD_RETRIES_MAX):
            try:
                await self._answered(flight, pending, entry)
            except Stale:
                flight.answer_standing = None
            else:
                return
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the answer was decided"
        )

    async def _answered(self, flight: Flight, pending: Pending, entry: Answer) -> None:
        now = self._clock.now()
        decided: Decided | None = None
        try:
            pending = await self._legs.with_payload(self._peers, entry, pending)
            declaration = _checked_declaration(pending.declaration, flight.declaration, "answer")
            standing = flight.answer_standing or self._admission.standing(
                flight.declaration, "answer"
            )
            facts = self._admission.declared_facts(standing, declaration, instant(now))
            decided = await self._legs.decide(
                informed(facts, self._approved(flight), self._admission.tables)
            )  # 8
            refuse_unless_allowed(decided.decision, "answer")
            peer = self._topology.peer_of(pending.position.origin)
            payload = self._legs.open(entry, peer, pending.sealed, now)  # 9
            finished = self._release(flight, entry, decided, declaration, payload)
        except Refused as refused:
            finished = Finished(
                exchange=flight.exchange,
                outcome=Outcome.EXECUTED_ANSWER_WITHHELD,
                reason=refused.reason,
                sentence=refused.sentence,
                findings=decided.decision.denials if decided else (),
                dropped=by_leg("request", flight.declaration.dropped),
                masked=by_leg("request", flight.declaration.masked),
            )
        await self._finish(flight, pending, finished, decided, leaf_hex(pending.entry), now)  # 10

    def _approved(self, flight: Flight) -> Approved:
        """What officers have said of the exchange; those of the other side after it left too."""
        if not flight.said_before:
            return flight.approved
        reader = self._ledger.reader
        state = outcome(reader.placed(flight.exchange), self._topology.node)
        return approved(state, reader, flight.key)

    def _release(
        self,
        flight: Flight,
        entry: Answer,
        decided: Decided,
        declaration: Declaration,
        payload: bytes,
    ) -> Finished:
        """Check the content against its declaration and minimise once more, by our own law."""
        if entry.status == "failed":
            code, text = unpack_error(payload)
            return Finished(
                exchange=flight.exchange,
                outcome=Outcome.EXECUTED,
                reason=Reason.SERVICE_FAILED,
                sentence=text,
                service_code=code,
                dropped=by_leg("request", flight.declaration.dropped),
                masked=by_leg("request", flight.declaration.masked),
            )
        content = self._admission.check_content(declaration, payload, "answer")
        permitted = self._legs.minimise(decided, content)
        return Finished(
            exchange=flight.exchange,
            outcome=Outcome.EXECUTED,
            payload=permitted.payload,
            dropped=(
                *by_leg("request", flight.declaration.dropped),
                *by_leg("answer", (*declaration.dropped, *permitted.dropped)),
            ),
            masked=(
                *by_leg("request", flight.declaration.masked),
                *by_leg("answer", tuple(dict.fromkeys((*declaration.masked, *permitted.masked)))),
            ),
        )

    async def _ended(
        self, flight: Flight, pending: Pending, entry: Answer | Refused_ | Expired | Approval
    ) -> None:
        """The receiver refused, let it expire, withheld the answer, or does not know."""
        match entry:
            case Refused_():
                end, reason, rules = Outcome.NOT_EXECUTED, entry.reason, entry.rules
            case Approval():
                end, reason, rules = Outcome.NOT_EXECUTED, str(Reason.HOLD_REJECTED), ()
            case Expired():
                end, reason, rules = Outcome.EXPIRED, str(Reason.EXCHANGE_EXPIRED), ()
            case Answer(status="not_called"):
                # A person over there has looked, we took it back, or law forbade it as it waited.
                said = entry.reason in _SAID or entry.verdict is not None
                reason = entry.reason if said and entry.reason else Reason.SERVICE_UNAVAILABLE
                end, reason, rules = Outcome.NOT_EXECUTED, str(reason), entry.rules
            case Answer(status="unknown"):
                end, reason, rules = Outcome.UNKNOWN, str(Reason.EXCHANGE_UNKNOWN_EFFECT), ()
            case _:
                end, rules = Outcome.EXECUTED_ANSWER_WITHHELD, entry.rules
                reason = entry.reason or str(Reason.ANSWER_WITHHELD)
        finished = Finished(
            exchange=flight.exchange,
            outcome=end,
            reason=reason,
            sentence=self._admission.sentence(end, reason, rules),
            findings=self._admission.findings(rules),
            dropped=by_leg("request", flight.declaration.dropped),
            masked=by_leg("request", flight.declaration.masked),
        )
        await self._finish(flight, pending, finished, None, None, self._clock.now())

    async def _finish(  # noqa: PLR0917 - one value for each thing that is recorded together
        self,
        flight: Flight,
        pending: Pending,
        finished: Finished,
        decided: Decided | None,
        answer_leaf: str | None,
        now: datetime,
    ) -> None:
        """Record what became of the exchange, then tell whoever waits."""
        effects: list[Effect] = [
            KeepPart(
                flight.exchange,
                "result",
                seal_at_rest(flight.key, b"result", pack_finished(finished)),
            ),
            MovePending(pending.position, DONE),
            ReleaseBeside(flight.exchange),
        ]
        if decided is not None:
            effects += self._legs.later_evidence(decided, flight.exchange, flight.key, flight.until)
        if finished.outcome is Outcome.UNKNOWN:
            effects.append(PutDelivery(_unknown(flight, instant(now))))
        appends: tuple[Append, ...] = ()
        if answer_leaf is not None:
            withheld = finished.outcome is not Outcome.EXECUTED
            final = Final(
                at=instant(now),
                exchange=flight.exchange,
                answer=answer_leaf,
                status="withheld" if withheld else "released",
                reason=finished.reason if withheld else None,
                rules=tuple(f.rule for f in finished.findings) if withheld else (),
                verdict=decided.verdict if decided else None,
            )
            origin = self._topology.reverse(pending.position.origin)
            appends = (Append(origin, final.encode(), flight.exchange),)
        version = decided.facts.standing.register_version if decided else None
        await self._ledger.record(Record(appends, tuple(effects), version))
        self._legs.kept(effects)
        self._meter.exchange("outbound", finished.outcome, finished.reason)
        self._flights.end(flight.exchange, finished)


def _unknown(flight: Flight, now: str) -> DeliveryRow:
    """A person of the party that asked has to look, too."""
    asked = flight.declaration
    return DeliveryRow(
        exchange=flight.exchange,
        position=None,
        party=asked.sender,
        service=asked.service,
        method=asked.method,
        state="unknown",
        at=now,
        last=now,
        due=now,
        until=now,
        unsure=True,
        reason=Reason.EXCHANGE_UNKNOWN_EFFECT,
    )


def _checked_declaration(raw: bytes, expected: Declaration, leg: Leg) -> Declaration:
    """The declaration of an answer fits the request it answers.

    Raises ``Refused(ENTRY_INVALID)``.
    """
    try:
        declaration = Declaration.decode(raw)
    except ValueError as error:
        raise Refused(Reason.ENTRY_INVALID, f"the declaration is malformed: {error}") from error
    same = ("exchange", "service", "method", "purpose", "scenario", "references", "case_id")
    crossed = (expected.recipient, expected.sender)
    if (
        declaration.leg != leg
        or (declaration.sender, declaration.recipient) != crossed
        or any(getattr(declaration, n) != getattr(expected, n) for n in same)
    ):
        raise Refused(Reason.ENTRY_INVALID, "the answer's declaration is not of this exchange")
    return declaration
