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

from contextlib import suppress

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.delivery import QUEUED, PutDelivery
from xbgateway.model.entry import (
    Accepted,
    Expired,
    Held,
    Hold,
    Refused_,
    Request,
    decode,
    leaf_hex,
)
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.forms import exchange_named
from xbgateway.model.limits import (
    CONTROL_WAIT_S,
    RECORD_RETRIES_MAX,
)
from xbgateway.model.origins import in_lane
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.record import (
    DONE,
    Effect,
    KeepHold,
    KeepPart,
    MoveHold,
    Pending,
    Stale,
)
from xbgateway.seal import seal_at_rest

from .admission import Admission
from .approvals import Approvals, Said
from .asking import Ask
from .crossing import KEY_PART, Crossing, split
from .decided import Decided
from .delivery import Delivery
from .legs import Legs
from .ports import CaseLaw, Ledger, Peers
from .registrar import Registrar
from .responses import Denied, Opened, Responses, refuse_denied
from .room import Room
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
        approvals: Approvals,
        registrar: Registrar,
        room: Room,
        crossing: Crossing,
        cases: CaseLaw,
    ) -> None:
        self._admission = admission
        self._legs = legs
        self._ledger = ledger
        self._peers = peers
        self._topology = topology
        self._clock = clock
        self._responses = responses
        self._delivery = delivery
        self._approvals = approvals
        self._registrar = registrar
        self._room = room
        self._crossing = crossing
        self._cases = cases

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
        if pending.step == QUEUED:  # its time is over, or it was tried as often as it may be
            with suppress(Stale):
                await self._delivery.overdue(pending, self._delivery.reopen(pending, entry))
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
        """Steps 2 to 5. ``None`` where the request ended otherwise or waits: held, or pulled."""
        leaf, now = leaf_hex(pending.entry), self._clock.now()
        at = instant(now)
        waited = pending.step == "approved"  # it was judged before, and held
        if not waited and self._is_copy(pending, entry, leaf):
            await self._responses.done(pending)
            return None
        if not waited and now > parse_instant(entry.not_after):
            await self._responses.record(pending, DONE, Expired(at, entry.exchange, leaf), [])
            return None
        pending = await self._legs.with_payload(self._peers, entry, pending)
        declaration = self._declaration(pending, entry)
        peer = self._topology.peer_of(pending.position.origin)
        if not await self._registrar.reached(peer, entry.control, CONTROL_WAIT_S):
            raise Refused(
                Reason.CONTROL_BEHIND, "the control lane it was decided at has not arrived"
            )
        self._cases.check(entry, pending.position.origin)
        said = self._approvals.of(pending, entry, declaration)
        decided = await self._allowed(pending, declaration, said, at)  # 3
        if decided is None:
            return None
        opened = self._legs.open(entry, peer, pending.sealed, now)  # 4
        stream_key, payload = split(entry, opened)
        content = self._admission.check_content(declaration, payload, "request")
        if entry.stream is not None:  # all of it is here before anything is accepted
            arrived = await self._crossing.whole(
                entry, peer, stream_key, lambda: self._allowed_now(pending, declaration, said)
            )
            if arrived is None:
                return None
            decided, at = arrived, arrived.facts.moment.now
        payload = self._legs.minimise(decided, content).payload
        keep, key = self._approvals.key(pending, entry.exchange, at, decided.until)
        accepted = Accepted(
            at=at,
            exchange=entry.exchange,
            request=leaf,
            control=self._ledger.size(self._topology.control_out(peer)),
            verdict=decided.verdict,
        )
        effects: list[Effect] = [
            keep,
            KeepPart(entry.exchange, "request", seal_at_rest(key, b"request", payload)),
            KeepPart(
                entry.exchange,
                "declaration",
                seal_at_rest(key, b"declaration", pending.declaration),
            ),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        if stream_key:
            sealed_key = seal_at_rest(key, KEY_PART.encode(), stream_key)
            effects.append(KeepPart(entry.exchange, KEY_PART, sealed_key))
        version = decided.facts.standing.register_version
        inbox = self._delivery.calls.inbox(pending, declaration, at, said.last)
        if inbox is not None:  # its provider fetches it: it waits from the moment it is accepted
            effects.append(PutDelivery(inbox))
            await self._responses.record(pending, QUEUED, accepted, effects, register=version)  # 5
            self._delivery.calls.queue.grown()
            return None
        await self._responses.record(pending, "accepted", accepted, effects, register=version)  # 5
        return Opened(entry, leaf, declaration, payload, key, said, decided.until)

    async def _allowed_now(
        self, pending: Pending, declaration: Declaration, said: Said
    ) -> Decided | None:
        """Step 3 again, at this moment, while an attachment is on its way."""
        return await self._allowed(pending, declaration, said, instant(self._clock.now()))

    async def _allowed(
        self, pending: Pending, declaration: Declaration, said: Said, at: str
    ) -> Decided | None:
        """Step 3, both legs. ``None`` where one of them waits for a person of our side now.

        Raises ``Denied`` for any other no, ``Refused`` where its sender took it back.
        """
        self._approvals.check_wanted(pending, declaration.exchange)
        first: Decided | None = None
        async for leg, own, decided in self._delivery.judged(declaration, said, at):
            if decided.decision.verdict == "hold":
                ask = self._approvals.ask(decided, own)
                if ask is not None:
                    async with self._room.one_more(pending.position.origin):
                        await self._hold(pending, decided, ask)
                    return None
            refuse_denied(decided, leg)
            first = first or decided
        return first

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
        row = reader.exchange_row(entry.exchange)
        if before or (row is not None and not self._asked_before(pending, entry, row[0])):
            raise Refused(Reason.ENTRY_INVALID, "the exchange id was used before")
        return False

    def _asked_before(self, pending: Pending, entry: Request, party: str | None) -> bool:
        """Whether what rests here of the id is our officers' answer to its sender's own hold."""
        if party is not None:
            return False
        placed = self._ledger.reader.placed(entry.exchange)
        return any(
            isinstance(p.entry, Hold) and p.position.origin == pending.position.origin
            for p in placed
        )

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
            keep, key = self._approvals.key(pending, entry.exchange, instant(now), decided.until)
            effects.append(keep)
            effects += self._legs.evidence(decided, entry.exchange, key)
        version = decided.facts.standing.register_version if decided else None
        await self._responses.record(pending, DONE, said, effects, register=version)

    async def _hold(self, pending: Pending, decided: Decided, ask: Ask) -> None:
        entry, at = pending.decoded, decided.facts.moment.now
        assert isinstance(entry, Request)
        held = Held(
            at=at,
            exchange=entry.exchange,
            request=leaf_hex(pending.entry),
            role=ask.role,
            rules=ask.rules,
            deadline=ask.deadline,
            verdict=decided.verdict,
        )
        keep, key = self._approvals.key(pending, entry.exchange, at, decided.until)
        effects: list[Effect] = [
            keep,
            KeepHold(
                leaf_hex(held.encode()), entry.exchange, at, ask.role, ask.deadline, here=True
            ),
            *self._legs.evidence(decided, entry.exchange, key),
        ]
        version = decided.facts.standing.register_version
        await self._responses.record(pending, "held", held, effects, register=version)

    async def _expire_held(self, pending: Pending, entry: Request) -> None:
        """A hold that nobody answered in time ends the exchange before any effect."""
        now = self._clock.now()
        for row in self._ledger.reader.holds_of(entry.exchange):
            if row.state == "open" and now > parse_instant(row.deadline):
                expired = Expired(instant(now), entry.exchange, leaf_hex(pending.entry))
                move = MoveHold(row.leaf, "open", "done")
                with suppress(Stale):  # an officer was faster
                    await self._responses.record(pending, DONE, expired, [move])
                return


def _opens(placed: Placed, here: Position) -> bool:
    """Whether an entry takes its exchange id away from the request that stands ``here``."""
    there, entry = placed.position, placed.entry
    if not isinstance(entry, Request | Hold) or not in_lane(there.origin, entry.exchange):
        return False
    if there.origin != here.origin:
        return True  # another node's, or ours: which of them came first nobody can say any more
    return isinstance(entry, Request) and there.index < here.index
