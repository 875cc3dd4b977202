"""From a caller of this node to a service on the other side, and the answer back.

Read this and ``inbound.py`` first: each path is numbered steps, and the numbers stand beside the
calls. Freshness is for law to judge (step 3), on the time that the caller says it asked at.

    1 admit      what was asked before is answered as before; else what, for whom, how large
    2 facts      everything law may ask, read once, with one clock reading
    3 decide     the active revision, both legal systems
    4 minimise   drop and mask what the decision asks
    5 seal       for the recipient's node, bound to the entry
    6 record     durable entry and signed checkpoint; only now do bytes leave
    7 await      the receiver's word, as an entry in its log; 8 to 10 are in ``replies.py``

All of it runs on tasks that the node owns: a caller who hangs up cannot undo or half-do anything.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import (
    Refused_,
    Request,
    Sealed,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import EXCHANGE_TTL_S, RECORD_RETRIES_MAX
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import (
    AlreadyOpen,
    Append,
    Effect,
    KeepPart,
    OpenExchange,
    Record,
    Stale,
    Until,
)
from xbgateway.seal import open_at_rest, seal_at_rest

from .admission import Admission, check_request_id
from .decided import Decided
from .erasing import was_erased
from .flights import Flight, Flights
from .legs import Legs
from .ports import Ledger, Meter
from .results import pack_finished, unpack_finished
from .stages import Admitted, Declaration, Finished, Permitted, Submission
from .topology import Topology

_BLANK = Sealed("", "", "", 0, "", "", "")


class Outbound:
    """The outbound path of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        meter: Meter,
        flights: Flights,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._meter = meter
        self._beginning: dict[tuple[str, str], tuple[bytes, asyncio.Task[Finished | str]]] = {}
        self._flights = flights

    async def call(self, submission: Submission) -> Finished:
        """Run a submission to its end, or join the run of the same request id.

        Raises ``Refused`` or ``Unavailable`` before acceptance. Cancelling the caller's task
        never cancels the exchange.
        """
        fingerprint = self._admission.fingerprint(submission)
        if submission.validate_only:
            begun = await self._begin(submission, fingerprint)
        else:
            begun = await asyncio.shield(self._joined(submission, fingerprint))
        return begun if isinstance(begun, Finished) else await self._ended(begun)  # 7 .. 10

    def _joined(self, submission: Submission, fingerprint: bytes) -> asyncio.Task[Finished | str]:
        """The task on which a submission begins; one for all who ask with its request id."""
        name = (submission.party, submission.request_id)
        beginning = self._beginning.get(name)
        if beginning is None:
            task = asyncio.get_running_loop().create_task(self._begin(submission, fingerprint))
            self._beginning[name] = beginning = (fingerprint, task)
            task.add_done_callback(lambda done: self._began(name, done))
        elif beginning[0] != fingerprint:
            raise _reused("")
        return beginning[1]

    def _began(self, name: tuple[str, str], done: asyncio.Task[Finished | str]) -> None:
        self._beginning.pop(name, None)
        if not done.cancelled():
            done.exception()  # whoever still waits has it; nobody waiting is no fault

    async def _begin(self, submission: Submission, fingerprint: bytes) -> Finished | str:
        """Steps 1 to 6. The exchange that is under way, or its end where it has come already."""
        check_request_id(submission.request_id)
        try:
            return await self._new(submission, fingerprint)
        except AlreadyOpen as taken:
            return self._again(fingerprint, taken.exchange, taken.fingerprint)
        except (Refused, Unavailable):
            # What was once accepted is not judged by today's registers and law. Asked only here:
            # that an id is new shows when it is recorded, and it nearly always is.
            known = self._ledger.reader.exchange_of(submission.party, submission.request_id)
            if known is None or submission.validate_only:
                raise
            return self._again(fingerprint, *known)

    async def _new(self, submission: Submission, fingerprint: bytes) -> Finished | str:
        """The same for an id that nobody used: raises ``AlreadyOpen`` for any other."""
        lane = self._topology.lane(submission.party, submission.request_id)
        admitted = self._admission.admit(submission, fingerprint, self._clock.now(), lane)  # 1
        self._flights.check_room(self._topology.data_out(admitted.peer, lane))
        for _attempt in range(RECORD_RETRIES_MAX):
            facts, counted = self._admission.facts(admitted)  # 2
            decided = await self._legs.decide(facts)  # 3
            try:
                if submission.validate_only or decided.decision.verdict != "allow":
                    return await self._not_sent(admitted, decided)
                await self._legs.peers[admitted.peer].heard()
                permitted = self._legs.minimise(decided, admitted.content)  # 4
                return await self._send(admitted, decided, permitted, counted)  # 5, 6
            except Stale:
                admitted = replace(admitted, now=self._clock.now())
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the transfer was decided"
        )

    async def _send(
        self,
        admitted: Admitted,
        decided: Decided,
        permitted: Permitted,
        counted: tuple[Effect, ...],
    ) -> str:
        """Steps 5 and 6: from here on the exchange is accepted and cannot be lost."""
        submission, moment = admitted.submission, decided.facts.moment
        wrapped, key = self._legs.new_key()
        declaration = _declared(admitted, decided, permitted)
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
        flight = Flight(
            exchange=admitted.exchange,
            key=key,
            request_leaf=leaf_hex(raw),
            declaration=declaration,
            answer_standing=self._admission.standing(declaration, "answer"),
            lane=self._topology.data_out(admitted.peer, admitted.lane),
            until=decided.until,
        )
        effects: list[Effect] = [
            self._open(admitted, wrapped, moment.now, decided.until),
            *counted,
            *self._legs.evidence(decided, admitted.exchange, key),
        ]
        self._flights.begin(flight)
        try:
            await self._ledger.record(
                Record(
                    (Append(flight.lane, raw, flight.exchange, beside),),
                    tuple(effects),
                    register_version=declaration.register_version,
                )
            )
        except BaseException:
            self._flights.forget(flight.exchange)
            raise
        self._legs.kept(effects)
        return flight.exchange

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
            self._open(admitted, wrapped, decided.facts.moment.now, decided.until),
            KeepPart(
                admitted.exchange, "result", seal_at_rest(key, b"result", pack_finished(finished))
            ),
            *self._legs.evidence(decided, admitted.exchange, key),
        ]
        append = Append(self._topology.home, entry.encode(), admitted.exchange)
        version = decided.facts.standing.register_version
        await self._ledger.record(Record((append,), tuple(effects), version))
        self._legs.kept(effects)
        self._meter.exchange("outbound", finished.outcome, reason)
        return finished

    def _open(self, admitted: Admitted, wrapped: bytes, at: str, until: Until) -> OpenExchange:
        submission = admitted.submission
        return OpenExchange(
            admitted.exchange,
            submission.party,
            submission.request_id,
            admitted.fingerprint,
            wrapped,
            at,
            until,
        )

    # ---- the same request id again -----------------------------------------------------------

    def _again(self, fingerprint: bytes, exchange: str, taken_by: bytes) -> Finished | str:
        """The stored result, or the exchange that is still under way."""
        if fingerprint != taken_by:
            raise _reused(exchange)
        stored = self.result(exchange)
        if stored is not None:
            return stored
        if was_erased(self._ledger.reader.placed(exchange), self._topology.node):
            raise Refused(
                Reason.PAYLOAD_ERASED, "the stored result was erased", exchange_id=exchange
            )
        return exchange

    async def _ended(self, exchange: str) -> Finished:
        """What becomes of an exchange in steps 7 to 10, on whichever task: see ``replies.py``."""
        if self._flights.get(exchange) is None:
            stored = self.result(exchange)  # over by now; else a start of this node fell into it
            if stored is not None:
                return stored
        return await self._flights.ended(exchange)

    def result(self, exchange: str) -> Finished | None:
        """The stored result of an exchange of this node's caller, once ended and until erased."""
        sealed = self._ledger.reader.part(exchange, "result")
        row = self._ledger.reader.exchange_row(exchange)
        if row is None or sealed is None:
            return None
        return unpack_finished(open_at_rest(self._legs.unwrap(row[2]), b"result", sealed))


def _declared(admitted: Admitted, decided: Decided, permitted: Permitted) -> Declaration:
    """What the request leg's sender says of it."""
    submission, moment = admitted.submission, decided.facts.moment
    return Declaration(
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
        counts=moment.counts,
        synthetic=moment.synthetic,
        tls=submission.tls,
        register_version=decided.facts.standing.register_version,
    )


def _reused(exchange: str) -> Refused:
    return Refused(
        Reason.REQUEST_ID_REUSED,
        "this request_id was used for another submission; take a new one",
        exchange_id=exchange,
    )
