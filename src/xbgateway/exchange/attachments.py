"""Attachments as their parties see them, and their end: shown, taken back, tidied away.

A segment file lives as long as its row. The row of an upload goes when its exchange has ended, or
a week after it began if none took it along; that of an attachment that came in goes with its key,
which is a part of the exchange: erasing the exchange makes the segments unreadable at once, and
they are gone from the disk within a minute.
"""

import asyncio
from dataclasses import dataclass

import structlog

from xbgateway.model.clock import Clock, instant
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.model.outcome import TERMINAL, outcome
from xbgateway.model.record import DropPart, Effect, Record
from xbgateway.model.stream import DropStream, StreamRow, segments_of

from .crossing import KEY_PART, Crossing
from .ports import Ledger, SegmentStore, StreamRows
from .uploads import Uploads

_log = structlog.get_logger("streams")
_TIDY_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamView:
    """What a party may see of an attachment."""

    row: StreamRow
    segments_held: int

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.row.stream is not None


class Attachments:
    """The attachments of one node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        uploads: Uploads,
        crossing: Crossing,
        ledger: Ledger,
        rows: StreamRows,
        files: SegmentStore,
        node: str,
        clock: Clock,
    ) -> None:
        self.uploads = uploads
        self.crossing = crossing
        self._ledger = ledger
        self._rows = rows
        self._files = files
        self._node = node
        self._clock = clock

    def get(self, party: str, stream_id: str) -> StreamView:
        """One attachment of a party. Raises ``Refused(STREAM_UNKNOWN)``."""
        row = self._rows.row(stream_id)
        if row is None or row.party != party:
            raise Refused(Reason.STREAM_UNKNOWN, "this party has no such attachment")
        held = segments_of(row.size_bytes) if row.stream else self._files.held(row.id)
        return StreamView(row, held)

    async def delete(self, party: str, stream_id: str) -> None:
        """Take back an upload that no exchange has, or give up what came in and is over.

        Raises ``Refused``: ``STREAM_UNKNOWN``; ``EXCHANGE_PENDING`` while an exchange needs it.
        """
        row = self.get(party, stream_id).row
        if self._is_open(row) or (row.exchange and not self._is_over(row)):
            raise Refused(
                Reason.EXCHANGE_PENDING, "the attachment is needed yet", exchange_id=row.exchange
            )
        await self._drop(row)

    async def run(self) -> None:
        """Keep tidy, once a minute."""
        while True:
            await asyncio.sleep(_TIDY_EVERY_S)
            try:
                await self.tidy()
            except GatewayError as error:
                _log.warning("loop_waits", reason=str(error.reason))

    async def tidy(self) -> int:
        """Drop what nobody needs any more; how many attachments went."""
        now, rows, dropped = instant(self._clock.now()), self._rows.every(), 0
        for row in rows:
            if not self._is_open(row) and self._is_due(row, now):
                await self._drop(row)
                dropped += 1
        known = {row.id for row in rows}
        for name in await asyncio.to_thread(self._files.names):
            # Made a moment ago, after the rows were read, or left behind by a crash.
            if name not in known and self._rows.row(name) is None:
                await asyncio.to_thread(self._files.erase, name)
        return dropped

    def _is_due(self, row: StreamRow, now: str) -> bool:
        if not row.exchange:
            return row.until < now
        if not self._is_over(row):
            return False
        came_in = row.id == row.exchange
        return not came_in or self._ledger.reader.part(row.exchange, KEY_PART) is None

    def _is_over(self, row: StreamRow) -> bool:
        ours = None if row.id == row.exchange else self._node
        return outcome(self._ledger.reader.placed(row.exchange), ours).outcome in TERMINAL

    def _is_open(self, row: StreamRow) -> bool:
        return self.uploads.is_open(row.id) or self.crossing.is_open(row.id)

    async def _drop(self, row: StreamRow) -> None:
        effects: list[Effect] = [DropStream(row.id)]
        if row.id == row.exchange:
            effects.append(DropPart(row.exchange, KEY_PART))
        await self._ledger.record(Record((), tuple(effects)))
        await asyncio.to_thread(self._files.erase, row.id)
