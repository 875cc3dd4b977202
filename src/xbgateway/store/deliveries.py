"""Rows of ``deliveries``: how they are written, found and counted.

A row is written whole, over the version that was read: whoever comes second is ``Stale``. So one
attempt, one lease and one person's word at a time, however many ask.
"""

import json
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from xbgateway.model.delivery import (
    DeliveryCount,
    DeliveryRow,
    DeliveryState,
    DropDelivery,
    ForgetDeliveries,
    PutDelivery,
)
from xbgateway.model.origins import parse
from xbgateway.model.outcome import Position
from xbgateway.model.record import Stale

from .connection import Connection
from .reader import Reader
from .schema import exchange_key

_COLUMNS = (
    "exchange, origin, n, party, service, method, state, at, last, due, until, attempts, most,"
    " unsure, wait_s, lease, reason, answer, remark, rank, version"
)
_PUT = (
    f"INSERT INTO deliveries ({_COLUMNS}) VALUES ({', '.join('?' * 21)})"  # noqa: S608
    " ON CONFLICT (exchange) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
)
_SELECT = f"SELECT {_COLUMNS} FROM deliveries"  # noqa: S608 - fixed names
_DROP = "DELETE FROM deliveries WHERE exchange = ?"
_FORGET = (
    "DELETE FROM deliveries WHERE exchange IN (SELECT exchange FROM deliveries"
    " WHERE state = 'done' AND last < ? ORDER BY last LIMIT ?)"
)
ERASE_REMARK = "UPDATE deliveries SET remark = NULL WHERE exchange = ?"


def check(connection: Connection, effect: PutDelivery | DropDelivery) -> None:
    """Raises ``Stale`` where another version is on record than the one that was read."""
    found = connection.execute(
        "SELECT version FROM deliveries WHERE exchange = ?", (exchange_key(effect.row.exchange),)
    ).fetchone()
    if (found[0] if found else 0) != effect.row.version:
        raise Stale


def apply(connection: Connection, effect: PutDelivery | DropDelivery | ForgetDeliveries) -> None:
    """Write at once: whoever comes next in the same transaction sees it."""
    match effect:
        case PutDelivery(row):
            here = row.position
            connection.execute(
                _PUT,
                (
                    exchange_key(row.exchange),
                    *((here.origin, here.index) if here else (None, None)),
                    *(row.party, row.service, row.method, row.state, row.at, row.last, row.due),
                    *(row.until, row.attempts, row.most, int(row.unsure), row.wait_s, row.lease),
                    *(row.reason, row.answer, row.remark, row.rank, row.version + 1),
                ),
            )
        case DropDelivery(row):
            connection.execute(_DROP, (exchange_key(row.exchange),))
        case ForgetDeliveries(before, most):
            connection.execute(_FORGET, (before, most))


class DeliveryRows:
    """Read-only questions to the table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def row(self, exchange: str) -> DeliveryRow | None:
        """One row; ``None`` also for what is no exchange id."""
        try:
            key = UUID(exchange).bytes
        except ValueError:
            return None
        return next(iter(self._rows("WHERE exchange = ?", key)), None)

    def due(self, service: str, methods: Iterable[str], now: str, limit: int) -> list[DeliveryRow]:
        """What waits for one service and whose time has come, in its order."""
        return self._rows(
            "WHERE state = 'waiting' AND service = ? AND due <= ? AND until > ?"
            " AND method IN (SELECT value FROM json_each(?)) ORDER BY rank LIMIT ?",
            *(service, now, now, json.dumps(list(methods)), limit),
        )

    def visible(self, party: str, paths: Iterable[str], now: str, limit: int) -> list[DeliveryRow]:
        """What a party can pull of these ``service/method``, in its order."""
        return self._rows(
            "WHERE state = 'waiting' AND party = ? AND due <= ? AND until > ? AND attempts < most"
            " AND service || '/' || method IN (SELECT value FROM json_each(?))"
            " ORDER BY rank LIMIT ?",
            *(party, now, now, json.dumps(list(paths)), limit),
        )

    def over(self, now: str, limit: int) -> list[DeliveryRow]:
        """What waits although its horizon has ended, or has been tried as often as it may be."""
        poison = self._rows(
            "WHERE state = 'waiting' AND attempts >= most AND due <= ? ORDER BY due LIMIT ?",
            *(now, limit),
        )
        late = self._rows(
            "WHERE state = 'waiting' AND until <= ? ORDER BY until LIMIT ?", now, limit
        )
        return list({row.exchange: row for row in (*poison, *late)}.values())

    def any_waiting(self) -> bool:
        """Whether anything waits at all."""
        sql = "SELECT 1 FROM deliveries WHERE state = 'waiting' LIMIT 1"
        return self._reader.connection().execute(sql).fetchone() is not None

    def unheard(self, after: str, limit: int) -> list[DeliveryRow]:
        """What waits and was heard of by no service, by exchange, strictly after a given one."""
        return self._rows(
            "WHERE exchange > ? AND state = 'waiting' AND unsure = 0 ORDER BY exchange LIMIT ?",
            *(UUID(after).bytes, limit),
        )

    def any_done(self, before: str) -> bool:
        """Whether anything was acknowledged before an instant."""
        sql = "SELECT 1 FROM deliveries WHERE state = 'done' AND last < ? LIMIT 1"
        return self._reader.connection().execute(sql, (before,)).fetchone() is not None

    def for_people(
        self, party: str | None, after: tuple[str, str] | None, limit: int
    ) -> list[DeliveryRow]:
        """What a person has to see, of a party (None: of all), oldest first, after a given one."""
        at, exchange = after or ("", "00000000-0000-0000-0000-000000000000")
        return self._rows(
            "WHERE state IN ('dead', 'unknown') AND coalesce(?, party) = party"
            " AND (at, exchange) > (?, ?) ORDER BY at, exchange LIMIT ?",
            *(party, at, UUID(exchange).bytes, limit),
        )

    def counts(self) -> list[DeliveryCount]:
        """How many rows each service has in each state that is not over."""
        sql = (
            "SELECT service, state, count(*), min(at) FROM deliveries"
            " WHERE state IN ('waiting', 'calling', 'dead', 'unknown') GROUP BY service, state"
        )
        rows = self._reader.connection().execute(sql)
        return [DeliveryCount(*cast("tuple[str, DeliveryState, int, str]", row)) for row in rows]

    def _rows(self, where: str, *values: object) -> list[DeliveryRow]:
        rows = self._reader.connection().execute(f"{_SELECT} {where}", values)
        return [_row(row) for row in rows]


def _row(values: tuple[Any, ...]) -> DeliveryRow:
    exchange, origin, n, *plain = values
    position = None if origin is None else Position(origin, parse(origin).writer, n)
    party, service, method, state, at, last, due, until, attempts, most, unsure, *more = plain
    return DeliveryRow(
        str(UUID(bytes=exchange)),
        position,
        *(party, service, method, state, at, last, due, until, attempts, most, bool(unsure)),
        *more,
    )
