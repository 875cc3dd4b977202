"""What becomes of a submission that does not leave: told, refused on record, or parked.

A refusal and a hold are entries too (REQ-ENT-5). A hold for a role of this side stands in the home
log, and nothing of it leaves (REQ-ENT-15); one for the other side's role travels as an entry
without payload. The parked submission rests here, sealed under the exchange's own key, until
somebody decides or the deadline ends it (REQ-ENT-13).
"""

from dataclasses import dataclass

import orjson

from xbgateway.model.clock import Clock, instant
from xbgateway.model.decision import Finding
from xbgateway.model.entry import Hold, Refused_, leaf_hex
from xbgateway.model.errors import Reason
from xbgateway.model.outcome import Outcome, State
from xbgateway.model.record import (
    Append,
    DropPart,
    Effect,
    KeepHold,
    KeepPart,
    KeepUntil,
    MoveHold,
    OpenExchange,
    Record,
)
from xbgateway.seal import open_at_rest, seal_at_rest

from .admission import Admission
from .asking import Ask, in_a_lane, whom
from .decided import Decided
from .flights import Flights
from .legs import Legs
from .ports import Ledger, Meter
from .results import pack_finished
from .stages import NOBODY, Admitted, Approved, Finished, HoldNotice, Submission
from .topology import Topology

_SUBMISSION = "submission"


@dataclass(frozen=True, slots=True)
class Footing:
    """On what an exchange goes on: new under a key of its own, or from a hold that was approved."""

    key: bytes
    wrapped: bytes = b""  # of a new one
    approved: Approved = NOBODY
    leaf: str | None = None  # the hold that was approved; None for a new exchange
    in_lane: bool = False  # the other side knows of a hold of it

    def effects(self, admitted: Admitted, decided: Decided) -> list[Effect]:
        """The rows with which it goes on."""
        if self.leaf is not None:
            return [
                MoveHold(self.leaf, "approved", "done"),
                KeepUntil(admitted.exchange, decided.until),
            ]
        submission = admitted.submission
        return [
            OpenExchange(
                admitted.exchange,
                submission.party,
                submission.request_id,
                admitted.fingerprint,
                self.wrapped,
                decided.facts.moment.now,
                decided.until,
            )
        ]

    def unparked(self, exchange: str) -> list[Effect]:
        """The parked submission goes, where there is one: what left needs it no more."""
        return [] if self.leaf is None else [DropPart(exchange, _SUBMISSION)]


class Unsent:
    """Records refusals and holds of this node's own callers."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        legs: Legs,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        meter: Meter,
        flights: Flights,
        admission: Admission,
    ) -> None:
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._meter = meter
        self._flights = flights
        self._admission = admission

    async def unsent(
        self, admitted: Admitted, decided: Decided, footing: Footing | None
    ) -> Finished:
        """What a decision that is not "allow", or a dry run (no ``footing``), comes to."""
        if footing is None:
            return self._told(admitted, decided)
        ask = None
        if decided.decision.verdict == "hold":
            ask = whom(decided, self._admission.tables, "sender")
        if ask is None:
            return await self._refuse(admitted, decided, footing)
        return await self._park(admitted, decided, footing, ask)

    def _told(self, admitted: Admitted, decided: Decided) -> Finished:
        submission, decision = admitted.submission, decided.decision
        findings = (*decision.denials, *decision.holds, *decision.warnings)
        reason = {"deny": Reason.POLICY_DENIED, "hold": Reason.POLICY_HOLD}.get(decision.verdict)
        drops = [a.path for a in decision.fields if a.how == "drop"]
        masks = [a.path for a in decision.fields if a.how != "drop"]
        return Finished(
            exchange=admitted.exchange,
            outcome=Outcome.REFUSED if reason else Outcome.PENDING,
            reason=reason,
            sentence=_sentence(findings) if reason else None,
            findings=findings,
            dropped=tuple(f"request:{p}" for p in drops if p in admitted.content.paths()),
            masked=tuple(f"request:{p}" for p in masks if p in admitted.content.paths()),
            decision=decision if submission.validate_only else None,
        )

    async def _refuse(self, admitted: Admitted, decided: Decided, footing: Footing) -> Finished:
        submission, decision = admitted.submission, decided.decision
        entry = Refused_(
            at=decided.facts.moment.now,
            exchange=admitted.exchange,
            reason=Reason.POLICY_DENIED if decision.denials else Reason.POLICY_HOLD,
            rules=tuple(f.rule for f in (*decision.denials, *decision.holds)),
            sender=submission.party,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            verdict=decided.verdict,
        )
        finished = self._told(admitted, decided)
        effects = [
            *footing.effects(admitted, decided),
            *self._legs.evidence(decided, admitted.exchange, footing.key),
        ]
        origin = self._log(admitted, there=footing.in_lane)
        version = decided.facts.standing.register_version
        return await self._end(origin, entry, finished, footing.key, effects, version)

    async def _park(
        self, admitted: Admitted, decided: Decided, footing: Footing, ask: Ask
    ) -> Finished:
        submission, at = admitted.submission, decided.facts.moment.now
        entry = Hold(
            at=at,
            exchange=admitted.exchange,
            sender=submission.party,
            recipient=admitted.recipient,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            role=ask.role,
            rules=ask.rules,
            deadline=ask.deadline,
            verdict=decided.verdict,
        )
        raw = entry.encode()
        since = footing.approved.admitted_at or at
        parked = seal_at_rest(footing.key, _SUBMISSION.encode(), _pack(submission, since))
        effects: list[Effect] = [
            *footing.effects(admitted, decided),
            KeepPart(admitted.exchange, _SUBMISSION, parked),
            KeepHold(leaf_hex(raw), admitted.exchange, at, ask.role, ask.deadline, ask.here),
            *self._legs.evidence(decided, admitted.exchange, footing.key),
        ]
        append = Append(self._log(admitted, there=not ask.here), raw, admitted.exchange)
        version = decided.facts.standing.register_version
        quotas = self._flights.quotas
        new = quotas.take(admitted.exchange, submission.party, None, len(parked))
        try:
            await self._ledger.record(Record((append,), tuple(effects), version))
        except BaseException:
            if new:
                quotas.free(admitted.exchange)
            raise
        self._legs.kept(effects)
        holds = decided.decision.holds
        finished = Finished(
            exchange=admitted.exchange,
            outcome=Outcome.HELD,
            reason=Reason.POLICY_HOLD,
            sentence=_sentence(tuple(f for f in holds if f.role == ask.role)),
            findings=holds,
            hold=HoldNotice(ask.role, ask.deadline),
        )
        self._meter.exchange("outbound", finished.outcome, finished.reason)
        self._flights.held(admitted.exchange, finished)
        return finished

    def _log(self, admitted: Admitted, *, there: bool) -> str:
        if there:
            return self._topology.data_out(admitted.peer, admitted.lane)
        return self._topology.home

    async def give_up(
        self, leaf: str, was: MoveHold, reason: str, state: State, key: bytes
    ) -> Finished:
        """End a hold of ours that nobody will go on from: ``refused``, in the log that knows it."""
        placed = next(p for p in state.evidence if p.leaf == leaf)
        hold = placed.entry
        assert isinstance(hold, Hold)
        lanes = [p.position.origin for p in state.evidence if in_a_lane((p,))]
        entry = Refused_(
            at=instant(self._clock.now()),
            exchange=hold.exchange,
            reason=reason,
            rules=hold.rules,
            sender=hold.sender,
            service=hold.service,
            method=hold.method,
            purpose=hold.purpose,
        )
        finished = Finished(hold.exchange, Outcome.REFUSED, reason)
        origin = lanes[-1] if lanes else self._topology.home
        return await self._end(origin, entry, finished, key, [was])

    async def _end(  # noqa: PLR0917 - one value for each thing that is recorded together
        self,
        origin: str,
        entry: Refused_,
        finished: Finished,
        key: bytes,
        effects: list[Effect],
        register: str | None = None,
    ) -> Finished:
        result = seal_at_rest(key, b"result", pack_finished(finished))
        effects += [
            KeepPart(entry.exchange, "result", result),
            DropPart(entry.exchange, _SUBMISSION),
        ]
        append = Append(origin, entry.encode(), entry.exchange)
        await self._ledger.record(Record((append,), tuple(effects), register))
        self._legs.kept(effects)
        self._meter.exchange("outbound", finished.outcome, finished.reason)
        self._flights.end(entry.exchange, finished)
        return finished

    def counted(self) -> None:
        """After a start: what has not ended yet takes its room."""
        reader, quotas = self._ledger.reader, self._flights.quotas
        for row in reader.holds_in("open", "approved", "rejected"):
            known, sealed = (
                reader.exchange_row(row.exchange),
                reader.part(row.exchange, _SUBMISSION),
            )
            if known is not None and known[0] is not None and sealed is not None:
                quotas.put(row.exchange, known[0], None, len(sealed))
        for exchange, party, origin, size in reader.open_requests():
            quotas.put(exchange, party, self._topology.reader_of(origin), size)

    def parked(self, exchange: str, key: bytes) -> tuple[Submission, str] | None:
        """What waits here, and when it was first admitted."""
        sealed = self._ledger.reader.part(exchange, _SUBMISSION)
        if sealed is None:
            return None
        return _unpack(open_at_rest(key, _SUBMISSION.encode(), sealed))


def _sentence(findings: tuple[Finding, ...]) -> str | None:
    first = findings[0] if findings else None
    return first.text.get("en", first.rule) if first else None


def _pack(submission: Submission, since: str) -> bytes:
    head = {
        name: getattr(submission, name)
        for name in Submission.__slots__
        if name not in ("payload", "validate_only")
    }
    return orjson.dumps({"submission": head, "since": since}) + b"\n" + submission.payload


def _unpack(raw: bytes) -> tuple[Submission, str]:
    line, _, payload = raw.partition(b"\n")
    head = orjson.loads(line)
    words = head["submission"]
    words["references"] = tuple(words["references"])
    return Submission(**words, payload=payload), head["since"]
