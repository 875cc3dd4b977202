"""An agency's register: one SQLite file, one writer thread, effects once per exchange id.

The effect, the stored answer and the count of questions are one transaction, so a call that is
repeated after a crash finds either nothing or the answer it would have got. Jobs that wait while
a commit runs share the next commit. Never talks to a network.
"""

import asyncio
import hashlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

Work = Callable[[sqlite3.Connection], bytes]

# Jobs that share one commit: bounds how long the first of them waits.
JOBS_PER_COMMIT_MAX = 256

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sequence(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS effects(
  exchange_id TEXT NOT NULL,
  method TEXT NOT NULL,
  count_asked INTEGER NOT NULL,
  count_done INTEGER NOT NULL,
  at TEXT NOT NULL,
  sender TEXT NOT NULL,
  purpose TEXT NOT NULL,
  request_digest BLOB NOT NULL,
  answer BLOB NOT NULL,
  PRIMARY KEY (exchange_id, method)
) STRICT;
"""


class Declined(Exception):
    """The agency does not do what it was asked; ``args[0]`` says why. Nothing was written."""


class WrongRegister(Exception):
    """The file belongs to another agency or another population."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Who asks through the node, and for which exchange."""

    exchange_id: str
    sender: str
    purpose: str


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[bytes]


class Ledger:
    """The register. Opened before the event loop runs; closed after the last answer is out."""

    def __init__(
        self,
        path: Path,
        schema: str,
        meta: dict[str, str],
        fill: Callable[[sqlite3.Connection], None],
    ) -> None:
        """Open or create ``path``; raises ``WrongRegister`` where its meta rows differ."""
        self._path = path
        connection = self._connect()
        try:
            connection.executescript(_SCHEMA + schema)
            held = dict(connection.execute("SELECT name, value FROM meta"))
            if held and held != meta:
                raise WrongRegister(f"{path} holds {held}, not {meta}")
            if not held:
                connection.execute("BEGIN IMMEDIATE")
                fill(connection)
                connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
                connection.execute("COMMIT")
        finally:
            connection.close()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._thread.start()

    async def once(self, call: Incoming, method: str, request: bytes, work: Work) -> bytes:
        """Do ``work`` for this exchange unless it was done; the answer is the first one.

        Raises ``Declined`` where the same exchange id comes with another request.
        """
        digest = hashlib.sha256(request).digest()

        def job(connection: sqlite3.Connection) -> bytes:
            row = connection.execute(
                "UPDATE effects SET count_asked = count_asked + 1"
                " WHERE exchange_id = ? AND method = ? RETURNING request_digest, answer",
                (call.exchange_id, method),
            ).fetchone()
            if row is None:
                answer = work(connection)
                _record(connection, call, method, digest, answer)
                return answer
            if row[0] != digest:
                raise Declined("this exchange id came before with another request")
            return bytes(row[1])

        return await self._run(job)

    async def always(self, call: Incoming, method: str, request: bytes, work: Work) -> bytes:
        """Do ``work`` on every call, as a service does that knows no exchange id."""
        digest = hashlib.sha256(request).digest()

        def job(connection: sqlite3.Connection) -> bytes:
            answer = work(connection)
            _record(connection, call, method, digest, answer)
            return answer

        return await self._run(job)

    def close(self) -> None:
        """Finish the jobs that are queued, then close the file."""
        self._jobs.put(None)
        self._thread.join()

    async def _run(self, work: Work) -> bytes:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes] = loop.create_future()
        self._jobs.put(_Job(work, loop, done))
        return await done

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    def _write(self) -> None:
        connection = self._connect()
        try:
            while (job := self._jobs.get()) is not None:
                last = self._commit(connection, self._waiting(job))
                if last:
                    return
        finally:
            connection.close()

    def _waiting(self, first: _Job) -> list[_Job | None]:
        """The first job and those that queued behind it; a ``None`` at the end means close."""
        jobs: list[_Job | None] = [first]
        while jobs[-1] is not None and len(jobs) < JOBS_PER_COMMIT_MAX:
            try:
                jobs.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return jobs

    def _commit(self, connection: sqlite3.Connection, jobs: list[_Job | None]) -> bool:
        """Run jobs in one transaction, answer them after it; true where the last says close."""
        results: list[tuple[_Job, bytes | Exception]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [(job, _attempt(connection, job.work)) for job in jobs if job is not None]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            results = [(job, error) for job in jobs if job is not None]
        for job, result in results:
            # The loop is gone where the process stops without waiting for its callers.
            if not job.loop.is_closed():
                job.loop.call_soon_threadsafe(_resolve, job.done, result)
        return jobs[-1] is None


def next_number(connection: sqlite3.Connection, name: str) -> int:
    """The next number of a named series, in the caller's transaction."""
    row = connection.execute(
        "INSERT INTO sequence VALUES (?, 1)"
        " ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def instant() -> str:
    """Now, RFC 3339 UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempt(connection: sqlite3.Connection, work: Work) -> bytes | Exception:
    connection.execute("SAVEPOINT job")
    try:
        result: bytes | Exception = work(connection)
    except Exception as error:  # noqa: BLE001 - it travels to the caller that asked
        connection.execute("ROLLBACK TO job")
        result = error
    connection.execute("RELEASE job")
    return result


def _record(
    connection: sqlite3.Connection, call: Incoming, method: str, digest: bytes, answer: bytes
) -> None:
    connection.execute(
        "INSERT INTO effects VALUES (?, ?, 1, 1, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " count_asked = count_asked + 1, count_done = count_done + 1, answer = excluded.answer",
        (call.exchange_id, method, instant(), call.sender, call.purpose, digest, answer),
    )


def _resolve(done: asyncio.Future[bytes], result: bytes | Exception) -> None:
    if done.done():  # the caller went away
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
