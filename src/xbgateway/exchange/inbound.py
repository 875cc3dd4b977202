"""From a mirrored request to a local service, and its answer back into our log.

    1 mirror     the entry is durable here and cosigned (done by store and link)
    2 admit      what came beside it is what it names; fresh, unseen, for us, in time
    3 decide     the request leg, on its declaration, and the least that an answer would carry: what
                 is denied for certain is refused before any effect; nothing is opened yet
    4 open       the payload; its content holds nothing that was not declared; minimise by our law
    5 record     accepted; payload at rest under the exchange's own key
    6 deliver    to the service, with the exchange id as its idempotency key (``delivery.py``)
    7 decide     the answer leg; minimise; a denial withholds the answer
    8 seal       for the sender's node, bound to the entry
    9 record     answer; the link takes it from there

Start-up runs every pending row through :meth:`Inbound.request` again: recovery is the normal path.
A step that fails for a reason of the request refuses it with an entry; a step that fails for a
reason of this node leaves the row pending and is tried again.
"""

from datetime import datetime, timedelta

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.entry import (
    Accepted,
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
    HOLD_DAYS,
    RECORD_RETRIES_MAX,
)
from xbgateway.model.origins import in_lane
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.record import (
    DONE,
    Effect,
    KeepKey,
    KeepPart,
    Pending,
    Stale,
)
from xbgateway.seal import seal_at_rest

from .admission import Admission
from .decided import Decided
from .delivery import Delivery
from .legs import Legs
from .ports import Ledger, Peers
from .registrar import Registrar
from .responses import Denied, Opened, Responses, refuse_denied
from .stages import Declaration
from .topology import Topology


class Inbound:
    """The inbound path of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        admission: Admission,
        legs: Legs,
        ledger: Ledger,
        peers: Peers,
        topology: Topology,
        clock: Clock,
        responses: Responses,
        delivery: Delivery,
        registrar: Registrar,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._peers = peers
        self._topology = topology
        self._clock = clock
        self._responses = responses
        self._delivery = delivery
        self._registrar = registrar

    async def request(self, pending: Pending) -> None:
        """Act on one mirrored request, from whichever step it stands at."""
        entry = pending.decoded
        if entry is None:
            await self._unreadable(pending)
            return
        assert isinstance(entry, Request)  # all else goes to replies.py
        if pending.step == "held":
            await self._expire_held(pending, entry)
            return
        if pending.step == "accepted":
            await self._delivery.deliver(pending, self._delivery.reopen(pending, entry), again=True)
            return
        for _attempt in range(RECORD_RETRIES_MAX):
            try:
                opened = await self._admitted(pending, entry)  # 2 .. 5
            except Stale:
                continue  # another register came into use meanwhile
            if opened is not None:
                await self._delivery.deliver(pending, opened, again=False)  # 6 .. 9
            return
        raise Unavailable(
            Reason.FACTS_UNSTABLE, "the facts kept changing while the transfer was decided"
        )

    async def _admitted(self, pending: Pending, entry: Request) -> Opened | None:
        """Steps 2 to 5 or the entry that refuses. Raises ``Stale``: decide again."""
        try:
            return await self._admit_and_open(pending, entry)
        except Refused as refused:
            await self._refuse(pending, entry, refused)
            return None

    async def _admit_and_open(self, pending: Pending, entry: Request) -> Opened | None:
        """Steps 2 to 5. ``None`` where the request ended otherwise: expired or held."""
        leaf, now = leaf_hex(pending.entry), self._clock.now()
        at = instant(now)
        if self._is_copy(pending, entry, leaf):
            await self._responses.done(pending)
            return None
        if now > parse_instant(entry.not_after):
            await self._responses.record(pending, DONE, Expired(at, entry.exchange, leaf), [])
            return None
        pending = await self._legs.with_payload(self._peers, entry, pending)
        declaration = self._declaration(pending, entry)
        peer = self._topology.peer_of(pending.position.origin)
        if not await self._registrar.reached(peer, entry.control, CONTROL_WAIT_S):
            raise Refused(
                Reason.CONTROL_BEHIND, "the control lane it was decided at has not arrived"
            )
        standing = self._admission.standing(declaration, "request")
        decided = await self._legs.decide(
            self._admission.declared_facts(standing, declaration, at)
        )  # 3
        if decided.decision.verdict == "hold":
            await self._hold(pending, entry, leaf, decided, now)
            return None
        refuse_denied(decided, "request")
        least = await self._legs.decide(
            self._admission.least_facts(
                self._admission.standing(declaration, "answer"), declaration, now
            )
        )  # 3 too; that it passed stands in no entry
        refuse_denied(least, "answer")
        payload = self._legs.open(entry, peer, pending.sealed, now)  # 4
        content = self._admission.check_content(declaration, payload, "request")
        payload = self._legs.minimise(decided, content).payload
        wrapped, key = self._legs.new_key()
        accepted = Accepted(
            at=at,
            exchange=entry.exchange,
            request=leaf,
            control=self._ledger.size(self._topology.control_out(peer)),
            verdict=decided.verdict,
        )
        effects: list[Effect] = [
            KeepKey(entry.exchange, wrapped, at, decided.until),
            KeepPart(entry.exchange, "request", seal_at_rest(key, b"request", payload)),
            KeepPart(
                entry.exchange,
                "declaration",
                seal_at_rest(key, b"declaration", pending.declaration),
            ),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        version = standing.register_version
        await self._responses.record(pending, "accepted", accepted, effects, register=version)  # 5
        return Opened(entry, leaf, declaration, payload, key, decided.until)

    def _is_copy(self, pending: Pending, entry: Request, leaf: str) -> bool:
        """REQ-ENT-5, REQ-ENT-6: an id is used once, in its own lane, by whomever: a peer or us.

        Raises ``Refused`` where it was used before, so that no two requests of one id are ever
        judged and its key is kept once. A copy to the byte has the leaf of the earlier request:
        whoever refuses it refuses that one, so it is passed over.
        """
        here = pending.position
        if not in_lane(here.origin, entry.exchange):
            raise Refused(Reason.ENTRY_INVALID, "the exchange id is of another lane")
        if pending.unseen_before:
            return False  # no other entry of it anywhere: the common case, without reading any
        reader = self._ledger.reader
        before = [p for p in reader.placed(entry.exchange) if _opens(p, here)]
        if any(p.position.origin == here.origin and p.leaf == leaf for p in before):
            return True
        if before or reader.exchange_row(entry.exchange) is not None:
            raise Refused(Reason.ENTRY_INVALID, "the exchange id was used before")
        return False

    def _declaration(self, pending: Pending, entry: Request) -> Declaration:
        """The declaration says what the entry says, and both are for us."""
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
        """REQ-ENT-10: what is no entry is refused to the exchange it names, if it names one."""
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
        await self._responses.record(pending, DONE, said, [])

    async def _refuse(self, pending: Pending, entry: Request, refused: Refused) -> None:
        now = self._clock.now()
        decided = refused.decided if isinstance(refused, Denied) else None
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
            effects.append(KeepKey(entry.exchange, wrapped, instant(now), decided.until))
            effects += self._legs.evidence(decided, entry.exchange, key)
        version = decided.facts.standing.register_version if decided else None
        await self._responses.record(pending, DONE, said, effects, register=version)

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
            KeepKey(entry.exchange, wrapped, instant(now), decided.until),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        version = decided.facts.standing.register_version
        await self._responses.record(pending, "held", held, effects, register=version)

    async def _expire_held(self, pending: Pending, entry: Request) -> None:
        """A hold that nobody answered in time ends the exchange before any effect."""
        now = self._clock.now()
        placed = self._ledger.reader.placed(entry.exchange)
        deadlines = [p.entry.deadline for p in placed if isinstance(p.entry, Held)]
        if deadlines and now > parse_instant(min(deadlines)):
            expired = Expired(instant(now), entry.exchange, leaf_hex(pending.entry))
            await self._responses.record(pending, DONE, expired, [])


def _opens(placed: Placed, here: Position) -> bool:
    """Whether an entry takes its exchange id away from the request that stands ``here``."""
    there, entry = placed.position, placed.entry
    if not isinstance(entry, Request | Hold) or not in_lane(there.origin, entry.exchange):
        return False
    if there.origin != here.origin:
        return True  # another node's, or ours: which of them came first nobody can say any more
    return isinstance(entry, Request) and there.index < here.index
