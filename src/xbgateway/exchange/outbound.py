"""From a caller of this node to a service on the other side, and the answer back.

Read this and ``inbound.py`` first: each path is numbered steps, and the numbers stand beside the
calls. Freshness is for law to judge (step 3), on the time that the caller says it asked at.

    1 admit      what was asked before is answered as before; else what, for whom, how large
    2 facts      everything law may ask, read once, with one clock reading
    3 decide     the active revision, both legal systems; what does not leave: ``unsent.py``
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
    Held,
    Hold,
    Request,
    Sealed,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import RECORD_RETRIES_MAX, STREAM_BYTES_PER_S_MIN
from xbgateway.model.outcome import outcome
from xbgateway.model.record import (
    AlreadyOpen,
    Append,
    Beside,
    Effect,
    Record,
    Stale,
)
from xbgateway.model.stream import TakeStream
from xbgateway.seal import open_at_rest

from .admission import Admission, check_request_id
from .asking import informed, notice
from .decided import Decided
from .erasing import was_erased
from .flights import Flight, Flights
from .legs import Legs
from .ports import Ledger
from .results import unpack_finished
from .stages import (
    NOBODY,
    Admitted,
    Declaration,
    Finished,
    Permitted,
    Submission,
)
from .topology import Topology
from .unsent import Footing, Unsent
from .uploads import Attached, Uploads

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
        flights: Flights,
        unsent: Unsent,
        uploads: Uploads,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._beginning: dict[tuple[str, str], tuple[bytes, asyncio.Task[Finished | str]]] = {}
        self._flights = flights
        self._unsent = unsent
        self._uploads = uploads

    async def call(self, submission: Submission) -> Finished:
        """Run a submission to its end, or join the run of the same request id.

        Raises ``Refused`` or ``Unavailable`` before acceptance. Cancelling the caller's task
        never cancels the exchange.
        """
        if submission.validate_only:
            begun = await self._begin(submission, self._admission.fingerprint(submission))
        else:
            begun = await self.submit(submission)
        return begun if isinstance(begun, Finished) else await self.ended(begun)  # 7 .. 10

    async def submit(self, submission: Submission) -> Finished | str:
        """Steps 1 to 6, or join them: the exchange that is on its way, or what it came to already.

        Raises, and is cancelled, as :meth:`call`.
        """
        fingerprint = self._admission.fingerprint(submission)
        return await asyncio.shield(self._joined(submission, fingerprint))

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
        lane = self._topology.lane(*_lane_of(submission))
        admitted = self._admission.admit(submission, fingerprint, self._clock.now(), lane)  # 1
        self._flights.check_room(self._topology.data_out(admitted.peer, lane))
        if submission.validate_only:
            return await self.go_on(admitted, None)
        size = len(submission.payload)
        self._flights.quotas.check(submission.party, admitted.peer, size)
        wrapped, key = self._legs.new_key()
        return await self.go_on(admitted, Footing(key, wrapped))

    async def go_on(self, admitted: Admitted, footing: Footing | None) -> Finished | str:
        """Steps 2 to 6, of what is new and of what an officer approved; no footing: a dry run."""
        approved, submission = footing.approved if footing else NOBODY, admitted.submission
        attached: Attached | None = None
        if submission.attachment:
            attached = self._uploads.attached(submission.party, submission.attachment)
        for _attempt in range(RECORD_RETRIES_MAX):
            facts, counted = self._admission.facts(admitted)  # 2
            decided = await self._legs.decide(
                informed(facts, approved, self._admission.tables)
            )  # 3
            try:
                if footing is None or decided.decision.verdict != "allow":
                    return await self._unsent.unsent(admitted, decided, footing)
                await self._legs.peers[admitted.peer].heard()
                permitted = self._legs.minimise(decided, admitted.content)  # 4
                sent = (admitted, decided, permitted, (*counted, *_taken(admitted, attached)))
                return await self._send(*sent, footing, attached)  # 5, 6
            except Stale:
                admitted = replace(admitted, now=self._clock.now())
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the transfer was decided"
        )

    async def _send(  # noqa: PLR0917 - one value of each step before
        self,
        admitted: Admitted,
        decided: Decided,
        permitted: Permitted,
        counted: tuple[Effect, ...],
        footing: Footing,
        attached: Attached | None,
    ) -> str:
        """Steps 5 and 6: from here on the exchange is accepted and cannot be lost."""
        submission, moment = admitted.submission, decided.facts.moment
        declaration = _declared(admitted, decided, permitted, footing.approved.by_sender)
        draft = Request(
            at=moment.now,
            exchange=admitted.exchange,
            sender=submission.party,
            recipient=admitted.recipient,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            control=self._ledger.size(self._topology.control_out(admitted.peer)),
            not_after=instant(admitted.now + timedelta(seconds=_term_s(admitted, attached))),
            sealed=_BLANK,
            verdict=decided.verdict,
            stream=attached.stream if attached else None,
            case=submission.case,
        )
        entry, beside = self._legs.seal(
            draft,
            admitted.peer,
            declaration.encode(),
            (attached.key if attached else b"") + permitted.payload,
            admitted.now,
        )
        raw = entry.encode()
        flight = Flight(
            exchange=admitted.exchange,
            key=footing.key,
            request_leaf=leaf_hex(raw),
            declaration=declaration,
            answer_standing=self._admission.standing(declaration, "answer"),
            lane=self._topology.data_out(admitted.peer, admitted.lane),
            approved=footing.approved,
            until=decided.until,
        )
        await self._record(
            flight,
            raw,
            beside,
            declaration.register_version,
            [
                *footing.effects(admitted, decided),
                *footing.unparked(admitted.exchange),
                *counted,
                *self._legs.evidence(decided, admitted.exchange, footing.key),
            ],
        )
        return flight.exchange

    async def _record(
        self, flight: Flight, raw: bytes, beside: Beside, register: str, effects: list[Effect]
    ) -> None:
        quotas, size = self._flights.quotas, len(beside.declaration) + len(beside.sealed)
        peer = self._topology.reader_of(flight.lane)
        new = quotas.take(flight.exchange, flight.declaration.sender, peer, size)
        self._flights.begin(flight)
        try:
            await self._ledger.record(
                Record(
                    (Append(flight.lane, raw, flight.exchange, beside),),
                    tuple(effects),
                    register_version=register,
                )
            )
        except BaseException:
            self._flights.forget(flight.exchange)
            if new:
                quotas.free(flight.exchange)
            raise
        self._legs.kept(effects)

    def counted(self) -> None:
        """After a start: see :meth:`Unsent.counted`."""
        self._unsent.counted()

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
        return self.held(exchange) or exchange

    def held(self, exchange: str) -> Finished | None:
        """What its caller is told of an exchange while it waits for a person."""
        state = outcome(self._ledger.reader.placed(exchange), self._topology.node)
        asked = state.hold.entry if state.hold else None
        if not isinstance(asked, Hold | Held):
            return None
        return notice(exchange, asked, self._admission.findings(asked.rules))

    async def ended(self, exchange: str) -> Finished:
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


def _lane_of(submission: Submission) -> tuple[str, str]:
    """What a submission's lane follows from: all of a case stands in one."""
    if submission.case is not None:
        return "case", submission.case
    return submission.party, submission.request_id


def _term_s(admitted: Admitted, attached: Attached | None) -> float:
    """How long the receiver may act: longer by what the attachment takes on the slowest line."""
    size_bytes = attached.stream.stream_bytes if attached else 0
    return admitted.lives_s + size_bytes / STREAM_BYTES_PER_S_MIN


def _taken(admitted: Admitted, attached: Attached | None) -> tuple[Effect, ...]:
    return (TakeStream(attached.id, admitted.exchange),) if attached else ()


def _declared(
    admitted: Admitted, decided: Decided, permitted: Permitted, approvals: tuple[str, ...]
) -> Declaration:
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
        approvals=approvals,
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
