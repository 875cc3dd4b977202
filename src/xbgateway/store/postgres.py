"""The store in PostgreSQL: a schema of its own in a database that others keep and copy.

One process writes. It holds a lock of its session, and a number, the epoch, that the next writer
raises: each transaction looks at it first, under a lock that lasts to its commit. So a writer that
was paused cannot write once another has begun.

Every statement is a way to another machine, so all of a transaction runs on the commit's thread.
Nothing is signed after a commit whose answer was lost: the node stops, and its next start reads
what stands.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors

from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.model.outcome import Position
from xbgateway.model.record import Record

from .batch import Done, Waiting
from .connection import Rows
from .opening import LogSpec
from .postgres_schema import migrate
from .reader import Reader
from .transaction import HeldOperation, Transaction
from .writer import Read, Store

# How long a start waits for the server to notice that the writer before it is gone.
_LOCK_WAIT_MS = 10_000
# A server that has gone without a word is given up after this.
_SILENT_MS = 15_000
# A writer with nothing to write looks as often whether it may still write.
_IDLE_S = 1.0
# What a connection raises, for those who do not know this engine.
ENGINE_ERROR = psycopg.Error
_PARAMETER = re.compile(r"\?(\d*)")


@lru_cache(maxsize=512)
def _numbered(sql: str) -> str:
    """``?`` and ``?1`` as the server numbers them."""
    seen = 0

    def number(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return f"${match[1] or seen}"

    return _PARAMETER.sub(number, sql)


class PostgresConnection:
    """One session, in the store's dialect. Raises ``psycopg.Error``."""

    def __init__(self, url: str, *, read_only: bool) -> None:
        self._session = psycopg.connect(
            url,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            connect_timeout=_LOCK_WAIT_MS // 1000,
            tcp_user_timeout=_SILENT_MS,
        )
        self._session.execute("SET default_transaction_read_only = on" if read_only else "SELECT 1")

    @property
    def in_transaction(self) -> bool:
        """Whether something was begun; not so where the connection is lost."""
        status = self._session.info.transaction_status
        return status not in {
            psycopg.pq.TransactionStatus.IDLE,
            psycopg.pq.TransactionStatus.UNKNOWN,
        }

    @property
    def lost(self) -> bool:
        """Whether the session is over."""
        return self._session.closed

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        """Run one statement; without values it may be several."""
        return self._session.execute(_numbered(sql).encode(), values or None)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each row, all on the way at once."""
        self._session.cursor().executemany(_numbered(sql).encode(), rows)

    def interrupt(self) -> None:
        """Break off what another thread has it doing."""
        with suppress(psycopg.Error):  # it may be over already
            self._session.cancel_safe(timeout=1)

    def close(self) -> None:
        """End the session."""
        self._session.close()


class ReadingConnection(PostgresConnection):
    """A session that cannot write. Raises ``Unavailable(STORE_UNAVAILABLE)`` where it is lost."""

    def __init__(self, url: str) -> None:
        with self._told():
            super().__init__(url, read_only=True)

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        """Run one statement; without values it may be several."""
        with self._told():
            return super().execute(sql, values)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:
            raise Unavailable(
                Reason.STORE_UNAVAILABLE, f"the store cannot be read now: {error}"
            ) from error


class PostgresReader(Reader):
    """The read-only view; a thread whose session was lost gets another."""

    def _connect(self) -> PostgresConnection:
        return ReadingConnection(str(self._place))

    def connection(self) -> PostgresConnection:
        """The read-only connection of the calling thread."""
        found = super().connection()
        assert isinstance(found, PostgresConnection)
        if not found.lost:
            return found
        self._local.connection = None
        return self.connection()


class PostgresStore(Store):
    """One schema, one process that writes.

    ``url`` is libpq's; its ``search_path`` says which schema. Raises ``Fatal``: ``STORE_LOCKED``,
    ``STORE_UNAVAILABLE``, ``STORE_VERSION``, ``STORE_CORRUPT``.
    """

    errors = (psycopg.Error, OSError)
    idle_s = _IDLE_S
    _connection: PostgresConnection

    def __init__(self, url: str, specs: Sequence[LogSpec], *, group_wait_s: float = 0.001) -> None:
        connection, self._epoch = open_writer(url)
        super().__init__(connection, PostgresReader(url), specs, group_wait_s=group_wait_s)

    async def record(self, record: Record) -> tuple[Position, ...]:
        """As :meth:`Store.record`; ``Refused(ARGUMENT_INVALID)`` for what this engine cannot keep.

        It is refused alone and before its group: a zero byte in a text would fail all of it.
        """
        if any("\0" in text for text in _texts(record.effects)):
            raise Refused(Reason.ARGUMENT_INVALID, "A text has a zero byte.")
        return await super().record(record)

    def _begin(self) -> None:
        self._connection.execute("START TRANSACTION")
        sql = "SELECT 1 FROM store WHERE epoch = ? FOR SHARE"
        if self._connection.execute(sql, (self._epoch,)).fetchone() is None:
            raise Fatal(Reason.STORE_LOCKED, "another process has become the writer of this store")

    async def _transact(
        self, tx: Transaction, batch: list[Waiting], lazy: list[HeldOperation]
    ) -> tuple[list[Done], Read]:
        def whole() -> tuple[list[Done], Read]:
            done = self._apply(tx, batch, lazy)
            self._commit()
            return done, self._read_back(tx)

        return await asyncio.get_running_loop().run_in_executor(self._disk, whole)

    def _put_down(self) -> None:
        with suppress(psycopg.Error, Fatal):  # the next start signs the same once more
            self._begin()
            super()._put_down()
            self._commit()

    def _may_pass(self, error: Exception) -> bool:
        refused = errors.DiskFull | errors.ReadOnlySqlTransaction | errors.LockNotAvailable
        return isinstance(error, refused) and not self._connection.lost

    def _read_again(self, error: Exception) -> bool:
        return isinstance(error, OSError | psycopg.OperationalError) or self._connection.lost

    def _release(self) -> None:
        self.reader.close()  # the lock itself ended with the session


def _texts(value: object) -> Iterator[str]:
    """Every text in effects, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _texts(getattr(value, part.name))


def open_writer(url: str) -> tuple[PostgresConnection, int]:
    """The writing connection and its epoch, of a store brought to this release.

    Raises ``Fatal``: ``STORE_LOCKED``, ``STORE_UNAVAILABLE``, ``STORE_VERSION``.
    """
    with ExitStack() as undo:
        try:
            connection = PostgresConnection(url, read_only=False)
            undo.callback(connection.close)
            epoch = _own(connection)
        except errors.LockNotAvailable as error:
            raise Fatal(
                Reason.STORE_LOCKED, "another process writes to this store; stop it first"
            ) from error
        except psycopg.Error as error:
            raise Fatal(Reason.STORE_UNAVAILABLE, f"the store cannot be opened: {error}") from error
        undo.pop_all()
    return connection, epoch


def _own(connection: PostgresConnection) -> int:
    """Become the writer. Raises ``LockNotAvailable`` where another lives."""
    (fsync,) = connection.execute("SELECT current_setting('fsync')").fetchone()
    if fsync != "on":
        raise Fatal(
            Reason.STORE_UNAVAILABLE, "the server runs with fsync = off: nothing is durable"
        )
    connection.execute("SELECT set_config('synchronous_commit', 'on', false)")
    connection.execute(f"SET lock_timeout = {_LOCK_WAIT_MS}")
    key = "hashtext('xbgateway'), hashtext(current_schema())"
    connection.execute(f"SELECT pg_advisory_lock({key})")
    migrate(connection)
    row = connection.execute("UPDATE store SET epoch = epoch + 1 RETURNING epoch").fetchone()
    return int(row[0])
