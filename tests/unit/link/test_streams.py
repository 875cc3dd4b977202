"""Both ends of the link over real gRPC on loopback: who resumes, who asks, who stops."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.harness.logs import mirrored_logs, own_logs
from tests.property.test_store import EXCHANGE, KEY, Model

from xbgateway.api.link.v1 import link_pb2, link_pb2_grpc
from xbgateway.exchange import Mirrored
from xbgateway.link import Mirrors, Writers
from xbgateway.link.channels import PeerChannels, Target
from xbgateway.link.writer import Outlet
from xbgateway.model.errors import Reason
from xbgateway.model.outcome import Position
from xbgateway.model.record import Append, Beside, Pending, Record
from xbgateway.node_keys import cosigner_name
from xbgateway.store import SqliteStore
from xbgateway.tlog import Cosigner, NoteVerifier, SignatureType, verify_cosignature

ORIGIN = "z.test/zhuhai/macao/lane/0"
OTHER = "z.test/zhuhai/macao/lane/1"
COSIGN = Ed25519PrivateKey.generate()
COSIGNER = NoteVerifier(
    cosigner_name("m.test", "macao"),
    COSIGN.public_key().public_bytes_raw(),
    SignatureType.COSIGNATURE_V1,
)


class Plain:
    """Channels without TLS, where :class:`PeerChannels` stands in a node."""

    def __init__(self) -> None:
        self.generation = 0
        self._channels: dict[Target, grpc.aio.Channel] = {}

    def get(self, target: Target) -> grpc.aio.Channel:
        if target not in self._channels:
            self._channels[target] = grpc.aio.insecure_channel(target.address)
        return self._channels[target]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@dataclass
class Pair:
    """A writer's store and a mirror's store with the link between them."""

    writer: SqliteStore
    mirror: SqliteStore
    mirrors: Mirrors
    writers: Writers
    target: Target
    channels: Plain
    pending: list[Pending] = field(default_factory=list)
    model: Model = field(default_factory=Model)

    async def append(self, count: int, origin: str = ORIGIN, size: int = 1) -> None:
        beside = Beside(b"declared", b"s" * size, b"a wrap")
        records = [
            Record((Append(origin, self.model.next(junk=False), EXCHANGE, beside),))
            for _ in range(count)
        ]
        await asyncio.gather(*(self.writer.record(record) for record in records))

    def entries(self, store: SqliteStore, origin: str = ORIGIN) -> list[bytes]:
        return store.reader.entries(origin, 0, store.size(origin))

    def stub(self) -> Any:
        return link_pb2_grpc.PeerLinkServiceStub(self.channels.get(self.target)).Replicate()


def own(path: Path) -> SqliteStore:
    return SqliteStore(path, own_logs(KEY, ORIGIN, OTHER))


def mirrored(path: Path) -> SqliteStore:
    return SqliteStore(path, mirrored_logs(KEY, ORIGIN, OTHER))


@asynccontextmanager
async def linked(folder: Path, *, run: bool = True) -> AsyncIterator[Pair]:
    server, channels = grpc.aio.server(), Plain()
    port = server.add_insecure_port("127.0.0.1:0")
    target = Target(f"127.0.0.1:{port}", "m.test", "macao")
    writer, mirror = own(folder / "writer.db"), mirrored(folder / "mirror.db")
    pending: list[Pending] = []
    mirrors = Mirrors(
        mirror,
        {ORIGIN: "zhuhai", OTHER: "zhuhai"},
        lambda _node: Cosigner(COSIGNER.name, COSIGN),
        lambda _context: "zhuhai",
    )
    mirrors.attach(server)
    writers = Writers(
        writer,
        cast("PeerChannels", channels),
        [Outlet(o, "macao", target, lambda: (COSIGNER,)) for o in (ORIGIN, OTHER)],
        "zhuhai",
        lambda _node, _origin, _up: None,
    )
    writer.start(writers.grown)

    def taken(group: Mirrored) -> None:
        pending.extend(group.pending)
        mirrors.grown()

    mirror.start(lambda _group: None, taken)
    await server.start()
    running = asyncio.create_task(writers.run()) if run else None
    pair = Pair(writer, mirror, mirrors, writers, target, channels, pending)
    try:
        yield pair
    finally:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await channels.close()
        await server.stop(0.1)
        await writer.stop()
        await mirror.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - tests only
            await asyncio.sleep(0.01)


async def test_what_is_committed_arrives_is_cosigned_and_the_receipt_is_kept(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path) as pair:
        await pair.append(300)
        await pair.append(5, OTHER)
        head = pair.writer.heads[ORIGIN]
        await until(lambda: head.held_size == 300 and pair.mirror.size(OTHER) == 5)
        assert pair.entries(pair.mirror) == pair.entries(pair.writer)
        assert head.held is not None
        verify_cosignature(head.held, COSIGNER)
        assert pair.writers.held()[ORIGIN] == 300


async def test_a_link_resumes_from_thousands_of_entries_back(tmp_path: Path) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(2500)
        pair.writer._tails._groups[ORIGIN].clear()  # none of it is in memory any more
        running = asyncio.create_task(pair.writers.run())
        await until(lambda: pair.mirror.size(ORIGIN) == 2500)
        await pair.append(3)
        await until(lambda: pair.mirror.size(ORIGIN) == 2503)
        assert pair.entries(pair.mirror) == pair.entries(pair.writer)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_group_is_never_larger_than_a_message(tmp_path: Path) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(12, size=500_000)
        pair.writer._tails._groups[ORIGIN].clear()
        running = asyncio.create_task(pair.writers.run())
        await until(lambda: pair.mirror.size(ORIGIN) == 12)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_mirror_that_cannot_write_now_does_not_stop_the_writers_log(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path) as pair:
        await pair.append(1)
        await until(lambda: pair.mirror.size(ORIGIN) == 1)
        pair.mirror._connection.execute("PRAGMA query_only = ON")
        await pair.append(1)
        await asyncio.sleep(0.3)
        assert pair.mirror.size(ORIGIN) == 1
        assert pair.writer.stopped(ORIGIN) is None
        pair.mirror._connection.execute("PRAGMA query_only = OFF")
        await until(lambda: pair.mirror.size(ORIGIN) == 2)
        assert pair.mirror.stopped(ORIGIN) is None


async def hello(call: Any, origin: str = ORIGIN, versions: tuple[int, ...] = (1,)) -> Any:
    await call.write(
        link_pb2.ReplicateRequest(
            hello=link_pb2.Hello(versions=versions, node="zhuhai", origin=origin)
        )
    )
    return await call.read()


async def send(call: Any, pair: Pair, at: int, **changed: Any) -> Any:
    group = pair.writer.read_group(ORIGIN, at)
    assert group is not None
    values: dict[str, Any] = {
        "start": group.start,
        "items": [link_pb2.Item(entry=i.entry) for i in group.items],
        "checkpoint": group.checkpoint,
    }
    wire = link_pb2.Group(**(values | changed))
    await call.write(link_pb2.ReplicateRequest(group=wire))
    return await call.read()


async def test_a_fork_stops_both_ends_for_good(tmp_path: Path) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(3)
        call = pair.stub()
        assert (await hello(call)).resume.size == 0
        forged = [link_pb2.Item(entry=b"another story")] * 3
        said = await send(call, pair, 0, items=forged)
        assert said.stopped.reason == Reason.LOG_FORK
        assert await call.read() is grpc.aio.EOF
        assert pair.mirror.stopped(ORIGIN) == Reason.LOG_FORK
        # The real writer hears of it at its next hello, and stops its own log too.
        running = asyncio.create_task(pair.writers.run())
        await until(lambda: pair.writer.stopped(ORIGIN) == Reason.LOG_FORK)
        await pair.append(1, OTHER)
        await until(lambda: pair.mirror.size(OTHER) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_replayed_or_skipping_group_ends_the_stream_and_stops_nothing(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(3)
        for start in (1, -1, 2**40):
            call = pair.stub()
            size = (await hello(call)).resume.size
            said = await send(call, pair, 0, start=start)
            assert said.stopped.reason == Reason.LINK_PROTOCOL
            assert pair.mirror.size(ORIGIN) == size
        call = pair.stub()
        assert (await hello(call)).resume.size == 0
        assert (await send(call, pair, 0)).held.size == 3
        assert (await send(call, pair, 0)).stopped.reason == Reason.LINK_PROTOCOL  # once more
        assert pair.mirror.size(ORIGIN) == 3
        assert pair.mirror.stopped(ORIGIN) is None


@pytest.mark.parametrize("bad", ["payloads nobody asked for", "a second hello", "an empty message"])
async def test_messages_out_of_place(tmp_path: Path, bad: str) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(2)
        call = pair.stub()
        await hello(call)
        if bad == "payloads nobody asked for":
            payload = link_pb2.Payload(index=0, declaration=b"x", sealed=b"y")
            await call.write(
                link_pb2.ReplicateRequest(payloads=link_pb2.Payloads(payloads=[payload]))
            )
            assert (await send(call, pair, 0)).held.size == 2  # passed over
        else:
            message = link_pb2.ReplicateRequest()
            if bad == "a second hello":
                message.hello.node = "zhuhai"
            await call.write(message)
            assert (await call.read()).stopped.reason == Reason.LINK_PROTOCOL
        assert pair.mirror.stopped(ORIGIN) is None


@pytest.mark.parametrize(
    "hello_as",
    [
        {"origin": "m.test/macao/zhuhai/lane/0"},
        {"origin": "nothing"},
        {"versions": (2,)},
        {"versions": ()},
    ],
)
async def test_a_hello_for_what_is_not_the_peers_is_refused(
    tmp_path: Path, hello_as: dict[str, Any]
) -> None:
    async with linked(tmp_path, run=False) as pair:
        call = pair.stub()
        with pytest.raises(grpc.aio.AioRpcError):
            await hello(call, **hello_as)
        assert pair.mirror.size(ORIGIN) == 0


async def test_a_newer_stream_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    async with linked(tmp_path, run=False) as pair:
        await pair.append(2)
        older = pair.stub()
        await hello(older)
        newer = pair.stub()
        assert (await hello(newer)).resume.size == 0
        assert (await send(newer, pair, 0)).held.size == 2
        assert await older.read() is grpc.aio.EOF


async def test_a_lost_payload_is_had_again_over_the_link(tmp_path: Path) -> None:
    async with linked(tmp_path) as pair:
        await pair.append(3, size=40)
        await until(lambda: pair.mirror.size(ORIGIN) == 3)
        lost = Pending(Position(ORIGIN, "zhuhai", 1), b"", None, "mirrored", b"", b"")
        again = await pair.mirrors.want(lost)
        assert again is not None
        assert (again.declaration, again.sealed) == (b"declared", b"s" * 40)
        assert pair.mirror.reader.wrap(hashlib.sha256(b"a wrap").digest()) == b"a wrap"
        assert pair.mirror.reader.beside(lost.position) is None  # nothing waited for it here


async def test_waiting_for_a_size_of_a_mirror(tmp_path: Path) -> None:
    async with linked(tmp_path) as pair:
        assert not await pair.mirrors.reached(ORIGIN, 2, 0.05)
        waiting = asyncio.create_task(pair.mirrors.reached(ORIGIN, 2, 5))
        await pair.append(2)
        assert await waiting


async def test_a_writer_whose_mirror_holds_more_stops_itself(tmp_path: Path) -> None:
    """Its store was restored from a backup: it signs nothing over what it has forgotten."""
    async with linked(tmp_path) as pair:
        await pair.append(3)
        await until(lambda: pair.mirror.size(ORIGIN) == 3)
    for name in ("writer.db", "writer.db-wal", "writer.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    async with linked(tmp_path) as pair:
        await until(lambda: pair.writer.stopped(ORIGIN) == Reason.LOG_ROLLBACK)
        assert pair.mirror.size(ORIGIN) == 3


class Peer(link_pb2_grpc.PeerLinkServiceServicer):
    """A mirror that says at once that it stopped, for a reason of its own choice."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.asked = asyncio.Event()

    async def Replicate(  # noqa: N802 - named by the service
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[link_pb2.ReplicateResponse]:
        assert context.peer()
        assert (await anext(request_iterator)).hello.node == "zhuhai"
        self.asked.set()
        yield link_pb2.ReplicateResponse(stopped=link_pb2.Stopped(reason=self.reason))


@pytest.mark.parametrize(
    ("reason", "stops"),
    [
        (str(Reason.LOG_FORK), True),
        (str(Reason.CHECKPOINT_SIGNATURE), True),
        (str(Reason.STORE_UNAVAILABLE), False),
        (str(Reason.STORE_CORRUPT), False),
        (str(Reason.LINK_PROTOCOL), False),
        ("A_REASON_OF_TOMORROW", False),
        ("", False),
    ],
)
async def test_only_what_speaks_against_the_log_stops_it(
    tmp_path: Path, reason: str, stops: bool
) -> None:
    server, channels, peer = grpc.aio.server(), Plain(), Peer(reason)
    target = Target(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", "m.test", "macao")
    link_pb2_grpc.add_PeerLinkServiceServicer_to_server(peer, server)
    await server.start()
    store = own(tmp_path / "writer.db")
    writers = Writers(
        store,
        cast("PeerChannels", channels),
        [Outlet(ORIGIN, "macao", target, lambda: (COSIGNER,))],
        "zhuhai",
        lambda _node, _origin, _up: None,
    )
    store.start(writers.grown)
    running = asyncio.create_task(writers.run())
    await asyncio.wait_for(peer.asked.wait(), 5)
    if stops:
        await until(lambda: store.stopped(ORIGIN) == reason)
    else:
        await asyncio.sleep(0.1)  # time for it to do the wrong thing
        assert store.stopped(ORIGIN) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await channels.close()
    await server.stop(0.1)
    await store.stop()
