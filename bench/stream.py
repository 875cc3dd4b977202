"""Attachments through both nodes, against a bare stream and the cipher alone, in the same run.

Upload: from a file to the sender's node, until all of it is durable there. Crossing: from the call
that takes it along to its answer, which comes only when the receiver's node has all of it and has
checked it. Download: from the receiver's node. Rounds of all of them take turns.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import grpc
import grpc.aio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import load, sink
from bench.messages import METHOD, PARTY, PURPOSE, SCENARIO, SERVICE, request
from bench.processes import NODES, Pair, pair
from bench.result import Figures, Spread, say, table
from xbgateway.api.socialsecurity.v1.contribution_pb2 import (
    QueryContributionsRequest,
    QueryContributionsResponse,
)
from xbgateway.client import Gateway
from xbgateway.demo.cluster import free_ports
from xbgateway.demo.register import FUND
from xbgateway.model.limits import SEGMENT_BYTES

WAYS = ("AES-256-GCM", "bare stream", "upload", "crossing", "download")
_MEGABYTE = 1e6
_RESIDENT_EVERY_S = 0.1
_CROSSING_S_MAX = 3600.0


class _Run:
    """One pair of nodes with a sink beside them."""

    def __init__(self, both: Pair, port: int, sender: Gateway, receiver: Gateway) -> None:
        self._both, self._port = both, port
        self._sender, self._receiver = sender, receiver
        self.most: dict[str, int] = dict.fromkeys(NODES, 0)

    async def round(self, content: BinaryIO, size_bytes: int) -> dict[str, float]:
        """MB/s of each way, one after the other."""
        stream_id, exchange = str(uuid4()), ""

        async def uploaded() -> None:
            assert await self._sender.streams.upload(stream_id, content, size_bytes)

        async def crossed() -> None:
            nonlocal exchange
            _answer, receipt = await self._sender.call_method(
                f"{SERVICE}/{METHOD}",
                QueryContributionsRequest.FromString(request()),
                QueryContributionsResponse,
                purpose=PURPOSE,
                scenario=SCENARIO,
                attachment=stream_id,
                timeout_s=_CROSSING_S_MAX,
            )
            exchange = receipt.exchange_id

        async def fetched() -> None:
            taken = 0
            async for segment in self._receiver.streams.download(exchange):
                taken += len(segment)
            assert taken == size_bytes

        steps: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: asyncio.to_thread(_sealed, content, size_bytes),
            lambda: self._bare(content, size_bytes),
            uploaded,
            crossed,
            fetched,
        )
        taken: dict[str, float] = {}
        for way, step in zip(WAYS, steps, strict=True):
            begin = time.perf_counter()
            await step()
            taken[way] = size_bytes / _MEGABYTE / (time.perf_counter() - begin)
        await self._receiver.streams.delete(exchange)
        return taken

    async def _bare(self, content: BinaryIO, size_bytes: int) -> None:
        async def messages() -> AsyncIterator[bytes]:
            await asyncio.to_thread(content.seek, 0)
            while segment := await asyncio.to_thread(content.read, SEGMENT_BYTES):
                yield segment

        home = self._both.certificates / "zhuhai" / "parties" / PARTY
        roots = self._both.certificates / "trust" / "macao.xbg.test.pem"
        credentials = grpc.ssl_channel_credentials(
            roots.read_bytes(), (home / "tls.key").read_bytes(), (home / "tls.crt").read_bytes()
        )
        options = (("grpc.ssl_target_name_override", "macao.node.macao.xbg.test"),)
        async with grpc.aio.secure_channel(
            f"localhost:{self._port}", credentials, options=options
        ) as channel:
            method: Any = channel.stream_unary(sink.PATH)
            assert int(await method(messages())) == size_bytes

    async def watch(self) -> None:
        """Keep the most resident bytes of each node."""
        while True:
            for node in NODES:
                self.most[node] = max(self.most[node], self._both.rss(node))
            await asyncio.sleep(_RESIDENT_EVERY_S)


def _sealed(content: BinaryIO, size_bytes: int) -> None:
    """The cipher alone over the same bytes, as the node seals them."""
    cipher = AESGCM(AESGCM.generate_key(256))
    content.seek(0)
    for index in range(-(-size_bytes // SEGMENT_BYTES)):
        cipher.encrypt(index.to_bytes(12), content.read(SEGMENT_BYTES), None)


async def measure(sizes: list[int], rounds: int) -> Figures:
    """Rounds at each size in bytes, smallest first, on the same nodes."""
    found: Figures = {}
    async with AsyncExitStack() as stack:
        both = await stack.enter_async_context(pair(load.folder("stream")))
        (port,) = free_ports(1)
        await both.sink(port)
        sender = await stack.enter_async_context(both.connect(PARTY))
        receiver = await stack.enter_async_context(both.connect(FUND))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=both.folder)))
        for size_bytes in sorted(sizes):
            content = stack.enter_context(_content(folder, size_bytes))
            run = _Run(both, port, sender, receiver)
            watching = asyncio.create_task(run.watch())
            try:
                taken = [await run.round(content, size_bytes) for _ in range(rounds)]
            finally:
                watching.cancel()
            found[f"{size_bytes / _MEGABYTE:,.0f} MB"] = {
                "mb_per_s": {w: Spread.of([one[w] for one in taken]).figures() for w in WAYS},
                "most_mb": {node: round(run.most[node] / _MEGABYTE, 1) for node in NODES},
            }
    return found


def _content(folder: Path, size_bytes: int) -> BinaryIO:
    content = (folder / str(size_bytes)).open("w+b")
    block = os.urandom(SEGMENT_BYTES)
    for offset in range(0, size_bytes, SEGMENT_BYTES):
        content.write(block[: size_bytes - offset])
    content.flush()
    return content


def run(megabytes: list[int], rounds: int) -> Figures:
    """The section; prints its table."""
    say(f"stream: attachments of {', '.join(map(str, megabytes))} MB, {rounds} rounds each")
    figures = asyncio.run(measure([round(one * _MEGABYTE) for one in megabytes], rounds))
    for size, one in figures.items():
        rows = [(way, str(Spread(**spread))) for way, spread in one["mb_per_s"].items()]
        rows += [(f"{node}, most resident MB", most) for node, most in one["most_mb"].items()]
        table(f"An attachment of {size}", ("way", "MB/s, median (low..high)"), rows)
    return {"sizes": figures, "rounds": rounds}
