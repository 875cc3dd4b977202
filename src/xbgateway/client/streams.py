"""Attachments: handed to the own node, and fetched from it, in constant memory.

Part of a :class:`Gateway` connection; every method raises ``GatewayCallError``. An upload that
broke off is begun again with the same id, and goes on from what the node holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO

import grpc

from xbgateway.api.stream.v1 import stream_pb2 as wire
from xbgateway.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from xbgateway.client.errors import GatewayCallError
from xbgateway.model.limits import SEGMENT_BYTES
from xbgateway.model.stream import segment_bytes, segments_of

Progress = Callable[[int, int], None]  # bytes so far, and in all
Explained = Callable[..., Any]


class Streams:
    """The attachments of the connection's party."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        explained: Explained,
        told: Callable[[grpc.aio.AioRpcError], GatewayCallError],
        timeout_s: float,
    ) -> None:
        self._stub: Any = StreamServiceStub(channel)
        self._explained = explained
        self._told = told
        self._timeout_s = timeout_s

    async def upload(
        self,
        stream_id: str,
        content: BinaryIO,
        size_bytes: int,
        progress: Progress = lambda _done, _all: None,
    ) -> bool:
        """Hand in ``size_bytes`` of a file that can be sought in; whether all of it is held.

        ``progress`` hears what is durable at the node. The same id again goes on from there.
        """
        total = segments_of(size_bytes)
        held: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def requests() -> AsyncIterator[wire.UploadRequest]:
            opening = wire.Opening(stream_id=stream_id, size_bytes=size_bytes)
            yield wire.UploadRequest(opening=opening)
            start = await held
            await asyncio.to_thread(content.seek, start * SEGMENT_BYTES)
            for index in range(start, total):
                wanted = segment_bytes(size_bytes, index)
                yield wire.UploadRequest(segment=await asyncio.to_thread(content.read, wanted))

        call = self._stub.Upload(requests())
        durable = 0
        try:
            async for answer in call:
                durable = answer.segments_held
                if not held.done():
                    held.set_result(durable)
                progress(answer.bytes_held, size_bytes)
        except grpc.aio.AioRpcError as error:
            raise self._told(_broken(error)) from error
        finally:
            held.cancel()
            call.cancel()
        return durable >= total

    async def get(self, stream_id: str) -> wire.Stream:
        """What the node holds: of an upload by its id, of what came in by its exchange's."""
        asked = wire.GetStreamRequest(stream_id=stream_id)
        found: wire.Stream = await self._explained(
            self._stub.GetStream(asked, timeout=self._timeout_s)
        )
        return found

    async def download(self, exchange_id: str, start_segment: int = 0) -> AsyncIterator[bytes]:
        """Segments of the attachment of an accepted exchange, in order."""
        asked = wire.DownloadRequest(exchange_id=exchange_id, start_segment=start_segment)
        call = self._stub.Download(asked)
        try:
            async for answer in call:
                yield answer.segment
        except grpc.aio.AioRpcError as error:
            raise self._told(error) from error
        finally:
            call.cancel()

    async def delete(self, stream_id: str) -> None:
        """Take back an upload, or give up what came in with an exchange that is over."""
        asked = wire.DeleteStreamRequest(stream_id=stream_id)
        await self._explained(self._stub.DeleteStream(asked, timeout=self._timeout_s))


def _broken(error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
    """The error of an upload. gRPC calls a line that breaks under a write INTERNAL (1.85.1).

    A node's own INTERNAL carries details in its trailing metadata.
    """
    if error.code() is not grpc.StatusCode.INTERNAL or error.trailing_metadata():
        return error
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE,
        error.initial_metadata(),
        error.trailing_metadata(),
        "the connection broke while the attachment was sent",
    )
