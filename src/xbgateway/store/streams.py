"""Rows of ``streams``: whose an attachment is, how large, and which exchange took it along."""

from typing import Any
from uuid import UUID

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.stream import (
    CompleteStream,
    DropStream,
    OpenStream,
    Stream,
    StreamRow,
    TakeStream,
)

from .connection import Connection
from .reader import Reader
from .schema import exchange_key

_COLUMNS = "id, party, size_bytes, at, until, key, exchange, root, segments"
_SELECT = f"SELECT {_COLUMNS} FROM streams"  # noqa: S608 - fixed names
_INSERT = (
    f"INSERT INTO streams ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
    " ON CONFLICT (id) DO NOTHING"
)


def check_open(connection: Connection, opened: OpenStream) -> None:
    """Raises ``Unavailable(STREAM_ROOM)`` where the party has too much waiting with this one."""
    one = opened.row
    if connection.execute("SELECT 1 FROM streams WHERE id = ?", (UUID(one.id).bytes,)).fetchone():
        return
    sql = "SELECT coalesce(sum(size_bytes), 0) FROM streams WHERE party = ?"
    (waiting,) = connection.execute(sql, (one.party,)).fetchone() or (0,)
    if waiting + one.size_bytes > opened.most_bytes:
        raise Unavailable(
            Reason.STREAM_ROOM,
            f"{one.party} has {waiting} bytes of attachments waiting here; with this one they would"
            f" be over {opened.most_bytes}",
            limit_bytes=str(opened.most_bytes),
        )


def check_take(connection: Connection, take: TakeStream) -> None:
    """Raises ``Refused`` where another exchange has the upload, or where it is gone."""
    sql = "SELECT exchange FROM streams WHERE id = ?"
    found = connection.execute(sql, (UUID(take.id).bytes,)).fetchone()
    if found is None:
        raise Refused(Reason.STREAM_UNKNOWN, "the attachment is not here any more")
    if found[0] not in (None, exchange_key(take.exchange)):
        raise Refused(Reason.STREAM_TAKEN, "another exchange took this attachment along")


def apply(connection: Connection, effect: Any) -> None:
    """Write one effect."""
    match effect:
        case OpenStream(row):
            taken = exchange_key(row.exchange) if row.exchange else None
            values = (row.party, row.size_bytes, row.at, row.until, row.key, taken, None, None)
            connection.execute(_INSERT, (UUID(row.id).bytes, *values))
        case CompleteStream(stream_id, stream):
            connection.execute(
                "UPDATE streams SET root = ?, segments = ? WHERE id = ?",
                (
                    bytes.fromhex(stream.stream_root),
                    stream.stream_segments,
                    UUID(stream_id).bytes,
                ),
            )
        case TakeStream(stream_id, exchange):
            connection.execute(
                "UPDATE streams SET exchange = ? WHERE id = ?",
                (exchange_key(exchange), UUID(stream_id).bytes),
            )
        case DropStream(stream_id):
            connection.execute("DELETE FROM streams WHERE id = ?", (UUID(stream_id).bytes,))


class StreamRows:
    """Read-only questions about attachments. Blocks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def row(self, stream_id: str) -> StreamRow | None:
        """An attachment by its own id."""
        return self._one("id = ?", UUID(stream_id).bytes)

    def sent_with(self, exchange: str) -> StreamRow | None:
        """The upload that an exchange of a party here took along."""
        return self._one("exchange = ?1 AND id <> ?1", exchange_key(exchange))

    def every(self) -> list[StreamRow]:
        """All of them, oldest first."""
        rows = self._reader.connection().execute(f"{_SELECT} ORDER BY at, id")
        return [_row(row) for row in rows]

    def _one(self, where: str, key: bytes) -> StreamRow | None:
        sql = f"{_SELECT} WHERE {where}"
        found = self._reader.connection().execute(sql, (key,)).fetchone()
        return _row(found) if found else None


def _row(found: tuple[Any, ...]) -> StreamRow:
    stream_id, party, size_bytes, at, until, key, exchange, root, segments = found
    return StreamRow(
        id=str(UUID(bytes=stream_id)),
        party=party,
        size_bytes=size_bytes,
        at=at,
        until=until,
        key=key,
        exchange=str(UUID(bytes=exchange)) if exchange else "",
        stream=Stream(root.hex(), size_bytes, segments) if root else None,
    )
