"""Hostile peers at the node's own peer port, over mutual TLS: who may link, and what for.

Zhuhai serves; Macao's lane is mirrored there. Whatever a peer does, it hears why, and the mirror
stays as it was.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.harness.logs import mirrored_logs
from tests.harness.whole import contents
from tests.unit.server.asking import leaf
from tests.unit.server.edge import Edge, Material, identities, register, serving
from tests.unit.server.fakes import WINDOW
from tests.unit.server.told import Told, failure, told

from xbgateway.api.link.v1 import link_pb2 as wire
from xbgateway.client import GatewayCallError
from xbgateway.identity.certs import revoke
from xbgateway.link import Mirrors
from xbgateway.model.clock import SystemClock
from xbgateway.model.errors import Reason
from xbgateway.store import SqliteStore
from xbgateway.tlog import (
    Checkpoint,
    Cosigner,
    Frontier,
    NoteSigner,
    leaf_hash,
    sign_checkpoint,
)

PATH = "/xbgateway.api.link.v1.PeerLinkService/Replicate"
LANE, OTHER = "macao.xbg.test/macao/zhuhai/lane/0", "macao.xbg.test/macao/zhuhai/lane/1"
ELSEWHERE = "hengqin.xbg.test/hengqin/zhuhai/lane/0"
KEY = Ed25519PrivateKey.generate()


@dataclass
class Scene:
    edge: Edge
    store: SqliteStore

    @asynccontextmanager
    async def stream(self, home: Path | None = None) -> AsyncIterator[Any]:
        """A stream to the peer port, as Macao where nothing else is said; raw bytes both ways."""
        home = home or self.edge.material.of("nodes", "macao", "macao")
        async with self.edge.channel(home=home, port=self.edge.ports.peers) as channel:
            yield channel.stream_stream(PATH)()

    def contents(self) -> dict[str, list[Any]]:
        return contents(self.store)


@asynccontextmanager
async def scene(material: Material, folder: Path) -> AsyncIterator[Scene]:
    store = SqliteStore(folder / "store.db", mirrored_logs(KEY, LANE, OTHER, ELSEWHERE))
    store.start(lambda _group: None)
    edges: list[Edge] = []

    def identify(context: Any) -> str:
        return identities(material, edges[0].trust, register()).node(context)

    mirrors = Mirrors(
        store,
        {LANE: "macao", OTHER: "macao", ELSEWHERE: "hengqin"},
        lambda _node: Cosigner("zhuhai.xbg.test/zhuhai/mirror", KEY),
        identify,
    )
    try:
        async with serving(
            material, peer_services=[mirrors.attach], credentials_poll_s=0.05
        ) as edge:
            edges.append(edge)
            yield Scene(edge, store)
    finally:
        await store.stop()


@pytest.fixture(scope="module", name="material")
def _material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("certificates"))


def hello(origin: str = LANE, node: str = "macao", versions: tuple[int, ...] = (1,)) -> bytes:
    said = wire.Hello(versions=versions, node=node, origin=origin)
    return wire.ReplicateRequest(hello=said).SerializeToString()


def group(*entries: bytes, origin: str = LANE) -> bytes:
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in entries])
    note = sign_checkpoint(
        Checkpoint(origin, frontier.size, frontier.root()), NoteSigner(origin, KEY)
    )
    items = [wire.Item(entry=entry) for entry in entries]
    made = wire.Group(start=0, items=items, checkpoint=note)
    return wire.ReplicateRequest(group=made).SerializeToString()


def answer(raw: Any) -> wire.ReplicateResponse:
    assert isinstance(raw, bytes), raw
    return wire.ReplicateResponse.FromString(raw)


async def resumed(stream: Any, origin: str = LANE) -> None:
    await stream.write(hello(origin))
    assert answer(await stream.read()).resume.size == 0


async def first_word(stream: Any, raw: bytes) -> Any:
    """Send it, and what comes back; the peer may have ended the stream before it was sent."""
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await stream.write(raw)
    return await stream.read()


async def refused(s: Scene, home: Path | None, raw: bytes) -> Told:
    """What somebody with a certificate is told on a first message.

    Where the stream ends while that is being written, gRPC keeps its own error and loses what the
    peer said: then once more.
    """
    while True:
        async with s.stream(home) as stream:
            try:
                answered = await first_word(stream, raw)
            except grpc.aio.AioRpcError as error:
                if error.details() != "Internal error from Core":
                    return told(error)
            else:
                raise AssertionError(f"the peer answered {answered!r}")


async def honest_goes_on(s: Scene) -> None:
    """A stream of the same log, and of another, still work."""
    for origin in (LANE, OTHER):
        async with s.stream() as stream:
            await resumed(stream, origin)
            await stream.write(group(b"an entry", origin=origin))
            assert answer(await stream.read()).held.size == 1


# ---- who links -------------------------------------------------------------------------------


async def test_certificates_that_may_not_link(material: Material, tmp_path: Path) -> None:
    spiffe = "spiffe://zhuhai.xbg.test"
    bad: list[tuple[Path, Reason]] = [
        (material.of("parties", WINDOW), Reason.PEER_UNKNOWN),
        (material.of("parties", WINDOW, "macao"), Reason.PEER_UNKNOWN),
        # Zhuhai's own authority vouches for a node of Macao's name.
        (leaf(material, tmp_path / "macao", f"{spiffe}/node/macao"), Reason.IDENTITY_FOREIGN),
        # A right node, and not the one that writes this log.
        (material.of("nodes", "zhuhai"), Reason.PEER_UNKNOWN),
        (leaf(material, tmp_path / "ghost", f"{spiffe}/node/ghost"), Reason.PEER_UNKNOWN),
    ]
    async with scene(material, tmp_path) as s:
        before = s.contents()
        for home, reason in bad:
            said = await refused(s, home, hello())
            assert (said.code, said.reason) == (grpc.StatusCode[_code(reason)], reason), home
        counted = {reason for _source, reason, _count in s.edge.refusals.take()}
        assert counted == {Reason.PEER_UNKNOWN, Reason.IDENTITY_FOREIGN}
        assert s.contents() == before
        await honest_goes_on(s)


def _code(reason: Reason) -> str:
    return "UNAUTHENTICATED" if reason is Reason.IDENTITY_FOREIGN else "PERMISSION_DENIED"


async def test_certificates_that_tls_refuses(material: Material, tmp_path: Path) -> None:
    node = "spiffe://zhuhai.xbg.test/node/macao"
    expired = leaf(material, tmp_path / "old", node, days=1, age_days=2)
    stranger = Material.make(tmp_path / "elsewhere").of("nodes", "macao", "macao")
    async with scene(material, tmp_path) as s:
        before = s.contents()
        for home in (expired, stranger):
            async with s.stream(home) as stream:
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await first_word(stream, hello())
            assert GatewayCallError.of(error.value).reason == Reason.HANDSHAKE_FAILED
        assert s.contents() == before
        await honest_goes_on(s)


async def test_a_revoked_node(tmp_path: Path) -> None:
    made = Material.make(tmp_path / "own")  # its list of revocations changes
    macao = made.of("nodes", "macao", "macao")
    listed = made.folder / "macao" / "crl.pem"
    async with scene(made, tmp_path) as s:
        before = s.contents()
        revoke(made.folder, macao / "tls.crt", SystemClock().now())
        s.edge.trust.reload(
            s.edge.credentials.current.roots, {"macao.xbg.test": [listed.read_bytes()]}
        )
        said = await refused(s, macao, hello())
        assert said.reason == Reason.CERTIFICATE_REVOKED
        assert s.contents() == before


# ---- what is asked for -----------------------------------------------------------------------

FIRST: dict[str, tuple[bytes, Reason]] = {
    "another node's log": (hello(ELSEWHERE), Reason.PEER_UNKNOWN),
    "a log of nobody": (hello("nothing"), Reason.PEER_UNKNOWN),
    "under another name": (hello(node="hengqin"), Reason.PEER_UNKNOWN),
    "a version of tomorrow": (hello(versions=(2,)), Reason.LINK_PROTOCOL),
    "no version": (hello(versions=()), Reason.LINK_PROTOCOL),
    "a group first": (group(b"x"), Reason.LINK_PROTOCOL),
    "nothing in it": (b"", Reason.LINK_PROTOCOL),
    "garbage": (b"\xff" * 50, Reason.LINK_PROTOCOL),
}


async def test_a_first_message_that_is_not_right(material: Material, tmp_path: Path) -> None:
    async with scene(material, tmp_path) as s:
        before = s.contents()
        for what, (first, reason) in FIRST.items():
            assert (await refused(s, None, first)).reason == reason, what
        async with s.stream() as stream:  # nothing at all, and the end
            await stream.done_writing()
            assert (await failure(stream.read())).reason == Reason.LINK_PROTOCOL
        assert s.contents() == before
        await honest_goes_on(s)


async def test_garbage_in_the_middle_ends_the_stream_and_stops_nothing(
    material: Material, tmp_path: Path
) -> None:
    async with scene(material, tmp_path) as s:
        before = s.contents()
        for garbage in (b"\xff" * 50, b"", hello()):
            async with s.stream() as stream:
                await resumed(stream)
                await stream.write(garbage)
                assert answer(await stream.read()).stopped.reason == Reason.LINK_PROTOCOL
                assert await stream.read() is grpc.aio.EOF
        assert s.contents() == before
        assert s.store.stopped(LANE) is None
        await honest_goes_on(s)


# ---- streams that never end ------------------------------------------------------------------


async def test_a_stream_that_says_nothing_is_cut(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.link.mirror.HELLO_WAIT_S", 0.2)
    async with scene(material, tmp_path) as s, s.stream() as stream:
        async with asyncio.timeout(5):
            said = await failure(stream.read())
        assert said.reason == Reason.LINK_PROTOCOL
        await honest_goes_on(s)


async def test_a_stream_that_brings_without_end_what_nobody_asked_for(
    material: Material, tmp_path: Path
) -> None:
    """It is passed over: nothing is kept, other logs go on, and a newer stream takes its place."""
    payload = wire.Payload(index=0, declaration=b"x", sealed=bytes(100_000))
    flood = wire.ReplicateRequest(payloads=wire.Payloads(payloads=[payload], wraps=[b"w"]))
    raw = flood.SerializeToString()
    async with scene(material, tmp_path) as s:
        before = s.contents()
        async with s.stream() as stream:
            await resumed(stream)
            written = 0

            async def pour() -> None:
                nonlocal written
                while True:
                    await stream.write(raw)
                    written += 1

            pouring = asyncio.create_task(pour())
            async with asyncio.timeout(20):
                while written < 200:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            assert s.contents() == before
            await honest_goes_on(s)  # the newer stream of the same log ended this one
            with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
                await asyncio.wait_for(pouring, 10)
