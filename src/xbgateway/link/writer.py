"""The writing end of the link: one stream per own log, resumed from the mirror's size.

For each log a task dials the peer, learns how far the mirror is, and sends groups in order from
there, at most a few unacknowledged ones ahead. Only committed groups under a signed checkpoint are
ever handed to it (promise 1, REQ-LINK-4). A broken stream is opened again with growing delays; the
mirror's cosignature is checked and kept as the receipt.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import grpc
import grpc.aio
import structlog

from xbgateway.api.link.v1 import link_pb2, link_pb2_grpc
from xbgateway.identity.dialling import dialling_reason
from xbgateway.model.errors import GatewayError, Reason
from xbgateway.model.limits import LANE_RETRY_S_MAX, LINK_GROUPS_IN_FLIGHT_MAX
from xbgateway.model.record import Group
from xbgateway.tlog import Checkpoint, NoteVerifier, add_signatures, verify_cosignature_line

from .channels import PeerChannels, Target

VERSION = 1
# What a mirror can say against a log; anything else is its own trouble, or a matter of the stream.
_LOG_LEVEL = frozenset(
    {
        Reason.GROUP_TOO_LARGE,
        Reason.CHECKPOINT_MALFORMED,
        Reason.CHECKPOINT_SIGNATURE,
        Reason.CHECKPOINT_ORIGIN,
        Reason.LOG_SIZE,
        Reason.LOG_ROLLBACK,
        Reason.LOG_FORK,
    }
)
_log = structlog.get_logger("link")


class OwnLogs(Protocol):
    """What the writing end needs of the store."""

    def tail_group(self, origin: str, start: int) -> Group | None:
        """A committed group that starts there, if it is still in memory."""

    def read_group(self, origin: str, start: int) -> Group | None:
        """The next group from ``start`` on, read from the store; blocks."""

    def size(self, origin: str) -> int:
        """Durable entries of a log."""

    def keep_held(self, origin: str, size: int, note: bytes) -> None:
        """Keep the peer's cosigned checkpoint."""

    async def stop_log(self, origin: str, reason: str) -> None:
        """A person has to look at this log."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One own log, where its mirror is, and whose cosignature makes a receipt."""

    origin: str
    node: str
    target: Target
    cosigners: Callable[[], tuple[NoteVerifier, ...]]


class Writers:
    """All own logs of this node that have a mirror. ``run`` until cancelled."""

    def __init__(
        self,
        logs: OwnLogs,
        channels: PeerChannels,
        outlets: list[Outlet],
        me: str,
        on_link: Callable[[str, str, bool], None],
    ) -> None:
        self._streams = {
            outlet.origin: _Stream(logs, channels, outlet, me, on_link) for outlet in outlets
        }

    def grown(self, group: Group) -> None:
        """A group of an own log was committed."""
        stream = self._streams.get(group.origin)
        if stream is not None:
            stream.grown.set()

    def renewed(self) -> None:
        """The channels are new ones: each stream moves over, also one that has nothing to send."""
        for stream in self._streams.values():
            stream.grown.set()

    async def run(self) -> None:
        """Keep every stream alive."""
        async with asyncio.TaskGroup() as tasks:
            for stream in self._streams.values():
                tasks.create_task(stream.run())

    def held(self) -> dict[str, int]:
        """How far each log is held by its mirror."""
        return {origin: stream.held for origin, stream in self._streams.items()}


class _Stream:
    """One log's stream and its reconnects."""

    def __init__(
        self,
        logs: OwnLogs,
        channels: PeerChannels,
        outlet: Outlet,
        me: str,
        on_link: Callable[[str, str, bool], None],
    ) -> None:
        self._logs = logs
        self._channels = channels
        self._outlet = outlet
        self._me = me
        self._on_link = on_link
        self.grown = asyncio.Event()
        self.held = 0
        self._window = asyncio.Semaphore(LINK_GROUPS_IN_FLIGHT_MAX)
        # Checkpoints that were sent and not yet cosigned, by size.
        self._sent: dict[int, bytes] = {}

    async def run(self) -> None:
        """Open the stream again whenever it ends, with growing delays."""
        delay_s = 0.1
        while True:
            try:
                await self._session()
                delay_s = 0.1
            except grpc.aio.AioRpcError as error:
                # Where TLS refused a certificate, only gRPC's text says so.
                why = dialling_reason(error.details() or "")
                (_log.warning if why else _log.info)(
                    "link_broken", peer=self._outlet.node, origin=self._outlet.origin,
                    code=error.code().name, **({"reason": str(why)} if why else {}),
                )  # fmt: skip
            except GatewayError as error:
                _log.warning(
                    "link_refused", peer=self._outlet.node, origin=self._outlet.origin,
                    reason=str(error.reason),
                )  # fmt: skip
                delay_s = 5.0
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # gRPC cancels what runs on a channel that is closed: certificates were renewed.
                delay_s = 0.1
            except Exception:  # noqa: BLE001 - one stream's accident must not end the others
                # A call that broke between two of our steps raises what gRPC happens to have.
                _log.exception("link_failed", peer=self._outlet.node, origin=self._outlet.origin)
            self._on_link(self._outlet.node, self._outlet.origin, False)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, max(LANE_RETRY_S_MAX, delay_s))

    async def _session(self) -> None:
        channel = self._channels.get(self._outlet.target)
        call = link_pb2_grpc.PeerLinkServiceStub(channel).Replicate(wait_for_ready=False)
        try:
            await self._greet(call)
        except BaseException:
            call.cancel()
            raise

    async def _greet(self, call: "_Call") -> None:
        hello = link_pb2.Hello(versions=[VERSION], node=self._me, origin=self._outlet.origin)
        await call.write(link_pb2.ReplicateRequest(hello=hello))
        first = await _next(call)
        if first is None:
            raise _protocol("the peer closed the stream before it said where to resume")
        match first.WhichOneof("message"):
            case "resume" if first.resume.version == VERSION:
                start = first.resume.size
            case "stopped":
                await self._stopped(first.stopped)
                return
            case _:
                raise _protocol("the peer did not say where to resume")
        if start > self._logs.size(self._outlet.origin):
            # REQ-LINK-13: the peer holds more than we do, so our store has lost entries.
            await self._logs.stop_log(self._outlet.origin, Reason.LOG_ROLLBACK)
            raise GatewayError(Reason.LOG_ROLLBACK, "the peer holds more entries than this store")
        self._on_link(self._outlet.node, self._outlet.origin, True)
        self.held = start
        self._sent.clear()
        self._window = asyncio.Semaphore(LINK_GROUPS_IN_FLIGHT_MAX)
        write_lock = asyncio.Lock()
        reading = asyncio.create_task(self._read(call, write_lock))
        sending = asyncio.create_task(self._send(call, start, write_lock))
        try:
            done, _ = await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)
            call.cancel()

    async def _send(self, call: "_Call", start: int, write_lock: asyncio.Lock) -> None:
        """Groups in order, a bounded number ahead of the mirror's acknowledgements."""
        generation = self._channels.generation
        loop = asyncio.get_running_loop()
        while self._channels.generation == generation:
            self.grown.clear()
            group = self._logs.tail_group(self._outlet.origin, start)
            if group is None and start < self._logs.size(self._outlet.origin):
                group = await loop.run_in_executor(
                    None, self._logs.read_group, self._outlet.origin, start
                )
            if group is None:
                await self.grown.wait()
                continue
            await self._window.acquire()
            self._sent[group.end] = group.checkpoint
            async with write_lock:
                await call.write(_wire(group))
            start = group.end

    async def _read(self, call: "_Call", write_lock: asyncio.Lock) -> None:
        """Cosignatures, requests for lost payloads, and the peer's stop."""
        while True:
            response = await _next(call)
            if response is None:
                return
            match response.WhichOneof("message"):
                case "held":
                    self._held(response.held)
                case "wanted":
                    answer = await asyncio.get_running_loop().run_in_executor(
                        None, self._payloads, list(response.wanted.indexes)
                    )
                    async with write_lock:
                        await call.write(answer)
                case "stopped":
                    await self._stopped(response.stopped)
                    return
                case _:
                    raise _protocol("the peer sent a message that has no place here")

    def _held(self, held: link_pb2.Held) -> None:
        note = self._sent.get(held.size)
        if note is None:
            raise _protocol(f"the peer cosigned size {held.size}, which was not sent")
        text = note.partition(b"\n\n")[0] + b"\n"
        verify_cosignature_line(text, held.cosignature, self._outlet.cosigners())
        assert Checkpoint.parse(text).size == held.size
        for size in [s for s in self._sent if s <= held.size]:
            del self._sent[size]
            self._window.release()
        self.held = held.size
        self._logs.keep_held(self._outlet.origin, held.size, add_signatures(note, held.cosignature))

    def _payloads(self, indexes: list[int]) -> link_pb2.ReplicateRequest:
        payloads: list[link_pb2.Payload] = []
        wraps: list[bytes] = []
        for index in indexes[:16]:
            group = self._logs.read_group(self._outlet.origin, index)
            if group is None:
                continue
            item = group.items[0]
            payloads.append(
                link_pb2.Payload(index=index, declaration=item.declaration, sealed=item.sealed)
            )
            wraps += group.wraps
        return link_pb2.ReplicateRequest(payloads=link_pb2.Payloads(payloads=payloads, wraps=wraps))

    async def _stopped(self, stopped: link_pb2.Stopped) -> None:
        """The mirror stopped this log: so do we; both sides alert."""
        _log.error(
            "lane_stopped", peer=self._outlet.node, origin=self._outlet.origin,
            reason=stopped.reason[:64],
        )  # fmt: skip
        if stopped.reason in _LOG_LEVEL:
            await self._logs.stop_log(self._outlet.origin, stopped.reason)
        raise GatewayError(Reason.LINK_PROTOCOL, f"the peer stopped the log: {stopped.reason[:64]}")


_Call = grpc.aio.StreamStreamCall[link_pb2.ReplicateRequest, link_pb2.ReplicateResponse]
_Callback = Callable[[str], Awaitable[None]]


async def _next(call: _Call) -> link_pb2.ReplicateResponse | None:
    """The next response, ``None`` at the end of the stream."""
    response = await call.read()
    if response is grpc.aio.EOF:
        return None
    if not isinstance(response, link_pb2.ReplicateResponse):  # gRPC gives None for garbage
        raise _protocol("the peer sent bytes that are no message")
    return response


def _wire(group: Group) -> link_pb2.ReplicateRequest:
    items = [
        link_pb2.Item(entry=i.entry, declaration=i.declaration, sealed=i.sealed)
        for i in group.items
    ]
    return link_pb2.ReplicateRequest(
        group=link_pb2.Group(
            start=group.start, items=items, checkpoint=group.checkpoint, wraps=group.wraps
        )
    )


def _protocol(sentence: str) -> GatewayError:
    return GatewayError(Reason.LINK_PROTOCOL, sentence)
