"""The sender's part of an attachment: it is uploaded, taken along by an exchange, and served.

Segments are sealed as they come and rest sealed (REQ-STR-8); no other form of them is ever written.
An exchange takes a whole upload along: its manifest goes into the request entry, its key into what
is sealed for the other node. From then on that node, and no other, may fetch the sealed segments
(REQ-STR-5).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from xbgateway.model import origins
from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Request
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import STREAM_BYTES_MAX, STREAM_UNTAKEN_DAYS
from xbgateway.model.outcome import Placed
from xbgateway.model.quick import quick
from xbgateway.model.record import Record
from xbgateway.model.stream import (
    CompleteStream,
    OpenStream,
    Stream,
    StreamRow,
    segment_bytes,
    segments_of,
)
from xbgateway.seal import RestKey, SegmentSealer, new_stream_key

from .moving import Prepare, StreamLaw, first, read, stored, watched
from .ports import Ledger, SegmentStore, StreamRows
from .stages import Declaration


@quick
@dataclass(frozen=True, slots=True)
class Attached:
    """A whole upload that an exchange takes along."""

    id: str
    stream: Stream
    key: bytes


class Uploads:
    """The uploads of one node's parties."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        ledger: Ledger,
        rows: StreamRows,
        files: SegmentStore,
        rest: RestKey,
        law: StreamLaw,
        clock: Clock,
        most_bytes: int,
    ) -> None:
        """``most_bytes``: what one party may have waiting here, in and out together."""
        self._ledger = ledger
        self._rows = rows
        self._files = files
        self._rest = rest
        self._law = law
        self._clock = clock
        self._most_bytes = most_bytes
        self._open: set[str] = set()

    async def upload(
        self, party: str, stream_id: str, size_bytes: int, segments: AsyncIterator[bytes]
    ) -> AsyncGenerator[int, None]:
        """Take segments; yields how many are durable, at once and after each window.

        ``segments`` go on from the number that was yielded first. Raises ``Refused``:
        ``ARGUMENT_INVALID`` for a size or a segment that cannot be, ``STREAM_TAKEN``;
        ``Unavailable``: ``STREAM_ROOM``, ``STREAM_BUSY``, ``STORE_UNAVAILABLE``.
        """
        row = await self._begun(party, stream_id, size_bytes)
        total = segments_of(size_bytes)
        if row.stream is not None:
            yield total
            return
        if stream_id in self._open:
            raise Unavailable(Reason.STREAM_BUSY, "another call uploads this attachment")
        self._open.add(stream_id)
        try:
            file = self._files.open(stream_id)
            try:
                if file.count < total:
                    yield file.count
                coming = stored(
                    file, first(segments, total - file.count), _sealing(self._key(row), size_bytes)
                )
                async with aclosing(coming) as windows:
                    async for held in windows:
                        if held < total:
                            yield held
                if file.count == total:
                    stream = Stream(file.root(), size_bytes, total)
                    await self._ledger.record(Record((), (CompleteStream(stream_id, stream),)))
                    yield total
            finally:
                file.close()
        finally:
            self._open.discard(stream_id)

    async def _begun(self, party: str, stream_id: str, size_bytes: int) -> StreamRow:
        """The row of an upload, made where there is none."""
        if not 0 <= size_bytes <= STREAM_BYTES_MAX:
            raise Refused(
                Reason.ARGUMENT_INVALID,
                f"an attachment has 0 to {STREAM_BYTES_MAX} bytes",
                field="size_bytes",
            )
        row = self._rows.row(stream_id)
        if row is None:
            now = self._clock.now()
            until = now + timedelta(days=STREAM_UNTAKEN_DAYS)
            key = self._rest.wrap(new_stream_key())
            new = StreamRow(stream_id, party, size_bytes, instant(now), instant(until), key)
            await self._ledger.record(Record((), (OpenStream(new, self._most_bytes),)))
            row = self._rows.row(stream_id)
        if row is None or row.party != party or row.id == row.exchange:
            raise Refused(Reason.STREAM_UNKNOWN, "this party has no such upload")
        if row.size_bytes != size_bytes:
            raise Refused(Reason.STREAM_TAKEN, "the upload was begun with another size")
        return row

    def _key(self, row: StreamRow) -> bytes:
        return self._rest.unwrap(row.key)

    def is_open(self, stream_id: str) -> bool:
        """Whether somebody is uploading it just now."""
        return stream_id in self._open

    def attached(self, party: str, stream_id: str) -> Attached:
        """A whole upload of a party. Raises ``Refused(STREAM_UNKNOWN | STREAM_INCOMPLETE)``.

        Whether another exchange has it is asked when it is taken, in the same transaction.
        """
        row = self._rows.row(stream_id)
        if row is None or row.party != party or row.id == row.exchange:
            raise Refused(Reason.STREAM_UNKNOWN, "this party has no such attachment")
        if row.stream is None:
            raise Refused(Reason.STREAM_INCOMPLETE, "the attachment is not uploaded whole yet")
        return Attached(row.id, row.stream, self._key(row))

    async def served(self, node: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Sealed segments from one on, for the node that the exchange's request went to.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN`` for anybody else, ``STREAM_STOPPED``.
        """
        request = self._request_to(node, exchange)
        row = self._rows.sent_with(exchange)
        beside = self._ledger.reader.beside(request.position) if request else None
        if request is None or row is None or row.stream is None or beside is None:
            raise Refused(Reason.EXCHANGE_UNKNOWN, "no attachment waits under this exchange")
        declaration = Declaration.decode(beside[0])
        end = row.stream.stream_segments
        segments = read(self._files, row.id, max(start, 0), end, lambda _index, sealed: sealed)
        async with aclosing(segments) as found:
            async for sealed in watched(found, lambda: self._law.check(declaration)):
                yield sealed

    def _request_to(self, node: str, exchange: str) -> Placed | None:
        try:
            placed = self._ledger.reader.placed(exchange)
        except ValueError:
            return None
        return next(
            (
                p
                for p in placed
                if isinstance(p.entry, Request)
                and p.entry.stream is not None
                and origins.parse(p.position.origin).reader == node
            ),
            None,
        )


def _sealing(key: bytes, size_bytes: int) -> Prepare:
    sealer, total = SegmentSealer(key), segments_of(size_bytes)

    def prepare(index: int, segment: bytes) -> bytes:
        expected = segment_bytes(size_bytes, index)
        if len(segment) != expected:
            raise Refused(
                Reason.ARGUMENT_INVALID,
                f"segment {index} has {len(segment)} bytes and not {expected}",
                field="segment",
            )
        return sealer.seal(index, segment, last=index == total - 1)

    return prepare
