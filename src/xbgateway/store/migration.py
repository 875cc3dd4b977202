"""A whole store from one place to another, between SQLite and PostgreSQL either way.

Both are locked meanwhile, so nobody writes. The target is one transaction that is committed only
when every row of it was read back and is what the source has, in the same order.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw

from xbgateway.model.errors import Fatal, Reason, Refused

from .connection import Connection
from .lock import StoreLock
from .opening import connect

# Every table with the columns that its rows are found by.
TABLES: dict[str, tuple[str, ...]] = {
    "logs": ("id",),
    "entries": ("pos",),
    "tiles": ("log", "level", "n"),
    "roots": ("log",),
    "turns": ("log", "size"),
    "beside": ("pos",),
    "wraps": ("n",),
    "bundles": ("origin", "n"),
    "pending": ("pos",),
    "exchanges": ("id",),
    "parts": ("exchange", "part"),
    "facts": ("exchange", "digest"),
    "standings": ("digest",),
    "decisions": ("revision", "input_digest"),
    "counters": ("kind", "key", '"window"'),
    "subjects": ("kind", "scope", "subject"),
    "subject_days": ("kind", "scope", "day"),
    "duties": ("id",),
    "registers": ("n",),
    "register_changes": ("n",),
    "revisions": ("id",),
    "activations": ("n",),
    "proposals": ("id",),
    "holds": ("leaf",),
    "deliveries": ("exchange",),
    "streams": ("id",),
    "case_types": ("digest",),
    "cases": ("id",),
    "case_parties": ("party", "opened_at", "id"),
}
# The store itself keeps these rows, from those of ``subjects``; they are compared all the same.
_DERIVED = frozenset({"subject_days"})
# Rows that the store numbers itself: the next number is to follow the last.
_NUMBERED = ("logs.id", "wraps.n", "registers.n", "register_changes.n", "activations.n")
_PAGE = 500


def migrate(source: Path | str, target: Path | str) -> dict[str, int]:
    """Copy every row; how many each table has. A place is a file or a ``postgresql://`` URL.

    Raises ``Refused(CONFIG_INVALID)`` where the source is no store or the target has one already,
    ``Fatal`` where one of them cannot be opened or the copy is not equal.
    """
    if isinstance(source, Path) and not source.is_file():
        raise Refused(Reason.CONFIG_INVALID, f"{source} is no store")
    with _opened(source) as old, _opened(target) as new:
        if old.execute("SELECT 1 FROM logs LIMIT 1").fetchone() is None:
            raise Refused(Reason.CONFIG_INVALID, "the source is empty")
        if new.execute("SELECT 1 FROM logs LIMIT 1").fetchone() is not None:
            raise Refused(Reason.CONFIG_INVALID, "the target is a store already")
        new.execute("BEGIN IMMEDIATE" if isinstance(target, Path) else "START TRANSACTION")
        for table in TABLES:
            if table not in _DERIVED:
                _copy(old, new, table)
        found = {}
        for table in TABLES:
            found[table], digest = _summed(old, table)
            if _summed(new, table) != (found[table], digest):
                raise Fatal(Reason.STORE_CORRUPT, f"table {table} is not the same in the target")
        if isinstance(target, str):
            for column in _NUMBERED:
                _number_on(new, *column.split("."))
        new.execute("COMMIT")
    return found


@contextmanager
def _opened(place: Path | str) -> Iterator[Connection]:
    """The writing connection of a store that no node has open; brought to this release."""
    with ExitStack() as stack:
        if isinstance(place, Path):
            lock = StoreLock(place)
            stack.callback(lock.release)
            connection: Connection = connect(place, "FULL")
            failures: type[Exception] = apsw.Error
        else:
            from .postgres import ENGINE_ERROR, open_writer  # noqa: PLC0415 - an extra

            connection, _epoch = open_writer(place)
            failures = ENGINE_ERROR
        stack.callback(connection.close)
        try:
            yield connection
        except failures as error:
            raise Fatal(Reason.STORE_UNAVAILABLE, f"the store failed: {error}") from error


def _pages(connection: Connection, table: str) -> Iterator[list[tuple[Any, ...]]]:
    """Rows by their key, some at a time, so that memory stays small."""
    keys = TABLES[table]
    order, marks = ", ".join(keys), ", ".join("?" * len(keys))
    # Names are those above.
    select = f"SELECT {order}, t.* FROM {table} t"  # noqa: S608
    last: tuple[Any, ...] = ()
    while True:
        after = f" WHERE ({order}) > ({marks})" if last else ""
        sql = f"{select}{after} ORDER BY {order} LIMIT {_PAGE}"
        rows = connection.execute(sql, last).fetchall()
        if not rows:
            return
        last = tuple(rows[-1][: len(keys)])
        yield [tuple(row[len(keys) :]) for row in rows]


def _copy(old: Connection, new: Connection, table: str) -> None:
    for rows in _pages(old, table):
        marks = ", ".join("?" * len(rows[0]))
        new.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - as above


def _summed(connection: Connection, table: str) -> tuple[int, str]:
    """How many rows, and a digest of all of them in their order."""
    count, digest = 0, sha256()
    for rows in _pages(connection, table):
        count += len(rows)
        for row in rows:
            digest.update(repr(row).encode())
    return count, digest.hexdigest()


def _number_on(connection: Connection, table: str, column: str) -> None:
    connection.execute(
        f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"  # noqa: S608 - as above
        f" (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
    )
