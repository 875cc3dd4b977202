"""One node's exchanges as the edge sees them, and the loops that keep them moving.

``Gateway`` joins both paths: it hands mirrored entries to them, runs what a crash left pending
through the same functions, anchors the home log, announces keys. What is told of an exchange stands
in ``views.py``.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import structlog

from xbgateway.model.clock import Clock, instant
from xbgateway.model.delivery import QUEUED
from xbgateway.model.entry import (
    Accepted,
    Activation,
    Anchor,
    Approval,
    Cancel,
    Case,
    Entry,
    Expired,
    Held,
    KeyBundle,
    Refused_,
    Register,
    Request,
    SigningKeys,
    decode,
    filed_under,
)
from xbgateway.model.errors import GatewayError, Reason, Refused, Unavailable
from xbgateway.model.limits import ENTRIES_ACTED_ON_MAX, SEALING_KEY_DAYS
from xbgateway.model.origins import is_data
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.record import Append, Pending, Record
from xbgateway.seal import KeyBundle as Bundle
from xbgateway.seal import SealingKeyRing

from .cancelling import Cancelling
from .counting import Counting
from .desk import Desk
from .duties import Duties
from .erasing import Erasing
from .flights import Flights
from .holds import Holds
from .in_use import say_in_use
from .inbound import Inbound
from .legs import Legs
from .outbound import Outbound
from .ports import CaseRunner, Ledger, Mirrored
from .queue import Queue
from .registrar import Registrar
from .replies import Replies
from .stages import Finished, Submission
from .topology import Topology
from .views import View, Views

_log = structlog.get_logger("exchange")


class Gateway:
    """The paths of one node. ``recover`` once, then ``call``; ``run`` keeps its loops."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        outbound: Outbound,
        replies: Replies,
        inbound: Inbound,
        holds: Holds,
        desk: Desk,
        legs: Legs,
        counting: Counting,
        ledger: Ledger,
        topology: Topology,
        ring: SealingKeyRing,
        clock: Clock,
        prove: Callable[[Placed], bytes],
        duties: Duties,
        registrar: Registrar,
        queue: Queue,
        flights: Flights,
        cancelling: Cancelling,
    ) -> None:
        self._outbound = outbound
        self._replies = replies
        self._inbound = inbound
        self.holds = holds
        self.desk = desk
        desk.act = queue.act = self.act
        self.queue = queue
        self._legs = legs
        self._counting = counting
        self._ledger = ledger
        self._topology = topology
        self._ring = ring
        self._clock = clock
        self._views = Views(ledger, topology, outbound, desk, prove)
        self.watching = flights.watching
        self._cancelling = cancelling
        cancelling.running = self._running
        self.duties = duties
        self._registrar = registrar
        self._acting: dict[tuple[str, int], asyncio.Task[None]] = {}  # by origin and index
        self.cases: CaseRunner  # set by whoever joins the rooms
        self._left_waiting = False
        self._erasing = Erasing(ledger, topology, clock)
        self._anchored = -1

    # ---- the edge --------------------------------------------------------------------------

    async def call(self, submission: Submission) -> Finished:
        """Run one submission; see :meth:`Outbound.call`."""
        return await self._outbound.call(submission)

    async def submit(self, submission: Submission) -> Finished | str:
        """Take one submission over; see :meth:`Outbound.submit`."""
        return await self._outbound.submit(submission)

    async def ended(self, exchange: str) -> Finished:
        """See :meth:`Outbound.ended`."""
        return await self._outbound.ended(exchange)

    def exchange_of(self, party: str, request_id: str) -> str | None:
        """The exchange that a request id opened."""
        found = self._ledger.reader.exchange_of(party, request_id)
        return found[0] if found else None

    def result(self, party: str, exchange: str) -> Finished | None:
        """The stored result of a party's own exchange, once it has ended and until erased."""
        return self._outbound.result(exchange) if self.holds.is_of(party, exchange) else None

    async def cancel(self, party: str, exchange: str) -> None:
        """See :meth:`Cancelling.cancel`."""
        await self._cancelling.cancel(party, exchange)

    async def get(self, party: str, exchange: str, auditor: bool) -> View:
        """See :meth:`Views.get`."""
        return await self._views.get(party, exchange, auditor)

    async def receipt(
        self, party: str, exchange: str, auditor: bool
    ) -> list[tuple[bytes, bytes, str, int]]:
        """See :meth:`Views.receipt`."""
        return await self._views.receipt(party, exchange, auditor)

    async def list(
        self, party: str, page_size: int, before: tuple[str, str] | None
    ) -> tuple[list[View], tuple[str, str] | None]:
        """See :meth:`Views.list`."""
        return await self._views.list(party, page_size, before)

    def watched(self, exchange: str) -> AbstractContextManager[asyncio.Event]:
        """See :meth:`Watching.watched`."""
        return self.watching.watched(exchange)

    # ---- what the peers write ----------------------------------------------------------------

    def mirrored(self, group: Mirrored) -> None:
        """A peer's group is durable here: learn keys, note acceptances, act on what waits."""
        heard = self._heard_as_data if is_data(group.origin) else self._heard_as_control
        for index, entry in enumerate(group.entries, start=group.size - len(group.entries)):
            heard(group.origin, index, entry)
        for pending in group.pending:
            if isinstance(pending.decoded, Register):
                self._registrar.waits(pending.position)
        for pending in group.pending:
            self.act(pending)

    def _heard_as_data(self, origin: str, index: int, entry: Entry | None) -> None:
        if (filed := filed_under(entry)) is not None:
            self.watching.changed(filed)
        if isinstance(entry, Accepted):
            self._replies.accepted(entry, origin, index)
        elif isinstance(entry, Held | Refused_ | Expired | Approval):
            self._replies.said(entry.exchange)

    def _heard_as_control(self, origin: str, _index: int, entry: Entry | None) -> None:
        if isinstance(entry, KeyBundle):
            self.announced(origin, entry)
        elif isinstance(entry, SigningKeys):
            peer = self._topology.peer_of(origin)
            _log.warning("peer_keys_changed", peer=peer, compromised=entry.compromised)
        elif isinstance(entry, Activation) and entry.previous is not None:
            words = {"revision": entry.revision, "previous": entry.previous}
            _log.warning("peer_policy_changed", peer=self._topology.peer_of(origin), **words)

    def act(self, pending: Pending) -> bool:
        """Start the path that a mirrored entry belongs to, on a task that this node owns.

        One task for each entry, and a bounded number of them: the others' rows wait in the store.
        Whether it is under way now.
        """
        key = (pending.position.origin, pending.position.index)
        if key in self._acting:
            return True
        if len(self._acting) >= ENTRIES_ACTED_ON_MAX:
            self._left_waiting = True
            return False
        task = self._acting[key] = asyncio.get_running_loop().create_task(self._act(pending))
        task.add_done_callback(lambda _done: self._acted(key))
        return True

    def _running(self, position: Position) -> asyncio.Task[None] | None:
        return self._acting.get((position.origin, position.index))

    def _acted(self, key: tuple[str, int]) -> None:
        del self._acting[key]
        if self._left_waiting and len(self._acting) <= ENTRIES_ACTED_ON_MAX // 2:
            self._left_waiting = False
            self._take_up(held=False)

    def _take_up(self, *, held: bool) -> None:
        """Act on rows that wait in the store, read one by one, as far as there is room."""
        for position, step in self._ledger.reader.waiting():
            key = (position.origin, position.index)
            if step == QUEUED or (step == "held") is not held or key in self._acting:
                continue
            if len(self._acting) >= ENTRIES_ACTED_ON_MAX:
                self._left_waiting = True
                return
            pending = self._ledger.reader.pending_at(position)
            if pending is not None:
                self.act(pending)

    def _path(self, pending: Pending) -> Callable[[Pending], Coroutine[Any, Any, None]]:
        """Whose a mirrored entry is."""
        if isinstance(pending.decoded, Request | None):
            return self._inbound.request
        if isinstance(pending.decoded, Register):
            return self._registrar.take_up
        if isinstance(pending.decoded, Case):
            return self.cases.mirrored
        if isinstance(pending.decoded, Cancel):
            return self._cancelling.mirrored
        return self.holds.mirrored if self.holds.concerns(pending) else self._replies.reply

    async def _act(self, pending: Pending) -> None:
        """Try until it is done: what this node cannot do now it does later, it is not lost."""
        path, delay_s = self._path(pending), 0.1
        while True:
            try:
                await path(pending)
            except Unavailable as error:
                if error.reason is Reason.DRAINING:
                    return
                _log.warning("path_waits", reason=str(error.reason))
            except GatewayError as error:
                _log.error("path_stopped", reason=str(error.reason))
                return
            except Exception:  # noqa: BLE001 - the row stays pending and is tried at the next start
                _log.exception("path_failed", origin=pending.position.origin)
                return
            else:
                return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 30.0)
            # What was recorded before it failed stands: go on from there, never from the start.
            on_record = self._ledger.reader.pending_at(pending.position)
            if on_record is None:
                return
            pending = on_record

    def announced(self, origin: str, entry: KeyBundle) -> None:
        """A peer's sealing key, as its control lane says it."""
        node = self._topology.peer_of(origin)
        fields = {
            name: getattr(entry, name)
            for name in ("node", "key_id", "suite", "public_key", "not_before", "not_after")
        }
        try:
            bundle = Bundle.from_fields({**fields, "retires": list(entry.retires)})
        except Refused as refused:
            _log.warning("key_bundle_refused", peer=node, reason=str(refused.reason))
            return
        if bundle.node == node:
            self._legs.peers[node].announced(bundle)

    # ---- starting and keeping going ----------------------------------------------------------

    async def recover(self, register: tuple[str, bytes], in_use: str) -> None:
        """After a start: say what is in use, learn peers' keys, take up what was left pending.

        ``register`` is the base document with its version, ``in_use`` that under all changes.
        """
        for peer in self._topology.peers:
            lane = self._topology.control_in(peer)
            for index in self._ledger.reader.waiting_in(lane):
                self._registrar.waits(Position(lane, peer, index))
            for raw in self._ledger.reader.bundles(self._topology.control_in(peer)):
                entry = decode(raw)
                assert isinstance(entry, KeyBundle)
                self.announced(self._topology.control_in(peer), entry)
        self._outbound.counted()
        await say_in_use(self._ledger, self._topology, self._clock, register, in_use)
        await self.announce_key()
        self._take_up(held=False)
        self.holds.take_up()
        self.queue.take_up()

    async def announce_key(self) -> None:
        """Announce the newest sealing key in every control lane that has not heard of it."""
        key, now = self._ring.newest, self._clock.now().replace(microsecond=0)
        appends = []
        for peer in self._topology.peers:
            lane = self._topology.control_out(peer)
            own = (decode(raw) for raw in self._ledger.reader.bundles(lane))
            heard = [bundle for bundle in own if isinstance(bundle, KeyBundle)]
            if heard and heard[-1].key_id == key.key_id:
                continue
            bundle = Bundle.announce(
                self._topology.node,
                key,
                now - timedelta(minutes=5),
                now + timedelta(days=SEALING_KEY_DAYS),
                tuple({b.key_id for b in heard})[-8:],
            )
            entry = KeyBundle(
                at=instant(now),
                **{
                    k: tuple(v) if isinstance(v, list) else v for k, v in bundle.to_fields().items()
                },  # type: ignore[arg-type]
            )
            appends.append(Append(lane, entry.encode()))
        if appends:
            await self._ledger.record(Record(tuple(appends)))

    async def anchor_once(self) -> None:
        """Put the home log's head into every control lane, where it changed."""
        size = self._ledger.size(self._topology.home)
        if size == self._anchored or not size or not self._topology.peers:
            return
        root = self._ledger.root(self._topology.home)
        anchor = Anchor(
            at=instant(self._clock.now()), origin=self._topology.home, size=size, root=root
        ).encode()
        lanes = [self._topology.control_out(peer) for peer in self._topology.peers]
        await self._ledger.record(Record(tuple(Append(lane, anchor) for lane in lanes)))
        self._anchored = size

    async def erase(self, exchange: str, ground: str) -> bool:
        """Erase what is kept of an exchange; see :meth:`Erasing.erase`."""
        return await self._erasing.erase(exchange, ground)

    async def run(self) -> None:
        """Keep going: anchor every second where the home log changed, expire unanswered holds."""
        swept: datetime | None = None
        while True:
            await asyncio.sleep(1.0)
            try:
                await self.anchor_once()
                now = self._clock.now()
                if swept is None or now - swept > timedelta(minutes=1):
                    swept = now
                    await self._erasing.due()
                    await self.duties.tell()
                    await self.queue.tidy()
                    await self._counting.forget(self._ledger, now)
                    self._take_up(held=True)
                    self.holds.take_up()
            except GatewayError as error:
                _log.warning("loop_waits", reason=str(error.reason))

    async def drain(self, timeout_s: float) -> None:
        """Let what is under way come to its next durable step; the rest is taken up at start."""
        self.queue.close()
        if acting := [*self._acting.values(), *self.holds.running()]:
            _done, waiting = await asyncio.wait(acting, timeout=timeout_s)
            for task in waiting:
                task.cancel()
