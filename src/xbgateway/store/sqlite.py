"""SQLite behind the rooms' ports: one writer with group commit.

A group is what queued while the previous flush ran; under load the writer waits a moment more
(``pace.py``), because small groups waste the gain. One transaction, one fsync, one signature per
log and group. Checkpoints are signed only after the commit, over rows that were read back
(REQ-LOG-10), and only then does anybody hear that the group is durable: no byte leaves before
(promise 1).

Rows are prepared on the event loop; only the commit, the one part that waits for the disk, runs on
a thread. Two threads that both run Python hand the interpreter lock to and fro all the time, and
that took a fifth of a node's processor time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from xbgateway.model.errors import Fatal, GatewayError, Reason, Unavailable
from xbgateway.model.limits import GROUP_BYTES_MAX, GROUP_ENTRIES_MAX
from xbgateway.model.outcome import Position
from xbgateway.model.record import AlreadyOpen, Group, MirrorGroup, Record, Stale

from .lock import StoreLock
from .logs import as_group, scrub, signed
from .opening import LogSpec, connect, load_heads
from .pace import company_s
from .reader import Reader
from .tails import Tails
from .transaction import (
    HeldOperation,
    Mirrored,
    MirrorOperation,
    Operation,
    RecordOperation,
    ReplacePayload,
    StopOperation,
    Transaction,
)

# SQLite before 3.51.3 can corrupt a WAL when two connections reset it at once.
_SQLITE_MIN = 3_051_003
# An idle log's cosignature is not worth an fsync of its own; it rides with the next group.
_LAZY_S = 0.2


@dataclass(slots=True)
class StoreCounts:
    """What the writer did, for metrics and benchmarks."""

    groups: int = 0
    records: int = 0
    entries: int = 0
    mirrored: int = 0
    fsyncs: int = 0


@dataclass(slots=True)
class _Waiting:
    operation: Operation
    future: asyncio.Future[Any]
    appends: int
    size: int


@dataclass(slots=True)
class _Done:
    waiting: _Waiting
    result: Any


@dataclass(slots=True)
class _Committed:
    done: list[_Done]
    groups: list[Group] = field(default_factory=list)


class SqliteStore:
    """The embedded store of one node. ``open`` it, then ``start`` it on the event loop."""

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
        self._group_wait_s = group_wait_s
        self._connection = _opened(path, synchronous, self._lock)
        self.reader = Reader(path)
        self.counts = StoreCounts()
        try:
            self.heads = load_heads(self._connection, specs)
        except BaseException:
            self._connection.close()
            self._lock.release()
            raise
        # Named by whoever layers base document and changes, and loads the policies.
        self.register_version = self.revision = ""
        self._queue: deque[_Waiting] = deque()
        self._lazy: dict[str, HeldOperation] = {}
        self._wake = asyncio.Event()
        self._writing = False
        self._stopping = False
        self._broken: GatewayError | None = None
        self._tails = Tails(self.heads, self.reader)
        self._on_grown: Callable[[Group], None] = lambda _group: None
        self._on_mirrored: Callable[[Mirrored], None] = lambda _mirrored: None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="store-commit")
        self._writer: asyncio.Task[None] | None = None

    # ---- opening ---------------------------------------------------------------------------

    def start(
        self,
        on_grown: Callable[[Group], None],
        on_mirrored: Callable[[Mirrored], None] = lambda _mirrored: None,
    ) -> None:
        """Begin to write, on this loop. Both callbacks are called once for each committed group.

        ``on_mirrored`` hears of what waits for this node whoever brought the group and whether or
        not that stream still lives: what is durable here is acted on.
        """
        self._on_grown, self._on_mirrored = on_grown, on_mirrored
        self._writer = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write what is queued, put the last checkpoints down, close."""
        self._stopping = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
        self.close()

    def close(self) -> None:
        """Close files and free the lock; for a store that was never started, all of stopping."""
        if self._broken is None:
            for head in self.heads.values():
                self._connection.execute(
                    "UPDATE logs SET checkpoint = ? WHERE id = ? AND role = 'own'",
                    (head.checkpoint, head.row),
                )
            self.reader.close()  # so that ours is the last one, and everything is in one file
        self._disk.shutdown()
        self._connection.close()
        self._lock.release()

    # ---- asking ----------------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to be written: rows, heads and what was told are one then."""
        return not (self._writing or self._queue)

    @property
    def broken(self) -> GatewayError | None:
        """Why the store no longer writes; ``Unavailable`` where opening it again may help."""
        return self._broken

    async def record(self, record: Record) -> tuple[Position, ...]:
        """Make a record durable; the positions of its entries, under a signed checkpoint.

        Raises ``AlreadyOpen``, ``Stale`` (nothing written), ``Unavailable`` or ``Fatal``.
        """
        size = sum(
            len(a.entry) + (len(a.beside.sealed) + len(a.beside.declaration) if a.beside else 0)
            for a in record.appends
        )
        found: tuple[Position, ...] = await self._submit(
            RecordOperation(record), len(record.appends), size
        )
        return found

    async def extend(self, group: MirrorGroup) -> Mirrored:
        """Verify and make durable a peer's group. Raises ``Fatal`` for log-level failures."""
        size = sum(len(i.entry) + len(i.sealed) + len(i.declaration) for i in group.items)
        found: Mirrored = await self._submit(MirrorOperation(group), len(group.items), size)
        return found

    async def replace_payload(
        self, position: Position, declaration: bytes, sealed: bytes, wraps: tuple[bytes, ...]
    ) -> None:
        """Put a payload that was asked for again where the first one was missing."""
        again = ReplacePayload(position, declaration, sealed, wraps)
        await self._submit(again, 0, len(sealed))

    async def stop_log(self, origin: str, reason: str) -> None:
        """Nothing is appended to this log any more until a person has looked."""
        await self._submit(StopOperation(origin, reason), 0, 0)

    def keep_held(self, origin: str, size: int, note: bytes) -> None:
        """Keep the peer's cosigned checkpoint with the next group; nobody waits for it."""
        self._lazy[origin] = HeldOperation(origin, size, note)
        self._wake.set()

    def size(self, origin: str) -> int:
        """Durable entries of a log."""
        return self.heads[origin].size

    def root(self, origin: str) -> str:
        """Root of a log at its durable size, hex."""
        return self.heads[origin].frontier.root().hex()

    def held_size(self, origin: str) -> int:
        """Entries of an own log that its reader says it holds; all of a mirror, none of others."""
        head = self.heads.get(origin)
        return 0 if head is None else head.size if head.role == "mirror" else head.held_size

    def stopped(self, origin: str) -> str | None:
        """Why a log stopped, if it did."""
        return self.heads[origin].stopped

    def tail_group(self, origin: str, start: int) -> Group | None:
        """Committed groups of an own log from ``start`` on, joined, if still in memory."""
        return self._tails.joined(origin, start)

    def read_group(self, origin: str, start: int) -> Group | None:
        """The next group of an own log from ``start`` on, read from the rows. Blocks.

        Raises ``Fatal(STORE_CORRUPT)`` where the rows are not what was signed before.
        """
        return self._tails.read(self.heads[origin], start)

    def scrub(self, origin: str, tile: int) -> None:
        """Hash 256 old rows again. Blocks. Raises ``Fatal(STORE_CORRUPT)``."""
        scrub(self.reader.connection(), self.heads[origin], tile)

    async def _submit(self, operation: Operation, appends: int, size: int) -> Any:
        if self._broken is not None:
            raise self._broken
        if self._stopping:
            raise Unavailable(Reason.DRAINING, "the node is stopping")
        future = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(operation, future, appends, size))
        self._wake.set()
        return await future

    # ---- the writer ------------------------------------------------------------------------

    async def _run(self) -> None:
        loop, wait_s = asyncio.get_running_loop(), 0.0
        while not self._stopping or self._queue or self._lazy:
            await self._wanted(wait_s)
            batch, lazy = self._take()
            if not batch and not lazy:
                continue
            began, self._writing = loop.time(), True
            self._deliver(await self._write(batch, lazy))
            self._writing = False
            entries = sum(waiting.appends for waiting in batch) if len(batch) > 1 else 0
            wait_s = company_s(entries, loop.time() - began, self._group_wait_s)

    async def _wanted(self, wait_s: float) -> None:
        """Until there is something to write, and a moment more for company under load."""
        self._wake.clear()
        while not self._queue and not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAZY_S if self._lazy else None):
                    await self._wake.wait()
                self._wake.clear()
                continue
            return
        if wait_s and not self._stopping:
            await asyncio.sleep(wait_s)

    def _take(self) -> tuple[list[_Waiting], list[HeldOperation]]:
        batch: list[_Waiting] = []
        entries = size = 0
        while self._queue:
            first = self._queue[0]
            full = entries + first.appends > GROUP_ENTRIES_MAX
            if batch and (full or size + first.size > GROUP_BYTES_MAX):
                break
            batch.append(self._queue.popleft())
            entries, size = entries + first.appends, size + first.size
        lazy = list(self._lazy.values())
        self._lazy.clear()
        return batch, lazy

    async def _write(self, batch: list[_Waiting], lazy: list[HeldOperation]) -> _Committed:
        """One transaction; on a storage error everybody waiting gets it and nothing is swapped."""
        if self._broken is not None:
            return _Committed([_Done(w, self._broken) for w in batch])
        tx = Transaction(self._connection, self.heads, self.register_version, self.revision)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            done = [_Done(waiting, _result(waiting.operation, tx)) for waiting in batch]
            for held in lazy:
                held.apply(tx)
            tx.finish()
            await asyncio.get_running_loop().run_in_executor(self._disk, self._commit)
        except (apsw.Error, OSError) as error:
            return _Committed([_Done(w, self._failed(error)) for w in batch])
        except Exception as error:  # noqa: BLE001 - a fault of ours must not take the neighbours along silently
            self._failed(error)
            self._broken = Fatal(Reason.INTERNAL, f"the writer failed: {error!r}")
            return _Committed([_Done(w, self._broken) for w in batch])
        self.register_version, self.revision = tx.register_version, tx.revision
        try:
            groups = self._publish(tx)
        except Fatal as fatal:
            self._broken = fatal
            return _Committed([_Done(w, fatal) for w in batch])
        self._count(batch, tx)
        return _Committed(done, groups)

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _failed(self, error: Exception) -> GatewayError:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(error, apsw.FullError | apsw.ReadOnlyError | apsw.BusyError):
            return Unavailable(Reason.STORE_UNAVAILABLE, f"the store cannot write now: {error}")
        # After a failed sync nobody knows what is on disk: only a restart reads it back. What was
        # asked for may then stand, so whoever asked has to ask again.
        self._broken = (
            Unavailable(Reason.STORE_UNAVAILABLE, f"the store is to be read again: {error}")
            if isinstance(error, apsw.IOError | OSError)
            else Fatal(Reason.STORE_CORRUPT, f"the store failed: {error}")
        )
        return self._broken

    def _publish(self, tx: Transaction) -> list[Group]:
        """After the commit: read back, swap the heads, sign."""
        groups = []
        for growth in tx.growths.values():
            if not growth.leaves:
                continue
            rows = growth.reread(self._connection)
            growth.swap()
            head = growth.head
            if head.signer is not None:
                head.checkpoint = signed(head, head.frontier)
                groups.append(as_group(head, growth.start, rows))
        return groups

    def _count(self, batch: list[_Waiting], tx: Transaction) -> None:
        self.counts.groups += 1
        self.counts.fsyncs += 1
        self.counts.records += len(batch)
        for growth in tx.growths.values():
            if growth.head.signer is not None:
                self.counts.entries += len(growth.leaves)
            else:
                self.counts.mirrored += len(growth.leaves)

    def _deliver(self, committed: _Committed) -> None:
        """Tell everybody, the link first so that entries are on their way."""
        for group in committed.groups:
            self._tails.append(group)
            self._on_grown(group)
        for done in committed.done:
            if isinstance(done.result, Mirrored):
                self._on_mirrored(done.result)
            if done.waiting.future.done():
                continue  # its owner was cancelled; the record stands all the same
            if isinstance(done.result, Exception):
                done.waiting.future.set_exception(done.result)
            else:
                done.waiting.future.set_result(done.result)


def _opened(path: Path, synchronous: str, lock: StoreLock) -> apsw.Connection:
    try:
        return connect(path, synchronous)
    except Fatal:
        lock.release()
        raise


def _result(operation: Operation, tx: Transaction) -> Any:
    """An operation's result, or the refusal it raised before writing anything."""
    try:
        return operation.apply(tx)
    except (AlreadyOpen, Stale, GatewayError) as refusal:
        return refusal
