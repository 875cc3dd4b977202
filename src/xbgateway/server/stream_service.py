"""``StreamService``: attachments handed in by callers, and fetched by whom they were for.

Who calls is asked again about every second while segments move: a certificate that was revoked, a
token that ended or a party that was suspended stops a running stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from xbgateway.api.stream.v1 import stream_pb2 as wire
from xbgateway.api.stream.v1 import stream_pb2_grpc
from xbgateway.exchange.attachments import StreamView
from xbgateway.exchange.moving import watched
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.stream import segment_bytes

from .exchange_service import not_negative, uuid_of
from .identity import Context, Identities
from .ports import Streams
from .translate import timestamp


class StreamService(stream_pb2_grpc.StreamServiceServicer):
    """Serves the parties of this node."""

    def __init__(self, identities: Identities, streams: Streams, draining: asyncio.Event) -> None:
        self._identities = identities
        self._streams = streams
        self._draining = draining

    async def Upload(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[wire.UploadRequest], context: Context
    ) -> AsyncGenerator[wire.UploadResponse, None]:
        """Take an attachment, or what is missing of it."""
        party = self._identities.caller(context).party
        opening = await _next(aiter(request_iterator))
        if opening is None or opening.WhichOneof("message") != "opening":
            raise Refused(Reason.ARGUMENT_INVALID, "An upload opens with what it is.")
        stream_id, size_bytes = stream_id_of(opening.opening.stream_id), opening.opening.size_bytes
        coming = watched(_segments(request_iterator), self._asking(context))
        held = self._streams.uploads.upload(party, stream_id, size_bytes, coming)
        async with aclosing(held) as counts:
            async for count in counts:
                yield wire.UploadResponse(
                    segments_held=count,
                    bytes_held=min(size_bytes, count * limits.SEGMENT_BYTES),
                )

    async def GetStream(  # noqa: N802
        self, request: wire.GetStreamRequest, context: Context
    ) -> wire.Stream:
        """What is here of it."""
        party = self._identities.caller(context).party
        return _stream_of(self._streams.get(party, stream_id_of(request.stream_id)))

    async def Download(  # noqa: N802
        self, request: wire.DownloadRequest, context: Context
    ) -> AsyncGenerator[wire.DownloadResponse, None]:
        """What an accepted exchange brought."""
        party = self._identities.caller(context).party
        not_negative("start_segment", request.start_segment)
        exchange = stream_id_of(request.exchange_id)
        size_bytes = self._streams.get(party, exchange).row.size_bytes
        found = self._streams.crossing.download(party, exchange, request.start_segment)
        async with aclosing(found) as opened:
            async for segment in watched(opened, self._asking(context)):
                yield wire.DownloadResponse(segment=segment, size_bytes=size_bytes)
                size_bytes = 0

    async def DeleteStream(  # noqa: N802
        self, request: wire.DeleteStreamRequest, context: Context
    ) -> wire.DeleteStreamResponse:
        """Take it back, or give it up."""
        party = self._identities.caller(context).party
        await self._streams.delete(party, stream_id_of(request.stream_id))
        return wire.DeleteStreamResponse()

    def _asking(self, context: Context):  # type: ignore[no-untyped-def]
        async def ask() -> None:
            if self._draining.is_set():
                raise Unavailable(Reason.DRAINING, "The node is stopping.")
            self._identities.caller(context)

        return ask


async def _next(
    requests: AsyncIterator[wire.UploadRequest],
) -> wire.UploadRequest | None:
    """The caller's next message; one that says nothing for a minute is cut off."""
    try:
        async with asyncio.timeout(limits.STREAM_STALL_S_MAX):
            return await anext(requests, None)
    except TimeoutError:
        raise Unavailable(Reason.DEADLINE_PASSED, "The caller sends nothing.") from None


async def _segments(requests: AsyncIterator[wire.UploadRequest]) -> AsyncIterator[bytes]:
    coming = aiter(requests)
    while (request := await _next(coming)) is not None:
        if request.WhichOneof("message") != "segment":
            raise Refused(Reason.ARGUMENT_INVALID, "An upload opens once.")
        yield request.segment


def stream_id_of(text: str) -> str:
    """The id of an attachment. What is no UUID is none: raises ``Refused(STREAM_UNKNOWN)``."""
    return uuid_of(text, Reason.STREAM_UNKNOWN, "There is no such attachment.")


def _stream_of(view: StreamView) -> wire.Stream:
    row, held = view.row, view.segments_held
    whole = held and segment_bytes(row.size_bytes, held - 1) < limits.SEGMENT_BYTES
    return wire.Stream(
        stream_id=row.id,
        size_bytes=row.size_bytes,
        bytes_held=row.size_bytes if whole else held * limits.SEGMENT_BYTES,
        complete=view.complete,
        exchange_id=row.exchange,
        create_time=timestamp(row.at),
    )
