"""The store behind the rooms' ports: one writer with group commit.

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
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

from xbgateway.model.errors import Fatal, GatewayError, Reason, Unavailable
from xbgateway.model.limits import GROUP_BYTES_MAX, GROUP_ENTRIES_MAX
from xbgateway.model.outcome import Position
from xbgateway.model.record import Group, MirrorGroup, Record

from .batch import Committed, Done, StoreCounts, Waiting, group_of, result_of
from .connection import Connection
from .logs import Growth, scrub, signed
from .opening import LogSpec, load_heads
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

# An idle log's cosignature is not worth an fsync of its own; it rides with the next group.
_LAZY_S = 0.2


_AGAIN = "the store is to be read again"

# Each log that grew, with its rows as they stand after the commit.
Read = list[tuple[Growth, list[tuple[Any, ...]]]]


class Store(ABC):
    """The store of one node, of either kind. Open it, then ``start`` it on the event loop."""

    # What its engine raises where it cannot write.
    errors: ClassVar[tuple[type[Exception], ...]]
    # Seconds after which a writer with nothing to write looks whether it still could: where what
    # it writes to can be gone, or another's, without a word.
    idle_s: ClassVar[float | None] = None

    def __init__(
        self,
        connection: Connection,
        reader: Reader,
        specs: Sequence[LogSpec],
        *,
        group_wait_s: float,
    ) -> None:
        self._group_wait_s = group_wait_s
        self._connection = connection
        self.reader = reader
        self.counts = StoreCounts()
        try:
            self.heads = load_heads(self._connection, specs)
        except BaseException:
            self._connection.close()
            self._release()
            raise
        # Named by whoever layers base document and changes, and loads the policies.
        self.register_version = self.revision = ""
        self._queue: deque[Waiting] = deque()
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

    # ---- what differs between the kinds ------------------------------------------------------

    @abstractmethod
    def _begin(self) -> None:
        """Begin a transaction. Raises ``Fatal(STORE_LOCKED)`` where another writer took over."""

    @abstractmethod
    def _may_pass(self, error: Exception) -> bool:
        """Whether the same may work later, and nothing of it stands."""

    @abstractmethod
    def _read_again(self, error: Exception) -> bool:
        """Whether nobody knows what stands, so that only a restart can tell."""

    @abstractmethod
    def _release(self) -> None:
        """Let another process write, where closing the connection alone does not."""

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
            self._put_down()
            self.reader.close()  # so that ours is the last one, and everything is in one file
        self._disk.shutdown()
        self._connection.close()
        self._release()

    def _put_down(self) -> None:
        for head in self.heads.values():
            self._connection.execute(
                "UPDATE logs SET checkpoint = ? WHERE id = ? AND role = 'own'",
                (head.checkpoint, head.row),
            )

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
        self._queue.append(Waiting(operation, future, appends, size))
        self._wake.set()
        return await future

    # ---- the writer ------------------------------------------------------------------------

    async def _run(self) -> None:
        loop, wait_s = asyncio.get_running_loop(), 0.0
        while not self._stopping or self._queue or self._lazy:
            await self._wanted(wait_s)
            batch, lazy = self._take()
            if not (batch or lazy or self.idle_s):
                continue
            began, self._writing = loop.time(), True
            self._deliver(await self._write(batch, lazy))
            self._writing = False
            entries = sum(waiting.appends for waiting in batch) if len(batch) > 1 else 0
            wait_s = company_s(entries, loop.time() - began, self._group_wait_s)

    async def _wanted(self, wait_s: float) -> None:
        """Until there is something to write, and a moment more for company under load.

        Or until it was idle for long enough to see, by writing nothing, whether it still could.
        """
        self._wake.clear()
        while not self._queue and not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAZY_S if self._lazy else self.idle_s):
                    await self._wake.wait()
                self._wake.clear()
                continue
            return
        if wait_s and not self._stopping:
            await asyncio.sleep(wait_s)

    def _take(self) -> tuple[list[Waiting], list[HeldOperation]]:
        batch: list[Waiting] = []
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

    async def _write(self, batch: list[Waiting], lazy: list[HeldOperation]) -> Committed:
        """One transaction; on a storage error everybody waiting gets it and nothing is swapped."""
        if self._broken is not None:
            return Committed([Done(w, self._broken) for w in batch])
        tx = Transaction(self._connection, self.heads, self.register_version, self.revision)
        try:
            done, read = await self._transact(tx, batch, lazy)
        except self.errors as error:
            failed = self._failed(error)
            return Committed([Done(w, failed) for w in batch])
        except GatewayError as broken:
            self._roll_back()
            self._broken = broken
            return Committed([Done(w, broken) for w in batch])
        except Exception as error:  # noqa: BLE001 - a fault of ours must not take the neighbours along silently
            self._failed(error)
            self._broken = Fatal(Reason.INTERNAL, f"the writer failed: {error!r}")
            return Committed([Done(w, self._broken) for w in batch])
        self.register_version, self.revision = tx.register_version, tx.revision
        groups = self._publish(read)
        if batch or lazy:
            self._count(batch, tx)
        return Committed(done, groups)

    async def _transact(
        self, tx: Transaction, batch: list[Waiting], lazy: list[HeldOperation]
    ) -> tuple[list[Done], Read]:
        """Everything up to the commit, and its rows read back; only the commit is the thread's."""
        done = self._apply(tx, batch, lazy)
        await asyncio.get_running_loop().run_in_executor(self._disk, self._commit)
        return done, self._read_back(tx)

    def _apply(
        self, tx: Transaction, batch: list[Waiting], lazy: list[HeldOperation]
    ) -> list[Done]:
        self._begin()
        done = [Done(waiting, result_of(waiting.operation, tx)) for waiting in batch]
        for held in lazy:
            held.apply(tx)
        tx.finish()
        return done

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _read_back(self, tx: Transaction) -> Read:
        """After the commit: what stands, before any of it is signed."""
        try:
            return [(g, g.reread(self._connection)) for g in tx.growths.values() if g.leaves]
        except self.errors as error:
            raise Unavailable(Reason.STORE_UNAVAILABLE, f"{_AGAIN}: {error}") from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _failed(self, error: Exception) -> GatewayError:
        with suppress(*self.errors):  # a connection that is lost is rolled back by its other end
            self._roll_back()
        if self._may_pass(error):
            return Unavailable(Reason.STORE_UNAVAILABLE, f"the store cannot write now: {error}")
        # After a failed sync nobody knows what is on disk: only a restart reads it back. What was
        # asked for may then stand, so whoever asked has to ask again.
        self._broken = (
            Unavailable(Reason.STORE_UNAVAILABLE, f"{_AGAIN}: {error}")
            if self._read_again(error)
            else Fatal(Reason.STORE_CORRUPT, f"the store failed: {error}")
        )
        return self._broken

    def _publish(self, read: Read) -> list[Group]:
        """After reading back: swap the heads, sign."""
        groups = []
        for growth, rows in read:
            growth.swap()
            head = growth.head
            if head.own:
                head.checkpoint = signed(head, head.frontier, growth.start)
                group = group_of(head, growth.start, rows)
                groups.append(group)
                if head.turns.at(growth.start) is head.turns.last:
                    self._tails.append(group)
                else:
                    # Joined with others, one checkpoint would have too few signatures.
                    self._tails.forget(head.origin)
        return groups

    def _count(self, batch: list[Waiting], tx: Transaction) -> None:
        self.counts.groups += 1
        self.counts.fsyncs += 1
        self.counts.records += len(batch)
        for growth in tx.growths.values():
            if growth.head.own:
                self.counts.entries += len(growth.leaves)
            else:
                self.counts.mirrored += len(growth.leaves)

    def _deliver(self, committed: Committed) -> None:
        """Tell everybody, the link first so that entries are on their way."""
        for group in committed.groups:
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
