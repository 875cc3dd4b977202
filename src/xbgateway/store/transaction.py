"""One write transaction: what queued during the last flush, applied in order, all or nothing.

Every operation refuses *before* it writes, so one refusal never harms a neighbour in the group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from xbgateway.model.entry import (
    Accepted,
    Anchor,
    Entry,
    Erasure,
    Final,
    KeyBundle,
    Register,
    Request,
    SigningKeys,
    decode,
    filed_under,
)
from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.model.origins import is_data, parse
from xbgateway.model.outcome import Position
from xbgateway.model.proposal import UseRevision
from xbgateway.model.record import KeepChange, KeepRegister, MirrorGroup, Pending, Record, Stale

from . import effects
from .connection import Connection
from .logs import INSERT_BESIDE, INSERT_ENTRY, Growth, LogHead
from .schema import INDEX_BITS, exchange_key
from .turns import INSERT_TURN, turn_of

# Mirrored wraps beyond the newest few are of no use: the receiver opens payloads at once.
_WRAPS_KEPT = 128
INSERT_PENDING = "INSERT INTO pending VALUES (?, 'mirrored')"
# Inserts before what may take them away again.
_LATER = (INSERT_ENTRY, INSERT_BESIDE, INSERT_PENDING, INSERT_TURN, *effects.LATER)


class Transaction:
    """The writer's working state between BEGIN and COMMIT."""

    def __init__(
        self,
        connection: Connection,
        heads: Mapping[str, LogHead],
        register_version: str,
        revision: str,
    ) -> None:
        self.connection = connection
        self.heads = heads
        self.rows = {head.origin: head.row for head in heads.values()}
        self.growths: dict[str, Growth] = {}
        self.register_version = register_version
        self.revision = revision
        # Rows that nobody in this transaction reads go in together, one statement for each kind:
        # every statement gives the interpreter lock away, and getting it back costs more than it.
        self._later: dict[str, list[tuple[Any, ...]]] = {sql: [] for sql in _LATER}
        self._exchanges: set[bytes] = set()

    def growth(self, origin: str) -> Growth:
        """The working copy of a log. Raises ``Unavailable`` for a log that has stopped."""
        head = self.heads.get(origin)
        if head is None:
            raise Refused(Reason.PEER_UNKNOWN, f"no log {origin} in this store")
        if head.stopped is not None:
            raise Unavailable(
                Reason.LOG_FORK, f"log {origin} has stopped: {head.stopped}", origin=origin
            )
        found = self.growths.get(origin)
        if found is None:
            found = self.growths[origin] = Growth(head)
        return found

    def later(self, sql: str, values: tuple[Any, ...]) -> None:
        """A row for the end of the transaction; ``sql`` is one of ``_LATER``, in that order."""
        self._later[sql].append(values)

    def is_new(self, exchange: bytes) -> bool:
        """Whether no entry of an exchange is on record or in this transaction. Asked once."""
        if exchange in self._exchanges:
            return False
        self._exchanges.add(exchange)
        sql = "SELECT 1 FROM entries WHERE exchange = ? LIMIT 1"
        return self.connection.execute(sql, (exchange,)).fetchone() is None

    def finish(self) -> None:
        """Write what follows from all operations together: rows, tiles and sizes."""
        for sql, rows in self._later.items():
            if rows:
                self.connection.executemany(sql, rows)
        for growth in self.growths.values():
            growth.write_tiles(self.connection)
            self.connection.execute(
                "UPDATE logs SET size = ?, checkpoint = ? WHERE id = ?",
                (growth.frontier.size, growth.note or growth.head.checkpoint, growth.head.row),
            )
            if growth.head.own:
                # Its checkpoint is signed after the commit; until it is on record itself this
                # root says what the next start may sign.
                self.connection.execute(
                    "INSERT INTO roots VALUES (?, ?, ?)"
                    " ON CONFLICT (log) DO UPDATE SET size = excluded.size, root = excluded.root",
                    (growth.head.row, growth.frontier.size, growth.frontier.root()),
                )

    def keep_bundle(self, origin: str, index: int, entry: bytes) -> None:
        """Key bundles are found again at start without reading a whole control lane."""
        self.connection.execute("INSERT INTO bundles VALUES (?, ?, ?)", (origin, index, entry))

    def keep_wrap(self, wrap: bytes) -> bytes:
        """Keep an epoch's wrap; its digest."""
        digest = sha256(wrap).digest()
        found = self.connection.execute("SELECT 1 FROM wraps WHERE hash = ?", (digest,)).fetchone()
        if found is None:
            self.connection.execute("INSERT INTO wraps (hash, wrap) VALUES (?, ?)", (digest, wrap))
            self.connection.execute(
                "DELETE FROM wraps WHERE n <= (SELECT max(n) FROM wraps) - ?"
                " AND hash NOT IN (SELECT wrap FROM beside WHERE wrap IS NOT NULL)",
                (_WRAPS_KEPT,),
            )
        return digest


class Operation(Protocol):
    """Something the writer does inside a transaction."""

    def apply(self, tx: Transaction) -> Any:
        """Check, then write. What it raises is its caller's answer; the group goes on."""


@dataclass(slots=True)
class RecordOperation:
    """A :class:`Record`: appends to own logs and the rows that follow."""

    record: Record

    def apply(self, tx: Transaction) -> tuple[Position, ...]:
        """Append and write; raises ``Stale`` or ``AlreadyOpen`` before anything is written."""
        record = self.record
        if record.register_version not in (None, tx.register_version):
            raise Stale
        effects.check(tx.connection, record.effects, tx.revision)
        growths = [tx.growth(append.origin) for append in record.appends]
        placed = []
        for append, growth in zip(record.appends, growths, strict=True):
            wrap = append.beside.wrap if append.beside else b""
            index = growth.append(tx.later, append, tx.keep_wrap(wrap) if wrap else None)
            placed.append(Position(append.origin, parse(append.origin).writer, index))
            if append.exchange is None:
                entry = decode(append.entry)
                if turn := turn_of(append.origin, index, entry, growth.turns.last):
                    growth.take(tx.later, turn)
                if isinstance(entry, KeyBundle):
                    tx.keep_bundle(append.origin, index, append.entry)
        for effect in record.effects:
            effects.apply(tx.connection, tx.later, effect, tx.rows)
            if isinstance(effect, KeepRegister):
                tx.register_version = effect.in_use
            elif isinstance(effect, KeepChange):
                tx.register_version = effect.version
            elif isinstance(effect, UseRevision):
                tx.revision = effect.revision
        return tuple(placed)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a mirrored group became: the new size, the note, and what waits for this node."""

    origin: str
    size: int
    checkpoint: bytes
    pending: tuple[Pending, ...]
    entries: tuple[Entry | None, ...]  # one for each entry of the group; None: cannot be read


@dataclass(slots=True)
class MirrorOperation:
    """A peer's group: verified on a copy, then its rows and pending rows."""

    group: MirrorGroup

    def apply(self, tx: Transaction) -> Mirrored:
        """Verify and insert; a log-level failure stops the log and raises ``Fatal``.

        Raises ``Unavailable`` where a group before this one is missing: the link sees to it that
        groups come in order (REQ-LINK-12), so it is this store that could not keep it.
        """
        group = self.group
        growth = tx.growth(group.origin)
        if group.start > growth.frontier.size:
            raise Unavailable(
                Reason.STORE_UNAVAILABLE, "a group that came before this one could not be kept"
            )
        try:
            entries = growth.mirror(tx.later, group)
        except Fatal as fatal:
            tx.connection.execute(
                "UPDATE logs SET stopped = ? WHERE id = ?", (fatal.reason, growth.head.row)
            )
            growth.head.stopped = fatal.reason
            raise
        for wrap in group.wraps:
            tx.keep_wrap(wrap)
        data, pending = is_data(group.origin), []
        for offset, (item, entry) in enumerate(zip(group.items, entries, strict=True)):
            index = group.start + offset
            pos = growth.head.first_row(index)
            filed = filed_under(entry)
            key = exchange_key(filed) if filed else None
            new = isinstance(entry, Request) and key is not None and tx.is_new(key)
            tx.later(INSERT_ENTRY, (pos, key, item.entry))
            if isinstance(entry, Final) and growth.head.answering is not None:
                first = growth.head.answering << INDEX_BITS
                tx.later(effects.RELEASE_ANSWER, (key, first, first + (1 << INDEX_BITS)))
            if isinstance(entry, KeyBundle):
                tx.keep_bundle(group.origin, index, item.entry)
            if not (_waits(entry) if data else _changes(entry)):
                continue
            tx.later(INSERT_PENDING, (pos,))
            tx.later(INSERT_BESIDE, (pos, None, item.declaration, item.sealed, None))
            position = Position(group.origin, parse(group.origin).writer, index)
            readable = None if isinstance(entry, Refused) else entry
            pending.append(
                Pending(
                    position,
                    item.entry,
                    readable,
                    "mirrored",
                    item.declaration,
                    item.sealed,
                    unseen_before=new,
                )
            )
        known = tuple(None if isinstance(e, Refused) else e for e in entries)
        return Mirrored(group.origin, growth.frontier.size, group.checkpoint, tuple(pending), known)


def _waits(entry: Entry | Refused) -> bool:
    """Whether this node has to act on a mirrored entry of a data lane."""
    if isinstance(entry, Refused):
        return True
    if isinstance(entry, Accepted | Final | Erasure | KeyBundle | SigningKeys | Anchor):
        return False
    return filed_under(entry) is not None


def _changes(entry: Entry | Refused) -> bool:
    """Whether an entry of a control lane is of a change that this node has to take up."""
    return isinstance(entry, Register) and entry.change is not None


@dataclass(slots=True)
class ReplacePayload:
    """A payload that was asked for again."""

    position: Position
    declaration: bytes
    sealed: bytes
    wraps: tuple[bytes, ...]

    def apply(self, tx: Transaction) -> None:
        """Put it where the first one was missing."""
        for wrap in self.wraps:
            tx.keep_wrap(wrap)
        tx.connection.execute(
            "UPDATE beside SET declaration = ?, sealed = ? WHERE pos = ?",
            (self.declaration, self.sealed, effects.row_of(tx.rows, self.position)),
        )


@dataclass(slots=True)
class HeldOperation:
    """The peer's cosigned checkpoint of an own log: it holds these entries durably."""

    origin: str
    size: int
    note: bytes

    def apply(self, tx: Transaction) -> None:
        """Keep the larger of what is on record and this."""
        head = tx.heads[self.origin]
        if self.size > head.held_size:
            head.held_size, head.held = self.size, self.note
            tx.connection.execute(
                "UPDATE logs SET held_size = ?, held = ? WHERE id = ?",
                (self.size, self.note, head.row),
            )


@dataclass(slots=True)
class StopOperation:
    """A log is not to be trusted: it takes no entry until a person has looked."""

    origin: str
    reason: str

    def apply(self, tx: Transaction) -> None:
        """Keep the first reason."""
        head = tx.heads[self.origin]
        if head.stopped is None:
            head.stopped = self.reason
            tx.connection.execute(
                "UPDATE logs SET stopped = ? WHERE id = ?", (self.reason, head.row)
            )
