"""From a caller of this node to a service on the other side, and the answer back.

Read this and ``inbound.py`` first: each is one numbered function, values in, values out.

    1 admit      who calls, what, idempotency, freshness, limits
    2 facts      everything law may ask, read once, with one clock reading
    3 decide     the active revision, both legal systems
    4 minimise   drop and mask what the decision asks
    5 seal       for the recipient's node, bound to the entry
    6 record     durable entry and signed checkpoint; only now do bytes leave
    7 await      the receiver's word, as an entry in its log
    8 decide     the answer leg, on the receiver's signed declaration
    9 open       the answer, check its content, minimise again
   10 record     what became of it; only now does the caller hear

All of it runs on tasks that the node owns: a caller who hangs up cannot undo or half-do anything.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import (
    Accepted,
    Answer,
    Erasure,
    Expired,
    Final,
    Held,
    Refused_,
    Request,
    Sealed,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import EXCHANGE_TTL_S, RECORD_RETRIES_MAX
from xbgateway.model.outcome import Outcome, outcome
from xbgateway.model.record import (
    AlreadyOpen,
    Append,
    Effect,
    KeepPart,
    MovePending,
    OpenExchange,
    Pending,
    Record,
    ReleaseBeside,
    Stale,
)
from xbgateway.seal import open_at_rest, seal_at_rest

from .admission import Admission, check_declaration
from .legs import Decided, Legs, refuse_unless_allowed
from .ports import Ledger, Meter, Peers
from .results import pack_finished, unpack_finished
from .stages import Admitted, Declaration, Finished, Flight, Permitted, Submission, by_leg
from .topology import Topology

_BLANK = Sealed("", "", "", 0, "", "", "")


class Outbound:
    """The outbound path of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in app.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        peers: Peers,
        topology: Topology,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._peers = peers
        self._topology = topology
        self._clock = clock
        self._meter = meter
        self._running: dict[tuple[str, str], tuple[bytes, asyncio.Task[Finished]]] = {}
        self._flights: dict[str, Flight] = {}
        self._waiting: dict[str, asyncio.Future[Finished]] = {}

    async def call(self, submission: Submission) -> Finished:
        """Run a submission to its end, or join the run of the same request id.

        Raises ``Refused`` or ``Unavailable`` before acceptance. Cancelling the caller's task
        never cancels the exchange.
        """
        if submission.validate_only:
            return await self._run(submission)
        name = (submission.party, submission.request_id)
        fingerprint = self._admission.fingerprint(submission)
        running = self._running.get(name)
        if running is None:
            task = asyncio.get_running_loop().create_task(self._run(submission))
            self._running[name] = running = (fingerprint, task)
            task.add_done_callback(lambda done: self._ran(name, done))
        elif running[0] != fingerprint:
            raise _reused("")
        return await asyncio.shield(running[1])

    def _ran(self, name: tuple[str, str], done: asyncio.Task[Finished]) -> None:
        self._running.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever still waits has it; nobody waiting is no fault

    async def _run(self, submission: Submission) -> Finished:
        now = self._clock.now()
        admitted = self._admission.admit(submission, now)  # 1
        known = self._ledger.reader.exchange_of(submission.party, submission.request_id)
        if known is not None and not submission.validate_only:
            return await self._again(admitted.fingerprint, *known)
        for _attempt in range(RECORD_RETRIES_MAX):
            decided = await self._legs.decide(self._admission.facts(admitted))  # 2, 3
            try:
                if submission.validate_only or decided.decision.verdict != "allow":
                    return await self._not_sent(admitted, decided)
                permitted = self._legs.minimise(decided, admitted.content)  # 4
                flight = await self._send(admitted, decided, permitted)  # 5, 6
                return await self._waiting[flight.exchange]  # 7 .. 10 in `reply`
            except AlreadyOpen as taken:
                return await self._again(admitted.fingerprint, taken.exchange, taken.fingerprint)
            except Stale:
                admitted = replace(admitted, now=self._clock.now())
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the transfer was decided"
        )

    async def _send(self, admitted: Admitted, decided: Decided, permitted: Permitted) -> Flight:
        """Steps 5 and 6: from here on the exchange is accepted and cannot be lost."""
        submission, moment = admitted.submission, decided.facts.moment
        wrapped, key = self._legs.new_key()
        declaration = Declaration(
            salt=moment.salt,
            exchange=admitted.exchange,
            leg="request",
            sender=submission.party,
            recipient=admitted.recipient,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            scenario=submission.scenario,
            references=submission.references,
            case_id=submission.case_id,
            fields=permitted.fields,
            dropped=permitted.dropped,
            masked=permitted.masked,
            subjects=moment.subjects or 0,
            synthetic=moment.synthetic,
            tls=submission.tls,
            register_version=decided.facts.standing.register_version,
        )
        draft = Request(
            at=moment.now,
            exchange=admitted.exchange,
            sender=submission.party,
            recipient=admitted.recipient,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            control=self._ledger.size(self._topology.control_out(admitted.peer)),
            not_after=instant(admitted.now + timedelta(seconds=EXCHANGE_TTL_S)),
            sealed=_BLANK,
            verdict=decided.verdict,
        )
        entry, beside = self._legs.seal(
            draft, admitted.peer, declaration.encode(), permitted.payload, admitted.now
        )
        raw = entry.encode()
        lane = self._topology.lane(submission.party, submission.request_id)
        flight = Flight(
            exchange=admitted.exchange,
            key=key,
            request_leaf=leaf_hex(raw),
            declaration=declaration,
            standing=self._admission.standing(declaration, "answer"),
            lane=self._topology.data_out(admitted.peer, lane),
        )
        effects: list[Effect] = [
            self._open(admitted, wrapped, moment.now),
            *self._admission.counts(admitted),
            *self._legs.evidence(decided, admitted.exchange, key),
        ]
        self._flights[flight.exchange] = flight
        self._waiting[flight.exchange] = asyncio.get_running_loop().create_future()
        try:
            await self._ledger.record(
                Record(
                    (Append(flight.lane, raw, flight.exchange, beside),),
                    tuple(effects),
                    register_version=declaration.register_version,
                )
            )
        except BaseException:
            del self._flights[flight.exchange], self._waiting[flight.exchange]
            raise
        self._legs.kept(effects)
        return flight

    async def _not_sent(self, admitted: Admitted, decided: Decided) -> Finished:
        """A refusal is an entry too: of the home log, since nothing leaves. Dry runs are none."""
        submission, decision = admitted.submission, decided.decision
        findings = (*decision.denials, *decision.holds, *decision.warnings)
        reason = {"deny": Reason.POLICY_DENIED, "hold": Reason.POLICY_HOLD}.get(decision.verdict)
        first = findings[0] if findings else None
        drops = [a.path for a in decision.fields if a.how == "drop"]
        masks = [a.path for a in decision.fields if a.how != "drop"]
        finished = Finished(
            exchange=admitted.exchange,
            outcome=Outcome.REFUSED if reason else Outcome.PENDING,
            reason=reason,
            sentence=first.text.get("en", first.rule) if first and reason else None,
            findings=findings,
            dropped=tuple(f"request:{p}" for p in drops if p in admitted.content.paths()),
            masked=tuple(f"request:{p}" for p in masks if p in admitted.content.paths()),
            decision=decision if submission.validate_only else None,
        )
        if submission.validate_only:
            return finished
        assert reason is not None
        wrapped, key = self._legs.new_key()
        entry = Refused_(
            at=decided.facts.moment.now,
            exchange=admitted.exchange,
            reason=reason,
            rules=tuple(f.rule for f in (*decision.denials, *decision.holds)),
            sender=submission.party,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            verdict=decided.verdict,
        )
        effects: list[Effect] = [
            self._open(admitted, wrapped, decided.facts.moment.now),
            KeepPart(
                admitted.exchange, "result", seal_at_rest(key, b"result", pack_finished(finished))
            ),
            *self._legs.evidence(decided, admitted.exchange, key),
        ]
        append = Append(self._topology.home, entry.encode(), admitted.exchange)
        await self._ledger.record(Record((append,), tuple(effects)))
        self._legs.kept(effects)
        self._meter.exchange("outbound", finished.outcome, reason)
        return finished

    def _open(self, admitted: Admitted, wrapped: bytes, at: str) -> OpenExchange:
        submission = admitted.submission
        return OpenExchange(
            admitted.exchange,
            submission.party,
            submission.request_id,
            admitted.fingerprint,
            wrapped,
            at,
        )

    # ---- the same request id again -----------------------------------------------------------

    async def _again(self, fingerprint: bytes, exchange: str, taken_by: bytes) -> Finished:
        """The stored result, or the result of the run that is under way."""
        if fingerprint != taken_by:
            raise _reused(exchange)
        stored = self.result(exchange)
        if stored is not None:
            return stored
        if any(isinstance(p.entry, Erasure) for p in self._ledger.reader.placed(exchange)):
            raise Refused(
                Reason.PAYLOAD_ERASED, "the stored result was erased", exchange_id=exchange
            )
        waiting = self._waiting.get(exchange)
        if waiting is None:
            waiting = self._waiting[exchange] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiting)

    def result(self, exchange: str) -> Finished | None:
        """The stored result of an exchange of this node's caller, if it has ended."""
        sealed = self._ledger.reader.part(exchange, "result")
        row = self._ledger.reader.exchange_row(exchange)
        if row is None:
            return None
        if sealed is None and row[2] is None:
            raise Refused(Reason.PAYLOAD_ERASED, "the exchange was erased", exchange_id=exchange)
        if sealed is None:
            return None
        return unpack_finished(open_at_rest(self._legs.unwrap(row[2]), b"result", sealed))

    # ---- the receiver's word -------------------------------------------------------------------

    def accepted(self, entry: Accepted, origin: str, index: int) -> None:
        """The receiver's log says that the request was admitted."""
        flight = self._flights.get(entry.exchange)
        if flight is None or flight.accepted is not None or flight.request_leaf != entry.request:
            return
        if self._topology.reverse(origin) == flight.lane:
            flight.accepted = index

    async def reply(self, pending: Pending) -> None:
        """Steps 8-10 for one entry of the receiver's log. Normal work and recovery alike."""
        entry = pending.decoded
        flight = (
            self._flight(entry) if isinstance(entry, Answer | Refused_ | Expired | Held) else None
        )
        if flight is None or not self._in_place(flight, pending, entry):
            await self._ledger.record(Record((), (MovePending(pending.position, None),)))
            return
        match entry:
            case Held():
                await self._ledger.record(Record((), (MovePending(pending.position, None),)))
            case Answer(status="answered" | "failed"):
                await self._answered(flight, pending, entry)
            case Answer() | Refused_() | Expired():
                await self._ended(flight, pending, entry)

    def _flight(self, entry: Answer | Refused_ | Expired | Held) -> Flight | None:
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
            standing=self._admission.standing(declaration, "answer"),
            lane=state.request.position.origin,
        )
        self._flights[flight.exchange] = flight
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

    async def _answered(self, flight: Flight, pending: Pending, entry: Answer) -> None:
        now = self._clock.now()
        decided: Decided | None = None
        try:
            pending = await self._legs.with_payload(self._peers, entry, pending)
            declaration = check_declaration(pending.declaration, flight.declaration, "answer")
            decided = await self._legs.decide(
                self._admission.declared_facts(flight.standing, declaration, now)
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
            code, _, message = payload.partition(b"\n")
            return Finished(
                exchange=flight.exchange,
                outcome=Outcome.EXECUTED,
                reason=Reason.SERVICE_FAILED,
                sentence=message.decode("utf-8", "replace"),
                service_code=int(code),
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
        self, flight: Flight, pending: Pending, entry: Answer | Refused_ | Expired
    ) -> None:
        """The receiver refused, let it expire, withheld the answer, or does not know."""
        match entry:
            case Refused_():
                end, reason, rules = Outcome.NOT_EXECUTED, entry.reason, entry.rules
            case Expired():
                end, reason, rules = Outcome.EXPIRED, str(Reason.EXCHANGE_EXPIRED), ()
            case Answer(status="not_called"):
                end, reason, rules = Outcome.NOT_EXECUTED, str(Reason.SERVICE_UNAVAILABLE), ()
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
            MovePending(pending.position, None),
            ReleaseBeside(flight.exchange),
        ]
        if decided is not None:
            effects += self._legs.evidence(decided, flight.exchange, flight.key)
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
        await self._ledger.record(Record(appends, tuple(effects)))
        self._legs.kept(effects)
        self._flights.pop(flight.exchange, None)
        self._meter.exchange("outbound", finished.outcome, finished.reason)
        waiting = self._waiting.pop(flight.exchange, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(finished)


def _reused(exchange: str) -> Refused:
    return Refused(
        Reason.REQUEST_ID_REUSED,
        "this request_id was used for another submission; take a new one",
        exchange_id=exchange,
    )
