"""Operations as SQLite itself counts them: they do not depend on what else the machine does.

A counting VFS (the system's own, with a counter on sync and write) has to be there before a store
opens; statements are counted by SQLite's profile trace. Hashes are counted where the tree makes
them. Instructions come from ``perf`` where the processor lets it count.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import apsw

from xbgateway.store import SqliteStore, logs
from xbgateway.tlog import frontier, mirror

COUNTS: Counter[str] = Counter()


class _File(apsw.VFSFile):
    """A file whose syncs and writes are counted."""

    def xSync(self, flags: int) -> None:  # noqa: N802 - named by SQLite
        COUNTS["fsyncs"] += 1
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - named by SQLite
        COUNTS["bytes written"] += len(data)
        super().xWrite(data, offset)


class _Vfs(apsw.VFS):
    """The default VFS, counted."""

    def __init__(self, under: str) -> None:
        self._under = under
        super().__init__("bench-counting", under, makedefault=True)

    def xOpen(  # noqa: N802 - named by SQLite
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self._under, name, flags)


@contextmanager
def counting_files() -> Iterator[None]:
    """Stores opened within count their syncs and writes."""
    vfs = _Vfs(apsw.vfs_names()[0])
    try:
        yield
    finally:
        vfs.unregister()


@contextmanager
def counting_hashes() -> Iterator[None]:
    """Count leaf and node hashes of trees; counting would slow what is timed, so it ends."""
    kept = []
    for module in (logs, frontier, mirror):
        for name in ("leaf_hash", "node_hash"):
            original = vars(module).get(name)
            if original is not None:
                kept.append((module, name, original))
                setattr(module, name, _counted(original, name.replace("_hash", " hashes")))
    assert {name for _module, name, _original in kept} == {"leaf_hash", "node_hash"}
    try:
        yield
    finally:
        for module, name, original in kept:
            setattr(module, name, original)


def _counted(function: Any, what: str) -> Any:
    def counted(*arguments: Any) -> Any:
        COUNTS[what] += 1
        return function(*arguments)

    return counted


@contextmanager
def counting_statements(stores: list[SqliteStore]) -> Iterator[None]:
    """Statements and bytecode steps of the stores' writers and of this thread's readers."""
    connections = [
        *(store._connection for store in stores),  # noqa: SLF001 - only its trace is set
        *(cast("apsw.Connection", store.reader.connection()) for store in stores),
    ]
    for connection in connections:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, _statement)
    try:
        yield
    finally:
        for connection in connections:
            connection.trace_v2(0, None)


def rows_written(stores: list[SqliteStore]) -> int:
    """Rows that the stores' writers have inserted, changed or deleted so far."""
    return sum(store._connection.total_changes() for store in stores)  # noqa: SLF001 - a counter


def _statement(told: dict[str, Any]) -> None:
    status = told["stmt_status"]
    COUNTS["statements"] += 1
    COUNTS["bytecode steps"] += status["SQLITE_STMTSTATUS_VM_STEP"]
    COUNTS["full-scan steps"] += status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]


def instructions_supported() -> bool:
    """Whether this machine counts instructions (virtual ones often do not)."""
    perf = shutil.which("perf")
    if perf is None:
        return False
    asked = (perf, "stat", "-x", ",", "-e", "instructions:u", "true")
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stderr  # noqa: S603
    return re.search(r"^\d+,", told, re.MULTILINE) is not None
