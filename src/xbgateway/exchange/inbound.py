"""From a mirrored request to a local service, and its answer back into our log.

    1 mirror     the entry is durable here and cosigned (done by store and link)
    2 admit      what came beside it is what it names; fresh, unseen, for us, in time
    3 decide     the request leg, on the signed declaration; nothing is opened yet
    4 open       the payload; its content holds nothing that was not declared
    5 record     accepted; payload at rest under the exchange's own key
    6 deliver    to the service, with the exchange id as its idempotency key
    7 decide     the answer leg; minimise; a denial withholds the answer
    8 seal       for the sender's node, bound to the entry
    9 record     answer; the link takes it from there

Start-up runs every pending row through :meth:`Inbound.request` again: recovery is the normal path.
A step that fails for a reason of the request refuses it with an entry; a step that fails for a
reason of this node leaves the row pending and is tried again.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.entry import (
    Accepted,
    Answer,
    Expired,
    Held,
    Hold,
    Refused_,
    Request,
    decode,
    exchange_named,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import (
    CONTROL_WAIT_S,
    DEADLINE_S_MAX,
    HOLD_DAYS,
    SERVICE_REACH_S_MAX,
)
from xbgateway.model.outcome import outcome
from xbgateway.model.record import (
    Append,
    Beside,
    Effect,
    KeepKey,
    KeepPart,
    MovePending,
    Pending,
    Record,
)
from xbgateway.seal import open_at_rest, seal_at_rest

from .admission import Admission
from .legs import Decided, Legs, refuse_unless_allowed
from .ports import Answered, EffectUnknown, Ledger, Meter, NotReached, Peers, Services
from .stages import Declaration
from .topology import Topology

_Said = Accepted | Refused_ | Held | Expired | Answer


class _Denied(Refused):
    """A refusal by law, with the digests that it can be recomputed from."""

    def __init__(self, refused: Refused, decided: Decided) -> None:
        super().__init__(refused.reason, refused.sentence, **refused.metadata)
        self.decided = decided


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that was admitted here: what the service will be given."""

    entry: Request
    leaf: str
    declaration: Declaration
    payload: bytes
    key: bytes


class Inbound:
    """The inbound path of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in app.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        peers: Peers,
        services: Services,
        topology: Topology,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._peers = peers
        self._services = services
        self._topology = topology
        self._clock = clock
        self._meter = meter

    async def request(self, pending: Pending) -> None:
        """Act on one mirrored request, from whichever step it stands at."""
        entry = pending.decoded
        if entry is None:
            await self._unreadable(pending)
            return
        if not isinstance(entry, Request):
            await self._done(pending)
            return
        if pending.step == "held":
            await self._expire_held(pending, entry)
            return
        if pending.step == "accepted":
            await self._deliver(pending, self._reopen(pending, entry), again=True)
            return
        try:
            opened = await self._admit_and_open(pending, entry)  # 2 .. 5
        except Refused as refused:
            await self._refuse(pending, entry, refused)
            return
        if opened is not None:
            await self._deliver(pending, opened, again=False)  # 6 .. 9

    async def _admit_and_open(self, pending: Pending, entry: Request) -> Opened | None:
        """Steps 2 to 5. ``None`` where the request ended otherwise: expired or held."""
        leaf, now = leaf_hex(pending.entry), self._clock.now()
        if now > parse_instant(entry.not_after):
            await self._record(pending, None, Expired(instant(now), entry.exchange, leaf), [])
            return None
        self._unseen(pending, entry)
        pending = await self._legs.with_payload(self._peers, entry, pending)
        declaration = self._declaration(pending, entry)
        peer = self._topology.peer_of(pending.position.origin)
        if not await self._peers.control_reached(peer, entry.control, CONTROL_WAIT_S):
            raise Refused(
                Reason.CONTROL_BEHIND, "the control lane it was decided at has not arrived"
            )
        standing = self._admission.standing(declaration, "request")
        decided = await self._legs.decide(
            self._admission.declared_facts(standing, declaration, now)
        )  # 3
        if decided.decision.verdict == "hold":
            await self._hold(pending, entry, leaf, decided, now)
            return None
        self._refuse_denied(decided, "request")
        least = await self._legs.decide(
            self._admission.least_facts(
                self._admission.standing(declaration, "answer"), declaration, now
            )
        )
        self._refuse_denied(least, "answer")
        payload = self._legs.open(entry, peer, pending.sealed, now)  # 4
        content = self._admission.check_content(declaration, payload, "request")
        payload = self._legs.minimise(decided, content).payload
        wrapped, key = self._legs.new_key()
        accepted = Accepted(
            at=instant(now),
            exchange=entry.exchange,
            request=leaf,
            control=self._ledger.size(self._topology.control_out(peer)),
            verdict=decided.verdict,
        )
        effects: list[Effect] = [
            KeepKey(entry.exchange, wrapped, instant(now)),
            KeepPart(entry.exchange, "request", seal_at_rest(key, b"request", payload)),
            KeepPart(
                entry.exchange,
                "declaration",
                seal_at_rest(key, b"declaration", pending.declaration),
            ),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        await self._record(pending, "accepted", accepted, effects)  # 5
        return Opened(entry, leaf, declaration, payload, key)

    def _unseen(self, pending: Pending, entry: Request) -> None:
        """An exchange id is used once, whoever used it first: a peer, another one, or we."""
        if self._ledger.reader.first_of(entry.exchange, pending.position):
            return  # no other entry of it anywhere: the common case, without reading any
        row = self._ledger.reader.exchange_row(entry.exchange)
        placed = self._ledger.reader.placed(entry.exchange)
        openers = [p.position for p in placed if isinstance(p.entry, Request | Hold)]
        first = outcome(placed, pending.position.writer).request
        others = [p for p in openers if p.writer != pending.position.writer]
        ours = row is not None and row[0] is not None
        if first is None or first.position != pending.position or others or ours:
            raise Refused(Reason.ENTRY_INVALID, "the exchange id was used before")

    def _declaration(self, pending: Pending, entry: Request) -> Declaration:
        """The signed declaration says what the entry says, and both are for us."""
        try:
            declaration = Declaration.decode(pending.declaration)
        except ValueError as error:
            raise Refused(Reason.ENTRY_INVALID, f"the declaration is malformed: {error}") from error
        same = ("exchange", "sender", "recipient", "service", "method", "purpose")
        if declaration.leg != "request" or any(
            getattr(declaration, name) != getattr(entry, name) for name in same
        ):
            raise Refused(Reason.ENTRY_INVALID, "declaration and entry differ")
        peer = self._topology.peer_of(pending.position.origin)
        if self._admission.node_of(declaration.sender) != peer:
            raise Refused(Reason.PARTY_NOT_HERE, "the sender does not belong to the sending node")
        if not self._admission.provides(declaration):
            raise Refused(
                Reason.SERVICE_UNKNOWN, "the recipient does not provide this service here"
            )
        self._admission.method(declaration)
        return declaration

    async def _unreadable(self, pending: Pending) -> None:
        """An entry that is none: refused to the exchange it seems to be of, where it names one."""
        exchange = exchange_named(pending.entry)
        said = None
        try:
            decode(pending.entry)
        except Refused as refused:
            if exchange is not None:
                said = Refused_(
                    at=instant(self._clock.now()),
                    exchange=exchange,
                    reason=refused.reason,
                    rules=(),
                    request=leaf_hex(pending.entry),
                )
        await self._record(pending, None, said, [])

    def _refuse_denied(self, decided: Decided, leg: str) -> None:
        """A denial, carrying the digests it can be recomputed from."""
        try:
            refuse_unless_allowed(decided.decision, leg)
        except Refused as refused:
            raise _Denied(refused, decided) from refused

    async def _refuse(self, pending: Pending, entry: Request, refused: Refused) -> None:
        now = self._clock.now()
        decided = refused.decided if isinstance(refused, _Denied) else None
        rules = refused.metadata.get("rules", "")
        said = Refused_(
            at=instant(now),
            exchange=entry.exchange,
            reason=refused.reason,
            rules=tuple(rules.split(",")) if rules else (),
            request=leaf_hex(pending.entry),
            verdict=decided.verdict if decided else None,
        )
        effects: list[Effect] = []
        if decided is not None:
            wrapped, key = self._legs.new_key()
            effects.append(KeepKey(entry.exchange, wrapped, instant(now)))
            effects += self._legs.evidence(decided, entry.exchange, key)
        await self._record(pending, None, said, effects)

    async def _hold(
        self, pending: Pending, entry: Request, leaf: str, decided: Decided, now: datetime
    ) -> None:
        first = decided.decision.holds[0]
        held = Held(
            at=instant(now),
            exchange=entry.exchange,
            request=leaf,
            role=first.role or "officer",
            rules=tuple(f.rule for f in decided.decision.holds),
            deadline=instant(now + timedelta(days=HOLD_DAYS)),
            verdict=decided.verdict,
        )
        wrapped, key = self._legs.new_key()
        effects: list[Effect] = [
            KeepKey(entry.exchange, wrapped, instant(now)),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        await self._record(pending, "held", held, effects)

    async def _expire_held(self, pending: Pending, entry: Request) -> None:
        """A hold that nobody answered in time ends the exchange before any effect."""
        now = self._clock.now()
        placed = self._ledger.reader.placed(entry.exchange)
        deadlines = [p.entry.deadline for p in placed if isinstance(p.entry, Held)]
        if deadlines and now > parse_instant(min(deadlines)):
            expired = Expired(instant(now), entry.exchange, leaf_hex(pending.entry))
            await self._record(pending, None, expired, [])

    # ---- delivery --------------------------------------------------------------------------

    def _reopen(self, pending: Pending, entry: Request) -> Opened:
        """An accepted request as it rests here, after a crash."""
        reader = self._ledger.reader
        row = reader.exchange_row(entry.exchange)
        payload = reader.part(entry.exchange, "request")
        declaration = reader.part(entry.exchange, "declaration")
        assert row is not None
        assert payload is not None
        assert declaration is not None
        key = self._legs.unwrap(row[2])
        return Opened(
            entry,
            leaf_hex(pending.entry),
            Declaration.decode(open_at_rest(key, b"declaration", declaration)),
            open_at_rest(key, b"request", payload),
            key,
        )

    async def _deliver(self, pending: Pending, opened: Opened, *, again: bool) -> None:
        """Steps 6 to 9. After a crash the service is asked again only if it honours the id."""
        method = self._admission.method(opened.declaration)
        honours = method.honours_exchange_id
        answered: Answered | Reason = Reason.EXCHANGE_UNKNOWN_EFFECT
        if not again or honours:
            started = time.perf_counter()
            answered = await self._call(opened, method.path, repeat=honours)
            self._meter.step("deliver", time.perf_counter() - started)
        # The service has spoken: its word is kept until this node can decide on it and record it;
        # to begin again would be to call a second time.
        delay_s = 0.05
        while True:
            try:
                await self._end(pending, opened, answered)
            except Unavailable as error:
                if error.reason is Reason.DRAINING:
                    raise
            else:
                return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5.0)

    async def _end(self, pending: Pending, opened: Opened, answered: Answered | Reason) -> None:
        """Steps 7 to 9, or the entry that says why there is no answer."""
        now = self._clock.now()
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
            await self._record(pending, None, ended, [])
            return
        try:
            await self._answer(pending, opened, answered, now)
        except Refused as refused:
            await self._withhold(pending, opened, refused, now)

    async def _call(self, opened: Opened, path: str, *, repeat: bool) -> Answered | Reason:
        """The service's word, or why there is none: it was never reached, or nobody can say."""
        entry = opened.entry
        metadata = [
            ("xb-exchange-id", entry.exchange),
            ("xb-sender", entry.sender),
            ("xb-purpose", entry.purpose),
        ]
        if opened.declaration.case_id is not None:
            metadata.append(("xb-case-id", opened.declaration.case_id))
        last = parse_instant(entry.not_after)
        reach_by = min(last, self._clock.now() + timedelta(seconds=SERVICE_REACH_S_MAX))
        delay_s, unsure = 0.05, False
        while True:
            left_s = ((last if unsure else reach_by) - self._clock.now()).total_seconds()
            if left_s <= 0:
                return Reason.EXCHANGE_UNKNOWN_EFFECT if unsure else Reason.SERVICE_UNAVAILABLE
            try:
                return await self._services.call(
                    path, opened.payload, metadata, min(left_s, DEADLINE_S_MAX)
                )
            except Refused as refused:
                return refused.reason  # no address is known for it here
            except NotReached:
                pass
            except EffectUnknown:
                if not repeat:
                    return Reason.EXCHANGE_UNKNOWN_EFFECT
                unsure = True
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 2.0)

    async def _answer(
        self, pending: Pending, opened: Opened, answered: Answered, now: datetime
    ) -> None:
        """Steps 7 to 9: the answer is a transfer of its own."""
        declaration, entry = opened.declaration, opened.entry
        peer = self._topology.peer_of(pending.position.origin)
        standing = self._admission.standing(declaration, "answer")
        if answered.code:
            facts = self._admission.least_facts(standing, declaration, now)
            decided = await self._legs.decide(facts)
            self._refuse_denied(decided, "answer")
            payload = f"{answered.code}\n{answered.message}".encode()
            fields: tuple[str, ...] = ()
            dropped: tuple[str, ...] = ()
            masked: tuple[str, ...] = ()
            status, subjects, synthetic = "failed", 0, "none"
        else:
            content = self._admission.content(declaration, answered.payload, "answer")
            facts = self._admission.content_facts(
                standing, entry.exchange, content, declaration.tls, now
            )
            decided = await self._legs.decide(facts)  # 7
            self._refuse_denied(decided, "answer")
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
            subjects=subjects,
            synthetic=synthetic,
            tls=declaration.tls,
            register_version=standing.register_version,
        )
        draft = Answer(
            at=instant(now),
            exchange=entry.exchange,
            request=opened.leaf,
            status=status,  # type: ignore[arg-type] # one of two literals, set above
            control=self._ledger.size(self._topology.control_out(peer)),
            verdict=decided.verdict,
        )
        answer, beside = self._legs.seal(draft, peer, ours.encode(), payload, now)  # 8
        assert isinstance(answer, Answer)
        effects = self._legs.evidence(decided, entry.exchange, opened.key)
        await self._record(pending, None, answer, effects, beside)  # 9

    async def _withhold(
        self, pending: Pending, opened: Opened, refused: Refused, now: datetime
    ) -> None:
        """The service was called; its answer may not leave."""
        decided = refused.decided if isinstance(refused, _Denied) else None
        rules = refused.metadata.get("rules", "")
        withheld = Answer(
            at=instant(now),
            exchange=opened.entry.exchange,
            request=opened.leaf,
            status="withheld",
            control=0,
            reason=refused.reason,
            rules=tuple(rules.split(",")) if rules else (),
            verdict=decided.verdict if decided else None,
        )
        effects = self._legs.evidence(decided, opened.entry.exchange, opened.key) if decided else []
        await self._record(pending, None, withheld, effects)

    # ---- recording -------------------------------------------------------------------------

    async def _record(
        self,
        pending: Pending,
        step: str | None,
        entry: _Said | None,
        effects: list[Effect],
        beside: Beside | None = None,
    ) -> None:
        """One entry of ours, its rows and the pending row's next step, in one transaction."""
        appends: tuple[Append, ...] = ()
        if entry is not None:
            origin = self._topology.reverse(pending.position.origin)
            appends = (Append(origin, entry.encode(), entry.exchange, beside),)
        await self._ledger.record(Record(appends, (*effects, MovePending(pending.position, step))))
        self._legs.kept(effects)
        match entry:
            case Answer():
                self._meter.exchange("inbound", entry.status, entry.reason)
            case Refused_():
                self._meter.exchange("inbound", "refused", entry.reason)
            case Expired():
                self._meter.exchange("inbound", "expired")

    async def _done(self, pending: Pending) -> None:
        await self._record(pending, None, None, [])
