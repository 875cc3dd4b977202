"""Read-only questions to the store. Each call opens a snapshot of its own; nothing is held."""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast
from uuid import UUID

import apsw

from xbgateway.model.entry import Entry, decode, leaf_hex
from xbgateway.model.errors import Refused
from xbgateway.model.origins import parse
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.record import (
    Group,
    HoldRow,
    HoldState,
    MirrorItem,
    Pending,
)

from . import subjects
from .connection import Connection
from .logs import tile_rows
from .register_rows import RegisterRows
from .schema import INDEX_BITS, exchange_key

# A read takes milliseconds and is broken off first; what hangs for longer must not hold up a stop.
_CLOSE_WAIT_S = 1.0
_INDEX_MASK = (1 << INDEX_BITS) - 1


class Reader(RegisterRows):
    """A read-only view of one store, here a file; one connection per thread that asks."""

    def __init__(self, place: Path | str) -> None:
        self._place = place
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._opening = threading.Lock()
        self._logs: dict[str, int] = {}

    def _connect(self) -> Connection:
        """One more connection, which cannot write."""
        connection = apsw.Connection(str(self._place), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        return connection

    def connection(self) -> Connection:
        """The read-only connection of the calling thread."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            with self._opening:
                self._opened.append(connection)
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close the connections of all threads; whoever asks later opens a new one.

        Only the last connection to a store may take its ``-wal`` away, and a reader that is still
        open keeps it there. What reads just now is broken off.
        """
        with self._opening:
            opened, self._opened, self._local = self._opened, [], threading.local()
        ends = time.monotonic() + _CLOSE_WAIT_S
        for connection in opened:
            while True:
                connection.interrupt()
                try:
                    connection.close()
                    break
                except apsw.Error:  # its thread is in the middle of a row
                    if time.monotonic() > ends:
                        break
                    time.sleep(0.001)

    def _rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        return self.connection().execute(sql, values).fetchall()

    def origins(self) -> dict[int, str]:
        """Origin of each log by its row number; rows of ``logs`` are never taken away."""
        if not self._logs:
            self.refresh()
        return {row: origin for origin, row in self._logs.items()}

    def log_rows(
        self,
    ) -> list[tuple[int, str, str, int, bytes | None, int, bytes | None, str | None]]:
        """Every log: row, origin, role, size, checkpoint, held size, held note, why stopped."""
        return list(self.connection().execute("SELECT * FROM logs ORDER BY id"))

    def _row(self, origin: str) -> int | None:
        if origin not in self._logs:
            self.refresh()
        return self._logs.get(origin)

    def refresh(self) -> None:
        """Learn the logs of the store (again)."""
        rows = self.connection().execute("SELECT id, origin FROM logs")
        self._logs = {str(origin): int(row) for row, origin in rows}

    def entries(self, origin: str, start: int, end: int) -> list[bytes]:
        """Entries ``start`` .. ``end``-1 of a log, as far as they exist."""
        row = self._row(origin)
        if row is None:
            return []
        first, last = row << INDEX_BITS | start, row << INDEX_BITS | end
        sql = "SELECT entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos"
        return [entry for (entry,) in self.connection().execute(sql, (first, last))]

    def placed(self, exchange: str) -> list[Placed]:
        """Every entry of an exchange, from own logs and mirrors."""
        origins = self.origins()
        sql = "SELECT pos, entry FROM entries WHERE exchange = ? ORDER BY pos"
        found = []
        for pos, raw in self.connection().execute(sql, (exchange_key(exchange),)):
            try:
                entry = decode(raw)
            except Refused:
                continue  # a peer's malformed entry has no meaning; the log still holds it
            found.append(Placed(_position(origins, pos), leaf_hex(raw), entry))
        return found

    def said_more(self, position: Position, exchange: str) -> bool:
        """Whether more of an exchange stands in a log, further down than ``position``."""
        row = self._row(position.origin)
        assert row is not None
        found = self._rows(
            "SELECT 1 FROM entries WHERE exchange = ? AND pos > ? AND pos < ? LIMIT 1",
            exchange_key(exchange),
            row << INDEX_BITS | position.index,
            (row + 1) << INDEX_BITS,
        )
        return bool(found)

    def group(self, origin: str, start: int, end: int, checkpoint: bytes) -> Group:
        """A group of an own log for the link, with what travels beside its entries."""
        row = self._row(origin)
        assert row is not None
        first, last = row << INDEX_BITS | start, row << INDEX_BITS | end
        items, wraps = [], {}
        for entry, declaration, sealed, wrap in self.connection().execute(
            "SELECT e.entry, b.declaration, b.sealed, b.wrap FROM entries e"
            " LEFT JOIN beside b ON b.pos = e.pos WHERE e.pos >= ? AND e.pos < ? ORDER BY e.pos",
            (first, last),
        ):
            items.append(MirrorItem(entry, declaration or b"", sealed or b""))
            if wrap is not None and wrap not in wraps:
                wraps[wrap] = self.wrap(wrap) or b""
        return Group(origin, start, tuple(items), checkpoint, tuple(w for w in wraps.values() if w))

    def beside(self, position: Position) -> tuple[bytes, bytes] | None:
        """``(declaration, sealed)`` that is still kept beside an entry."""
        row = self._row(position.origin)
        if row is None:
            return None
        found = self._rows(
            "SELECT declaration, sealed FROM beside WHERE pos = ?",
            row << INDEX_BITS | position.index,
        )
        return found[0] if found else None  # type: ignore[return-value]

    def wrap(self, digest: bytes) -> bytes | None:
        """An epoch's wrap by its digest."""
        found = self._rows("SELECT wrap FROM wraps WHERE hash = ?", digest)
        return found[0][0] if found else None  # type: ignore[return-value]

    def bundles(self, origin: str) -> list[bytes]:
        """Key bundles of a control lane, in order."""
        sql = "SELECT entry FROM bundles WHERE origin = ? ORDER BY n"
        return [entry for (entry,) in self.connection().execute(sql, (origin,))]

    def waiting(self) -> list[tuple[Position, str]]:
        """Where mirrored entries wait for this node, in the order of their logs, and their step."""
        origins = self.origins()
        rows = self.connection().execute("SELECT pos, step FROM pending ORDER BY pos")
        return [(_position(origins, pos), step) for pos, step in rows]

    def pending_at(self, position: Position) -> Pending | None:
        """One mirrored entry that waits for this node, with what came beside it."""
        row = self._row(position.origin)
        found = self._rows(
            "SELECT p.step, e.entry, b.declaration, b.sealed FROM pending p"
            " JOIN entries e ON e.pos = p.pos LEFT JOIN beside b ON b.pos = p.pos WHERE p.pos = ?",
            None if row is None else row << INDEX_BITS | position.index,
        )
        if not found:
            return None
        step, entry, declaration, sealed = cast("tuple[str, bytes, bytes, bytes]", found[0])
        return Pending(position, entry, _read(entry), step, declaration or b"", sealed or b"")

    def pending(self) -> Iterator[Pending]:
        """Every mirrored entry that waits for this node, one read for each."""
        for position, _step in self.waiting():
            found = self.pending_at(position)
            if found is not None:
                yield found

    def exchange_row(
        self, exchange: str
    ) -> tuple[str | None, str | None, bytes | None, str] | None:
        """``(party, request_id, wrapped key, at)`` of an exchange this node has a part in."""
        found = self._rows(
            "SELECT party, request_id, key, at FROM exchanges WHERE id = ?", exchange_key(exchange)
        )
        return found[0] if found else None  # type: ignore[return-value]

    def exchange_of(self, party: str, request_id: str) -> tuple[str, bytes] | None:
        """``(exchange, fingerprint)`` that a request id was taken by."""
        found = (
            self.connection()
            .execute(
                "SELECT id, fingerprint FROM exchanges WHERE party = ? AND request_id = ?",
                (party, request_id),
            )
            .fetchone()
        )
        return (str(UUID(bytes=found[0])), found[1]) if found else None

    def exchanges(
        self, party: str, before: tuple[str, str] | None, limit: int
    ) -> list[tuple[str, str]]:
        """``(at, exchange)`` of a party, newest first, strictly before a given one."""
        at, exchange = before or ("9999", "ffffffff-ffff-ffff-ffff-ffffffffffff")
        rows = self.connection().execute(
            "SELECT at, id FROM exchanges WHERE party = ? AND (at, id) < (?, ?)"
            " ORDER BY at DESC, id DESC LIMIT ?",
            (party, at, exchange_key(exchange), limit),
        )
        return [(a, str(UUID(bytes=i))) for a, i in rows]

    def open_exchanges(self) -> list[str]:
        """Exchanges of this node's callers that still keep something for re-sending."""
        rows = self.connection().execute(
            "SELECT DISTINCT exchange FROM beside WHERE exchange IS NOT NULL"
        )
        return [str(UUID(bytes=i)) for (i,) in rows]

    def open_requests(self) -> list[tuple[str, str, str, int]]:
        """What was sent for callers here and has not ended: id, party, log, bytes beside it."""
        rows = self.connection().execute(
            "SELECT b.exchange, x.party, l.origin, length(b.declaration) + length(b.sealed)"
            " FROM beside b JOIN exchanges x ON x.id = b.exchange JOIN logs l ON l.id = b.pos >> ?"
            " WHERE x.party IS NOT NULL AND l.role = 'own'",
            (INDEX_BITS,),
        )
        return [(str(UUID(bytes=i)), party, origin, size) for i, party, origin, size in rows]

    def evidence_until(self, exchange: str) -> str | None:
        """Local day until which the facts of an exchange have to be kept."""
        found = self._rows(
            "SELECT evidence_until FROM exchanges WHERE id = ?", exchange_key(exchange)
        )
        return found[0][0] if found else None  # type: ignore[return-value]

    def payload_due(self, today: str, limit: int, skip: int) -> list[str]:
        """Exchanges of which something may not be kept any longer, but for the first ``skip``."""
        rows = self.connection().execute(
            "SELECT id FROM exchanges WHERE payload_until < ?"
            " ORDER BY payload_until, id LIMIT ? OFFSET ?",
            (today, limit, skip),
        )
        return [str(UUID(bytes=i)) for (i,) in rows]

    def part(self, exchange: str, part: str) -> bytes | None:
        """A part of an exchange at rest."""
        found = self._rows(
            "SELECT sealed FROM parts WHERE exchange = ? AND part = ?", exchange_key(exchange), part
        )
        return found[0][0] if found else None  # type: ignore[return-value]

    def hold(self, leaf: str) -> HoldRow | None:
        """A hold by the leaf of its entry."""
        found = self._rows("SELECT * FROM holds WHERE leaf = ?", bytes.fromhex(leaf))
        return _hold(found[0]) if found else None

    def holds_of(self, exchange: str) -> list[HoldRow]:
        """Every hold of an exchange, in order."""
        sql = "SELECT * FROM holds WHERE exchange = ? ORDER BY at, leaf"
        return [_hold(row) for row in self._rows(sql, exchange_key(exchange))]

    def holds_in(self, *states: HoldState) -> list[HoldRow]:
        """Every hold in one of these states, in order."""
        rows = self._rows(
            "SELECT * FROM holds WHERE state <> 'done'"
            " AND state IN (SELECT value FROM json_each(?)) ORDER BY at, leaf",
            json.dumps(states),
        )
        return [_hold(row) for row in rows]

    def holds_for(
        self, roles: Sequence[str], answered: bool, after: tuple[str, str] | None, limit: int
    ) -> list[HoldRow]:
        """Holds that officers of this node decide, oldest first, strictly after a given one."""
        at, leaf = after or ("", "")
        rows = self._rows(
            "SELECT * FROM holds WHERE here = 1 AND role IN (SELECT value FROM json_each(?))"
            " AND CASE WHEN ? THEN decision IS NOT NULL ELSE state = 'open' END"
            " AND (at, leaf) > (?, ?) ORDER BY at, leaf LIMIT ?",
            *(json.dumps(list(roles)), answered, at, bytes.fromhex(leaf), limit),
        )
        return [_hold(row) for row in rows]

    def holds_open(self, writer: str) -> int:
        """How many open holds for officers here are of exchanges in logs that begin so."""
        sql = (
            "SELECT 1 FROM holds h WHERE h.state <> 'done' AND h.state = 'open'"
            " AND h.here = 1 AND EXISTS (SELECT 1 FROM entries e JOIN logs l"
            " ON l.id = e.pos >> ? WHERE e.exchange = h.exchange AND l.role = 'mirror'"
            " AND substr(l.origin, 1, length(?)) = ?)"
        )
        return len(self._rows(sql, INDEX_BITS, f"{writer}/", f"{writer}/"))

    def facts(self, exchange: str, digest: str) -> bytes | None:
        """Sealed facts of one decision of an exchange."""
        found = self._rows(
            "SELECT sealed FROM facts WHERE exchange = ? AND digest = ?",
            exchange_key(exchange),
            bytes.fromhex(digest),
        )
        return found[0][0] if found else None  # type: ignore[return-value]

    def standing(self, digest: str) -> bytes | None:
        """Sealed standing facts by digest."""
        found = self._rows("SELECT sealed FROM standings WHERE digest = ?", bytes.fromhex(digest))
        return found[0][0] if found else None  # type: ignore[return-value]

    def decision(self, revision: str, input_digest: str) -> tuple[bytes, bytes] | None:
        """``(input, decision)`` documents."""
        found = self._rows(
            "SELECT input, decision FROM decisions WHERE revision = ? AND input_digest = ?",
            *(bytes.fromhex(revision), bytes.fromhex(input_digest)),
        )
        return found[0] if found else None  # type: ignore[return-value]

    def counter(self, kind: str, key: bytes, window: str) -> int:
        """A counter's value; 0 where nothing was counted."""
        found = self._rows(
            'SELECT n FROM counters WHERE kind = ? AND key = ? AND "window" = ?', kind, key, window
        )
        return int(found[0][0]) if found else 0  # type: ignore[call-overload]

    def subjects_after(self, kind: str, scope: bytes, since: str, joining: Iterable[bytes]) -> int:
        """Distinct subjects of a set since a local day, together with ``joining`` (distinct)."""
        return subjects.after(self.connection(), kind, scope, since, joining)

    def subjects_due(self, kind: str, before: str) -> bool:
        """Whether a kind has subjects that were last counted before a local day."""
        return subjects.due(self.connection(), kind, before)

    def revision(self, revision: str) -> bytes | None:
        """The archived files of a policy revision, packed."""
        found = self._rows("SELECT files FROM revisions WHERE id = ?", bytes.fromhex(revision))
        return found[0][0] if found else None  # type: ignore[return-value]

    def waiting_in(self, origin: str) -> list[int]:
        """Indexes of the entries of one log that wait for this node, in order."""
        row = self._row(origin)
        if row is None:
            return []
        sql = "SELECT pos FROM pending WHERE pos >= ? AND pos < ? ORDER BY pos"
        first = row << INDEX_BITS
        rows = self.connection().execute(sql, (first, first + (1 << INDEX_BITS)))
        return [pos & _INDEX_MASK for (pos,) in rows]

    def tile(self, origin: str, level: int, index: int, width: int) -> bytes:
        """Hashes of one tile of a log (``tlog`` TileReader once the origin is bound)."""
        row = self._row(origin)
        assert row is not None
        return tile_rows(self.connection(), row, level, index, width)


def _position(origins: dict[int, str], pos: int) -> Position:
    origin = origins[pos >> INDEX_BITS]
    return Position(origin, parse(origin).writer, pos & _INDEX_MASK)


def _hold(row: tuple[object, ...]) -> HoldRow:
    leaf, exchange, at, role, deadline, here, state, decision = cast(
        "tuple[bytes, bytes, str, str, str, int, HoldState, bytes | None]", row
    )
    there = str(UUID(bytes=exchange))
    return HoldRow(leaf.hex(), there, at, role, deadline, bool(here), state, decision)


def _read(entry: bytes) -> Entry | None:
    try:
        return decode(entry)
    except Refused:
        return None
