"""The mirroring end of the link: verify a peer's groups, make them durable, cosign, hand over.

Two classes of failure are kept apart. Log-level (signature, size, root, fork): the group is
dropped whole, the log stops, both sides alert. Entry-level (a payload missing or altered): the
mirror advances, the payload is asked for once more, and the path refuses the entry if need be
(REQ-LINK-11).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import grpc
import grpc.aio
import structlog

from xbgateway.api.link.v1 import link_pb2, link_pb2_grpc
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.model.limits import (
    COSIGN_EVERY_S,
    COSIGN_GROUPS_MAX,
    GROUP_ENTRIES_MAX,
    HELLO_WAIT_S,
    LINK_GROUPS_IN_FLIGHT_MAX,
    WANTED_WAIT_S,
)
from xbgateway.model.outcome import Position
from xbgateway.model.record import MirrorGroup, MirrorItem, Pending
from xbgateway.tlog import Cosigner

from .writer import VERSION

_log = structlog.get_logger("link")


class Mirrored(Protocol):
    """What the store says of a group that it took."""

    origin: str
    size: int
    checkpoint: bytes
    pending: tuple[Pending, ...]
    entries: tuple[Any, ...]


class MirrorStore(Protocol):
    """What the mirroring end needs of the store."""

    def size(self, origin: str) -> int:
        """Durable entries of a mirror."""

    def stopped(self, origin: str) -> str | None:
        """Why a log stopped, if it did."""

    async def extend(self, group: MirrorGroup) -> Any:
        """Verify and make durable a group."""

    async def replace_payload(
        self, position: Position, declaration: bytes, sealed: bytes, wraps: tuple[bytes, ...]
    ) -> None:
        """Put a payload in place of a missing one."""


@dataclass(slots=True)
class _Session:
    """A live stream of one log."""

    responses: asyncio.Queue[link_pb2.ReplicateResponse | None] = field(
        default_factory=asyncio.Queue
    )
    wanted: dict[int, asyncio.Future[tuple[bytes, bytes]]] = field(default_factory=dict)
    durable: Mirrored | None = None  # the newest group that is durable and not yet cosigned
    uncosigned: int = 0  # groups up to that one
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class Mirrors(link_pb2_grpc.PeerLinkServiceServicer):
    """The link service of this node: one mirror for each log that a peer writes for us."""

    def __init__(
        self,
        store: MirrorStore,
        origins: dict[str, str],
        cosigner: Callable[[str], Cosigner],
        identify: Callable[[Any], str],
    ) -> None:
        """``origins`` maps each mirrored log to the node that writes it.

        ``cosigner`` gives what to sign with for such a node.

        ``identify`` takes the servicer context and gives the node that the peer's certificate
        names, or raises.
        """
        self._store = store
        self._origins = origins
        self._cosigner = cosigner
        self._identify = identify
        self._locks = {origin: asyncio.Lock() for origin in origins}
        self._sessions: dict[str, _Session] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    def attach(self, server: grpc.aio.Server) -> None:
        """Serve the link on a server."""
        link_pb2_grpc.add_PeerLinkServiceServicer_to_server(self, server)

    async def Replicate(  # noqa: N802 - named by the service
        self, request_iterator: AsyncIterator[link_pb2.ReplicateRequest], context: Any
    ) -> AsyncIterator[link_pb2.ReplicateResponse]:
        """One stream of one log; a newer stream of the same log takes its place (REQ-LINK-3)."""
        node = self._identify(context)
        hello = await self._hello(request_iterator)
        origin = hello.origin
        if self._origins.get(origin) != node or hello.node != node:
            raise Refused(Reason.PEER_UNKNOWN, "this log is not written by the calling node")
        # REQ-LINK-1
        if VERSION not in hello.versions:
            raise Refused(Reason.LINK_PROTOCOL, f"this node speaks link version {VERSION} only")
        older = self._running.get(origin)
        if older is not None:
            older.cancel()
        async with self._locks[origin]:
            stopped = self._store.stopped(origin)
            if stopped is not None:
                yield _stopped(stopped, "this log stopped; a person has to look")
                return
            session = _Session()
            self._sessions[origin] = session
            size = self._store.size(origin)
            yield link_pb2.ReplicateResponse(resume=link_pb2.Resume(version=VERSION, size=size))
            receiving = asyncio.create_task(self._receive(origin, size, request_iterator, session))
            self._running[origin] = receiving
            try:
                while (response := await session.responses.get()) is not None:
                    yield response
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
                if self._sessions.get(origin) is session:
                    del self._sessions[origin]

    async def _hello(self, requests: AsyncIterator[link_pb2.ReplicateRequest]) -> link_pb2.Hello:
        try:
            first = await asyncio.wait_for(anext(requests), HELLO_WAIT_S)
        except (TimeoutError, StopAsyncIteration) as error:
            raise Refused(Reason.LINK_PROTOCOL, "the stream did not say which log it is") from error
        if first.WhichOneof("message") != "hello":
            raise Refused(Reason.LINK_PROTOCOL, "the first message has to be a hello")
        return first.hello

    async def _receive(
        self,
        origin: str,
        size: int,
        requests: AsyncIterator[link_pb2.ReplicateRequest],
        session: _Session,
    ) -> None:
        """Groups in order, several in the store's queue at once, acknowledged in order."""
        # REQ-LINK-6
        queue: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue(LINK_GROUPS_IN_FLIGHT_MAX)
        acknowledging = asyncio.create_task(self._acknowledge(origin, queue, session))
        cosigning = asyncio.create_task(self._cosigning(session))
        # REQ-LINK-2: whatever has gone to the store is waited for, also when the stream is
        # replaced: the next stream must learn the size that really is durable.
        try:
            async for request in requests:
                match request.WhichOneof("message"):
                    case "group":
                        group = _group(origin, request.group)
                        if group.start != size:
                            raise Refused(
                                Reason.LINK_PROTOCOL,
                                f"a group starts at {group.start}, the mirror stands at {size}",
                            )
                        size += len(group.items)
                        await queue.put(asyncio.ensure_future(self._store.extend(group)))
                    case "payloads":
                        await self._again(origin, request.payloads, session)
                    case _:
                        raise Refused(Reason.LINK_PROTOCOL, "a message that has no place here")
        except GatewayError as error:
            session.responses.put_nowait(_stopped(error.reason, error.sentence))
        finally:
            acknowledged = asyncio.ensure_future(_drain(queue, acknowledging))
            try:
                await asyncio.shield(acknowledged)
            except asyncio.CancelledError:
                await acknowledged
                raise
            finally:
                cosigning.cancel()
                self._cosign(session)
                session.responses.put_nowait(None)

    async def _acknowledge(
        self, origin: str, queue: asyncio.Queue[asyncio.Future[Any] | None], session: _Session
    ) -> None:
        """Take what has become durable, in order."""
        while (future := await queue.get()) is not None:
            try:
                mirrored = await future
            except GatewayError as error:
                stopped = self._store.stopped(origin)
                if stopped is not None:
                    _log.error("lane_stopped", origin=origin, reason=str(error.reason))
                    session.responses.put_nowait(_stopped(stopped, error.sentence))
                # REQ-LINK-10 above; REQ-LINK-12 here: a mirror that cannot write now (full,
                # draining) just ends the stream: the writer comes again, its log is not at fault.
                session.responses.put_nowait(None)
                while (rest := await queue.get()) is not None:
                    await asyncio.gather(rest, return_exceptions=True)
                return
            session.durable = mirrored
            session.uncosigned += 1
            session.grown.set()
            if session.uncosigned == COSIGN_GROUPS_MAX:
                self._cosign(session)  # sooner than the writer's window is used up

    async def _cosigning(self, session: _Session) -> None:
        """Cosign a moment after something became durable: under load once for several groups."""
        while True:
            await session.grown.wait()
            session.grown.clear()
            self._cosign(session)
            await asyncio.sleep(COSIGN_EVERY_S)

    def _cosign(self, session: _Session) -> None:
        """Our word for the newest size that is durable here (REQ-LINK-8)."""
        newest, session.durable, session.uncosigned = session.durable, None, 0
        if newest is None:
            return
        text = newest.checkpoint.partition(b"\n\n")[0] + b"\n"
        line = self._cosigner(self._origins[newest.origin]).cosign(text, int(time.time()))
        held = link_pb2.Held(size=newest.size, cosignature=line)
        session.responses.put_nowait(link_pb2.ReplicateResponse(held=held))

    # ---- for the paths ---------------------------------------------------------------------

    async def want(self, pending: Pending) -> Pending | None:
        """Ask the writer once more for what should have come beside an entry (REQ-LINK-9)."""
        session = self._sessions.get(pending.position.origin)
        if session is None:
            return None
        index = pending.position.index
        future: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        session.wanted[index] = future
        wanted = link_pb2.Wanted(indexes=[index])
        session.responses.put_nowait(link_pb2.ReplicateResponse(wanted=wanted))
        try:
            declaration, sealed = await asyncio.wait_for(future, WANTED_WAIT_S)
        except TimeoutError:
            return None
        finally:
            session.wanted.pop(index, None)
        return replace(pending, declaration=declaration, sealed=sealed)

    async def _again(self, origin: str, payloads: link_pb2.Payloads, session: _Session) -> None:
        for payload in payloads.payloads:
            future = session.wanted.get(payload.index)
            if future is None or future.done():
                continue  # nobody asked, or the answer came twice
            position = Position(origin, self._origins[origin], payload.index)
            await self._store.replace_payload(
                position, payload.declaration, payload.sealed, tuple(payloads.wraps)
            )
            future.set_result((payload.declaration, payload.sealed))

    def grown(self) -> None:
        """A mirror has grown: whoever waits for a size looks again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def reached(self, origin: str, size: int, timeout_s: float) -> bool:
        """Wait until a mirror has ``size`` entries."""
        if self._store.size(origin) >= size:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                while self._store.size(origin) < size:
                    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiting)
                    try:
                        await waiting
                    finally:
                        self._waiting.discard(waiting)
        except TimeoutError:
            return False
        return True


async def _drain(
    queue: asyncio.Queue[asyncio.Future[Any] | None], acknowledging: asyncio.Task[None]
) -> None:
    await queue.put(None)
    await acknowledging


def _group(origin: str, wire: link_pb2.Group) -> MirrorGroup:
    # REQ-LINK-5
    if not 0 < len(wire.items) <= GROUP_ENTRIES_MAX:
        raise Refused(Reason.GROUP_TOO_LARGE, f"a group of {len(wire.items)} entries")
    return MirrorGroup(
        origin,
        wire.start,
        tuple(MirrorItem(i.entry, i.declaration, i.sealed) for i in wire.items),
        wire.checkpoint,
        tuple(wire.wraps),
    )


def _stopped(reason: str, sentence: str) -> link_pb2.ReplicateResponse:
    return link_pb2.ReplicateResponse(
        stopped=link_pb2.Stopped(reason=reason, sentence=sentence[:500])
    )
