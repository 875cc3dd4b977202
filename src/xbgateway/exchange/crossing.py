"""The receiver's part of an attachment: fetched, checked, kept sealed, handed to its party.

A request with an attachment is accepted only once all of it is here and is what the manifest in the
signed entry says (REQ-STR-3). Each segment is opened as it comes, so that a wrong one ends the
exchange at once; a break of the line or of either node costs the segments that were not durable yet
(REQ-STR-6).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Request
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import STREAM_ASKED_EVERY_S, STREAM_BYTES_MAX
from xbgateway.model.record import Record
from xbgateway.model.stream import (
    STREAM_KEY_BYTES,
    CompleteStream,
    OpenStream,
    Stream,
    StreamRow,
    segment_bytes,
    segments_of,
)
from xbgateway.seal import SegmentOpener, open_at_rest

from .legs import Legs
from .moving import StreamLaw, first, read, stored, watched
from .ports import Ledger, Peers, SegmentStore, StoredSegments, StreamRows
from .stages import Declaration

KEY_PART = "stream-key"
_AGAIN_S = 0.2
_T = TypeVar("_T")


class Crossing:
    """Attachments that come in to one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        ledger: Ledger,
        rows: StreamRows,
        files: SegmentStore,
        peers: Peers,
        legs: Legs,
        law: StreamLaw,
        clock: Clock,
        most_bytes: int,
    ) -> None:
        self._ledger = ledger
        self._rows = rows
        self._files = files
        self._peers = peers
        self._legs = legs
        self._law = law
        self._clock = clock
        self._most_bytes = most_bytes
        self._coming: set[str] = set()

    def is_open(self, exchange: str) -> bool:
        """Whether its attachment is being fetched just now."""
        return exchange in self._coming

    async def whole(
        self, entry: Request, peer: str, key: bytes, again: Callable[[], Awaitable[_T | None]]
    ) -> _T | None:
        """Fetch what is missing and check all of it; what ``again`` says once it is here.

        ``again`` decides anew every second: what it raises stops the stream, and ``None`` (a person
        has to decide) parks it. Raises ``Refused``: ``ENTRY_INVALID``, ``PAYLOAD_ALTERED``,
        ``SEAL_BROKEN``, ``STREAM_STOPPED``; ``Unavailable`` where it goes on later.
        """
        stream = _checked(entry)
        await self._begin(entry, stream)
        fetching = asyncio.get_running_loop().create_task(self._fetch(entry, peer, stream, key))
        try:
            while True:
                done, _ = await asyncio.wait({fetching}, timeout=STREAM_ASKED_EVERY_S)
                if done:
                    await fetching
                decided = await again()
                if decided is None or done:
                    return decided
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _begin(self, entry: Request, stream: Stream) -> None:
        """Raises ``Unavailable(STREAM_ROOM)``: it waits at its sender until there is room.

        ``Refused(ENTRY_INVALID)`` where something else rests here under its id.
        """
        now = instant(self._clock.now())
        row = StreamRow(
            id=entry.exchange,
            party=entry.recipient,
            size_bytes=stream.stream_bytes,
            at=now,
            until=entry.not_after,
            exchange=entry.exchange,
        )
        if self._rows.row(entry.exchange) is None:
            await self._ledger.record(Record((), (OpenStream(row, self._most_bytes),)))
        known = self._rows.row(entry.exchange)
        if known is None or known.exchange != known.id:  # an upload of a party of ours
            raise Refused(Reason.ENTRY_INVALID, "the exchange id is that of an attachment here")

    async def _fetch(self, entry: Request, peer: str, stream: Stream, key: bytes) -> None:
        """All segments, over as many connections as it takes while each brings something."""
        self._coming.add(entry.exchange)
        file = self._files.open(entry.exchange)
        try:
            while file.count < stream.stream_segments:
                before = file.count
                try:
                    await self._some(file, entry.exchange, peer, stream, key)
                except Unavailable:
                    if file.count == before:
                        raise
                    await asyncio.sleep(_AGAIN_S)
            if file.root() != stream.stream_root:
                raise Refused(Reason.PAYLOAD_ALTERED, "the attachment is not what its entry names")
            await self._ledger.record(Record((), (CompleteStream(entry.exchange, stream),)))
        finally:
            file.close()
            self._coming.discard(entry.exchange)

    async def _some(
        self, file: StoredSegments, exchange: str, peer: str, stream: Stream, key: bytes
    ) -> None:
        opener = SegmentOpener(key)

        def checked(index: int, sealed: bytes) -> bytes:
            opened = opener.open(index, sealed, last=index == stream.stream_segments - 1)
            if len(opened) != segment_bytes(stream.stream_bytes, index):
                raise Refused(Reason.PAYLOAD_ALTERED, f"segment {index} is of another length")
            return sealed

        before = file.count
        missing = stream.stream_segments - before
        async with (
            aclosing(self._peers.fetch(peer, exchange, before)) as segments,
            aclosing(stored(file, first(segments, missing), checked)) as windows,
        ):
            async for _held in windows:
                pass
        if file.count < stream.stream_segments and file.count == before:
            raise Unavailable(Reason.PEER_UNREACHABLE, "the sender's node sent no segment")

    async def download(self, party: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Segments from one on, for the party that the exchange was for.

        Raises ``Refused``: ``STREAM_UNKNOWN``, ``STREAM_INCOMPLETE``, ``STREAM_STOPPED``.
        """
        row = self._rows.row(exchange)
        if row is None or row.party != party or row.id != row.exchange:
            raise Refused(Reason.STREAM_UNKNOWN, "no attachment came in for this party under it")
        reader = self._ledger.reader
        known, sealed = reader.exchange_row(exchange), reader.part(exchange, KEY_PART)
        declared = reader.part(exchange, "declaration")
        if known is None or sealed is None or declared is None or row.stream is None:
            raise Refused(Reason.STREAM_INCOMPLETE, "the exchange was not accepted, or is erased")
        own = self._legs.unwrap(known[2])
        opener = SegmentOpener(open_at_rest(own, KEY_PART.encode(), sealed))
        declaration = Declaration.decode(open_at_rest(own, b"declaration", declared))
        end = row.stream.stream_segments

        def opened(index: int, segment: bytes) -> bytes:
            return opener.open(index, segment, last=index == end - 1)

        async with aclosing(read(self._files, exchange, max(start, 0), end, opened)) as found:
            async for segment in watched(found, lambda: self._law.check(declaration)):
                yield segment


def split(entry: Request, opened: bytes) -> tuple[bytes, bytes]:
    """The attachment's key and the exchange's message, of what was sealed (REQ-STR-4).

    No key where the entry has no manifest. Raises ``Refused(PAYLOAD_ALTERED)``.
    """
    if entry.stream is None:
        return b"", opened
    if len(opened) < STREAM_KEY_BYTES:
        raise Refused(Reason.PAYLOAD_ALTERED, "the attachment's key did not come along")
    return opened[:STREAM_KEY_BYTES], opened[STREAM_KEY_BYTES:]


def _checked(entry: Request) -> Stream:
    stream = entry.stream
    assert stream is not None
    if stream.stream_bytes > STREAM_BYTES_MAX:
        raise Refused(Reason.PAYLOAD_TOO_LARGE, "the attachment is over the limit")
    if stream.stream_segments != segments_of(stream.stream_bytes):
        raise Refused(Reason.ENTRY_INVALID, "the manifest's segments do not fit its bytes")
    return stream
