"""A mirror that lies to the writer of a log: no receipt comes of it, and the log does not stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc.aio
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.harness.whole import contents
from tests.unit.link.test_streams import COSIGN, COSIGNER, ORIGIN, Plain, own, until

from xbgateway.api.link.v1 import link_pb2
from xbgateway.link import PeerChannels, Writers
from xbgateway.link.channels import Target
from xbgateway.link.writer import Outlet
from xbgateway.model.entry import Register
from xbgateway.model.errors import Reason
from xbgateway.model.record import Append, Record
from xbgateway.tlog import Checkpoint, Cosigner

Response = link_pb2.ReplicateResponse
ENTRY = Register(at="2026-03-16T02:00:00.000Z", version="0" * 64).encode()
RIGHT = Cosigner(COSIGNER.name, COSIGN)
STRANGE = Cosigner(COSIGNER.name, Ed25519PrivateKey.generate())


def resume(size: int = 0, version: int = 1) -> Response:
    return Response(resume=link_pb2.Resume(version=version, size=size))


def held(text: bytes, size: int, by: Cosigner = RIGHT) -> Response:
    return Response(held=link_pb2.Held(size=size, cosignature=by.cosign(text, 1)))


def other_root(text: bytes) -> bytes:
    """The same size under another root, as if the log were another."""
    checkpoint = Checkpoint.parse(text)
    return Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)).text()


# What the mirror answers to the first group, whose checkpoint it is given.
ANSWERS: dict[str, tuple[Callable[[bytes], Response | bytes], Reason]] = {
    "a size that was not sent": (lambda text: held(text, 99), Reason.LINK_PROTOCOL),
    "a size below": (lambda text: held(text, 0), Reason.LINK_PROTOCOL),
    "another key's word": (lambda text: held(text, 1, STRANGE), Reason.CHECKPOINT_SIGNATURE),
    "the word for another root": (
        lambda text: held(other_root(text), 1),
        Reason.CHECKPOINT_SIGNATURE,
    ),
    "no signature": (
        lambda _text: Response(held=link_pb2.Held(size=1, cosignature=b"")),
        Reason.CHECKPOINT_MALFORMED,
    ),
    "a second resume": (lambda _text: resume(), Reason.LINK_PROTOCOL),
    "nothing in it": (lambda _text: b"", Reason.LINK_PROTOCOL),
    "garbage": (lambda _text: b"\xff" * 50, Reason.LINK_PROTOCOL),
}


class Mirror:
    """Raw bytes at the link's method; counts the streams that were opened."""

    def __init__(self, first: bytes, answer: Callable[[bytes], bytes] | None) -> None:
        self.first, self.answer = first, answer
        self.opened = 0

    async def replicate(
        self, requests: AsyncIterator[bytes], _context: Any
    ) -> AsyncIterator[bytes]:
        hello = link_pb2.ReplicateRequest.FromString(await anext(requests))
        assert hello.hello.origin == ORIGIN
        self.opened += 1
        yield self.first
        if self.answer is None:
            return
        async for raw in requests:
            group = link_pb2.ReplicateRequest.FromString(raw).group
            text = group.checkpoint.partition(b"\n\n")[0] + b"\n"
            yield self.answer(text)


async def meet(folder: Path, mirror: Mirror, check: Callable[[Any], Awaitable[None]]) -> None:
    """A writer with one entry in its log meets the mirror again and again."""
    server, channels = grpc.aio.server(), Plain()
    handlers: Any = {"Replicate": grpc.stream_stream_rpc_method_handler(mirror.replicate)}
    name = "xbgateway.api.link.v1.PeerLinkService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    target = Target(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", "m.test", "macao")
    await server.start()
    store = own(folder / "writer.db")
    writers = Writers(
        store,
        cast("PeerChannels", channels),
        [Outlet(ORIGIN, "macao", target, lambda: (COSIGNER,))],
        "zhuhai",
        lambda _node, _origin, _up: None,
    )
    store.start(writers.grown)
    await store.record(Record((Append(ORIGIN, ENTRY),)))
    running = asyncio.create_task(writers.run())
    try:
        await check(store)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await channels.close()
        await server.stop(0.1)
        await store.stop()


@pytest.mark.parametrize("what", ANSWERS)
async def test_a_receipt_that_is_none_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make, reason = ANSWERS[what]

    def answer(text: bytes) -> bytes:
        made = make(text)
        return made if isinstance(made, bytes) else made.SerializeToString()

    mirror = Mirror(resume().SerializeToString(), answer)
    sleeping = asyncio.sleep
    monkeypatch.setattr("xbgateway.link.writer.asyncio.sleep", lambda s: sleeping(min(s, 0.02)))

    async def check(store: Any) -> None:
        before = contents(store)
        with structlog.testing.capture_logs() as told:
            await until(lambda: mirror.opened > 2)  # it comes again: the log is not at fault
        assert store.stopped(ORIGIN) is None
        assert (store.heads[ORIGIN].held_size, store.heads[ORIGIN].held) == (0, None)
        assert contents(store) == before
        assert {line.get("reason") for line in told} == {str(reason)}, told

    await meet(tmp_path, mirror, check)


@pytest.mark.parametrize(
    ("first", "stops"),
    [
        (resume(version=7).SerializeToString(), None),
        (resume(size=2).SerializeToString(), Reason.LOG_ROLLBACK),  # it holds more than there is
        (held(Checkpoint(ORIGIN, 1, bytes(32)).text(), 1).SerializeToString(), None),
        (b"", None),
        (b"\xff" * 50, None),
    ],
)
async def test_a_first_word_that_is_none(
    tmp_path: Path, first: bytes, stops: Reason | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(first, None)
    sleeping = asyncio.sleep
    monkeypatch.setattr("xbgateway.link.writer.asyncio.sleep", lambda s: sleeping(min(s, 0.02)))

    async def check(store: Any) -> None:
        await until(lambda: mirror.opened > 1)
        assert store.stopped(ORIGIN) == stops
        assert store.size(ORIGIN) == 1

    await meet(tmp_path, mirror, check)
