"""Steps 6 to 9 of the inbound path: the service is asked, its answer goes into our log.

The answer is a transfer of its own, decided, minimised and sealed like any other. The service is
asked again only where it honours the exchange id; where nobody can say whether it acted, the
entry says so and a person has to look. An acceptance that is found at a start is one of these:
whoever wrote it may have called, so from there no way leads to ``not_called``.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.delivery import DeliveryRow, DropDelivery, PutDelivery
from xbgateway.model.entry import Answer, Request, leaf_hex
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.facts import Leg
from xbgateway.model.limits import RECORD_RETRIES_MAX
from xbgateway.model.record import DONE, Effect, Pending, Stale
from xbgateway.seal import open_at_rest

from .admission import Admission
from .approvals import Approvals, Said
from .asking import Side, informed
from .calls import Calls, unknown
from .decided import Decided
from .failures import pack_error
from .legs import Legs
from .ports import Answered, Ledger
from .responses import Denied, Opened, Responses, refuse_denied
from .stages import Declaration
from .topology import Topology

_LEGS: Final[tuple[tuple[Leg, Side], ...]] = (("request", "recipient"), ("answer", "sender"))


class Delivery:
    """Delivers accepted requests to the local services of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        responses: Responses,
        approvals: Approvals,
        calls: Calls,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._responses = responses
        self._approvals = approvals
        self.calls = calls

    def reopen(self, pending: Pending, entry: Request) -> Opened:
        """An accepted request as it rests here, after a crash."""
        reader = self._ledger.reader
        row = reader.exchange_row(entry.exchange)
        payload = reader.part(entry.exchange, "request")
        declaration = reader.part(entry.exchange, "declaration")
        assert row is not None
        assert payload is not None
        assert declaration is not None
        key = self._legs.unwrap(row[2])
        declared = Declaration.decode(open_at_rest(key, b"declaration", declaration))
        return Opened(
            entry,
            leaf_hex(pending.entry),
            declared,
            open_at_rest(key, b"request", payload),
            key,
            self._approvals.of(pending, entry, declared),
        )

    def waiting(self, row: DeliveryRow) -> tuple[Pending, Opened] | None:
        """The request of a row as it rests here; ``None`` where it has ended meanwhile."""
        if row.position is None:
            return None
        pending = self._ledger.reader.pending_at(row.position)
        if pending is None:
            return None
        assert isinstance(pending.decoded, Request)
        return pending, self.reopen(pending, pending.decoded)

    async def deliver(self, pending: Pending, opened: Opened, *, again: bool) -> None:
        """Steps 6 to 9. After a crash the service is asked again only if it honours the id.

        What did not come to an end in the first seconds goes on from its row in the store.
        """
        row = self.calls.queue.begun(opened.entry.exchange) if again else None
        if row is None:
            row = self.calls.row(opened, pending.position, unsure=again)
        try:
            answered, row = await self.calls.asked(
                opened, row, lambda: self.forbidden(pending, opened)
            )
        except Unavailable as error:  # the law could not be asked; so far nobody has heard of it
            if error.reason is Reason.DRAINING:
                raise
            answered, row = None, self.calls.put_off(row, opened)
        if answered is None:
            await self.calls.queue.put_off(row)
            return
        # The service has spoken: its word is kept until this node can decide on it and record it;
        # to begin again would be to call a second time.
        opened = replace(opened, ends=self._ends(row, answered))
        delay_s = 0.05
        while True:
            try:
                await self.end(pending, opened, answered)
            except Unavailable as error:
                if error.reason is Reason.DRAINING:
                    raise
            except Stale:  # the law that forbids it changed once more: it is asked again
                again_at = instant(self._clock.now())
                await self.calls.queue.put_off(replace(row, state="waiting", due=again_at))
                return
            else:
                return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5.0)

    async def overdue(self, pending: Pending, opened: Opened) -> None:
        """A delivery that lies and is forbidden now, or may not be tried any more: ends or parks.

        Raises ``Stale`` where it went on meanwhile.
        """
        row = self.calls.queue.rows.row(opened.entry.exchange)
        if row is None or not row.lies:
            return
        forbidden = None if row.unsure else await self.forbidden(pending, opened)
        if forbidden is not None:
            await self.end(pending, replace(opened, ends=self._ends(row, forbidden)), forbidden)
            return
        if row.state == "dead":
            return  # a person decides
        reason = self.calls.over(row)
        if reason is None and row.attempts >= row.most and row.due <= instant(self._clock.now()):
            await self.calls.queue.put_off(self.calls.parked(row, Reason.ATTEMPTS_EXHAUSTED))
        elif reason is None:
            return
        elif self._admission.terms(opened.declaration).at_end == "park":
            await self.calls.queue.put_off(self.calls.parked(row, reason))
        else:
            await self.end(pending, replace(opened, ends=self._ends(row, reason)), reason)

    async def forbidden(self, pending: Pending, opened: Opened) -> Refused | None:
        """Why a request may not reach its service now; ``None`` where it may.

        Its sender took it back, or the law of this moment keeps it. Asked whenever a delivery has
        waited, and of all that wait as law or register change.
        """
        try:
            self._approvals.check_wanted(pending, opened.entry.exchange)
            async for leg, _side, decided in self.judged(
                opened.declaration, opened.said, instant(self._clock.now())
            ):
                refuse_denied(decided, leg)
        except Refused as refused:
            return refused
        return None

    async def judged(
        self, declaration: Declaration, said: Said, at: str
    ) -> AsyncIterator[tuple[Leg, Side, Decided]]:
        """The request leg by its declaration, then the least that an answer would carry.

        What the least answer passes stands in no entry. Raises ``Refused``, ``Unavailable``.
        """
        for leg, side in _LEGS:
            standing = self._admission.standing(declaration, leg)
            if leg == "request":
                facts = self._admission.declared_facts(standing, declaration, at)
            else:
                facts = self._admission.least_facts(standing, declaration, parse_instant(at))
            facts = informed(facts, said.approved, self._admission.tables)
            yield leg, side, await self._legs.decide(facts)

    def _ends(self, row: DeliveryRow, answered: Answered | Reason | Refused) -> tuple[Effect, ...]:
        """What becomes of the row as its exchange ends; an unknown outcome waits for a person."""
        if answered is Reason.EXCHANGE_UNKNOWN_EFFECT:
            now = instant(self._clock.now())
            return (PutDelivery(unknown(row, now)),)
        return (DropDelivery(row),) if row.version else ()

    async def end(
        self, pending: Pending, opened: Opened, answered: Answered | Reason | Refused
    ) -> None:
        """Steps 7 to 9, or the entry that says why there is no answer.

        Raises ``Stale`` where it was forbidden by what is not in use any more.
        """
        now = self._clock.now()
        if isinstance(answered, Refused):
            await self._withhold(pending, opened, answered, now, "not_called")
            return
        if isinstance(answered, Reason):
            unknown = answered is Reason.EXCHANGE_UNKNOWN_EFFECT
            ended = Answer(
                at=instant(now),
                exchange=opened.entry.exchange,
                request=opened.leaf,
                status="unknown" if unknown else "not_called",
                control=0,
                reason=answered,
            )
            await self._responses.record(pending, DONE, ended, [*opened.ends])
            return
        for _attempt in range(RECORD_RETRIES_MAX):
            try:
                await self._answered(pending, opened, answered, now)
            except Stale:
                now = self._clock.now()
                continue
            return
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the answer was decided"
        )

    async def _answered(
        self, pending: Pending, opened: Opened, answered: Answered, now: datetime
    ) -> None:
        """The answer, or the entry that withholds it. Raises ``Stale``: decide again."""
        try:
            await self._answer(pending, opened, answered, now)
        except Refused as refused:
            await self._withhold(pending, opened, refused, now, "withheld")

    async def _answer(
        self, pending: Pending, opened: Opened, answered: Answered, now: datetime
    ) -> None:
        """Steps 7 to 9: the answer is a transfer of its own."""
        declaration, entry, at = opened.declaration, opened.entry, instant(now)
        peer = self._topology.peer_of(pending.position.origin)
        standing = self._admission.standing(declaration, "answer")
        if answered.code:
            facts = self._admission.least_facts(standing, declaration, now)
            decided = await self._legs.decide(
                informed(facts, opened.said.approved, self._admission.tables)
            )
            refuse_denied(decided, "answer")
            payload = pack_error(answered.code, answered.message)
            fields: tuple[str, ...] = ()
            dropped: tuple[str, ...] = ()
            masked: tuple[str, ...] = ()
            status, subjects, synthetic = "failed", 0, "none"
            counted: tuple[Effect, ...] = ()
        else:
            facts, content, counted = self._admission.content_facts(
                standing, declaration, answered.payload, opened.payload, now
            )
            decided = await self._legs.decide(
                informed(facts, opened.said.approved, self._admission.tables)
            )  # 7
            refuse_denied(decided, "answer")
            permitted = self._legs.minimise(decided, content)
            payload, fields = permitted.payload, permitted.fields
            dropped, masked = permitted.dropped, permitted.masked
            status, subjects = "answered", facts.moment.subjects or 0
            synthetic = facts.moment.synthetic
        ours = Declaration(
            salt=facts.moment.salt,
            exchange=entry.exchange,
            leg="answer",
            sender=declaration.recipient,
            recipient=declaration.sender,
            service=declaration.service,
            method=declaration.method,
            purpose=declaration.purpose,
            scenario=declaration.scenario,
            references=declaration.references,
            case_id=declaration.case_id,
            fields=fields,
            dropped=dropped,
            masked=masked,
            approvals=(),
            subjects=subjects,
            counts=facts.moment.counts,
            synthetic=synthetic,
            tls=declaration.tls,
            register_version=standing.register_version,
        )
        draft = Answer(
            at=at,
            exchange=entry.exchange,
            request=opened.leaf,
            status=status,  # type: ignore[arg-type] # one of two literals, set above
            control=self._control(pending),
            verdict=decided.verdict,
        )
        answer, beside = self._legs.seal(draft, peer, ours.encode(), payload, now)  # 8
        assert isinstance(answer, Answer)
        effects = self._legs.later_evidence(decided, entry.exchange, opened.key, opened.until)
        counted_too, version = [*counted, *effects, *opened.ends], standing.register_version
        await self._responses.record(
            pending, DONE, answer, counted_too, beside, register=version
        )  # 9

    def _control(self, pending: Pending) -> int:
        """Size of our control lane towards the sender, at which a decision of ours is made."""
        peer = self._topology.peer_of(pending.position.origin)
        return self._ledger.size(self._topology.control_out(peer))

    async def _withhold(
        self,
        pending: Pending,
        opened: Opened,
        refused: Refused,
        now: datetime,
        status: Literal["withheld", "not_called"],
    ) -> None:
        """The service was called and its answer may not leave, or it may not be called any more."""
        decided = refused.decided if isinstance(refused, Denied) else None
        rules = refused.metadata.get("rules", "")
        withheld = Answer(
            at=instant(now),
            exchange=opened.entry.exchange,
            request=opened.leaf,
            status=status,
            control=self._control(pending) if decided else 0,
            reason=refused.reason,
            rules=tuple(rules.split(",")) if rules else (),
            verdict=decided.verdict if decided else None,
        )
        effects = (
            self._legs.later_evidence(decided, opened.entry.exchange, opened.key, opened.until)
            if decided
            else []
        )
        version = decided.facts.standing.register_version if decided else None
        moved = [*effects, *opened.ends]
        await self._responses.record(pending, DONE, withheld, moved, register=version)
