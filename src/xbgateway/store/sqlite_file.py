"""The store as one SQLite file: the embedded default, which needs no other process."""

from collections.abc import Sequence
from pathlib import Path

import apsw

from xbgateway.model.errors import Fatal, Reason

from .lock import StoreLock
from .opening import LogSpec, connect
from .reader import Reader
from .writer import Store

# SQLite before 3.51.3 can corrupt a WAL when two connections reset it at once.
_SQLITE_MIN = 3_051_003


class SqliteStore(Store):
    """One file, one process; what waits for the disk is a thread's, all else the loop's.

    Raises ``Fatal``: ``STORE_LOCKED``, ``STORE_UNAVAILABLE``, ``STORE_VERSION``,
    ``STORE_CORRUPT``.
    """

    errors = (apsw.Error, OSError)
    _connection: apsw.Connection

    def __init__(
        self,
        path: Path,
        specs: Sequence[LogSpec],
        *,
        group_wait_s: float = 0.001,
        synchronous: str = "FULL",
    ) -> None:
        if apsw.SQLITE_VERSION_NUMBER < _SQLITE_MIN:
            raise Fatal(Reason.STORE_VERSION, f"SQLite {apsw.sqlite_lib_version()} is too old")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = StoreLock(path)
        try:
            connection = connect(path, synchronous)
        except Fatal:
            self._lock.release()
            raise
        super().__init__(connection, Reader(path), specs, group_wait_s=group_wait_s)

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def _may_pass(self, error: Exception) -> bool:
        return isinstance(error, apsw.FullError | apsw.ReadOnlyError | apsw.BusyError)

    def _read_again(self, error: Exception) -> bool:
        # After a failed sync nobody knows what is on disk.
        return isinstance(error, apsw.IOError | OSError)

    def _release(self) -> None:
        self._lock.release()
