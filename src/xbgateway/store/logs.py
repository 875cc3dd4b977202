"""The logs of a store as its writer sees them: in-memory heads that never run ahead of the rows.

A head changes in two steps. Within a transaction a *copy* grows; only when the commit has
succeeded is the copy swapped in. After the commit, and before the new checkpoint is signed, the
group's own rows are read back and hashed again: no checkpoint is signed over damaged data
(promise 3).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from xbgateway.model.entry import Entry, decode
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.model.record import Append, Group, MirrorGroup
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    Keys,
    NoteSigner,
    NoteVerifier,
    Tile,
    Turn,
    Turns,
    add_signatures,
    consistency_proof,
    extend_mirror,
    leaf_hash,
    node_hash,
    open_checkpoint,
    sign_checkpoint,
    verify_consistency,
)

from .connection import Connection
from .schema import INDEX_BITS, exchange_key
from .turns import INSERT_TURN, turn_of, values_of

INSERT_ENTRY = "INSERT INTO entries VALUES (?, ?, ?)"
INSERT_BESIDE = "INSERT INTO beside VALUES (?, ?, ?, ?, ?)"
_ROWS = "SELECT entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos"
_ROWS_WITH_BESIDE = (
    "SELECT e.entry, b.declaration, b.sealed, w.wrap FROM entries e"
    " LEFT JOIN beside b ON b.pos = e.pos LEFT JOIN wraps w ON w.hash = b.wrap"
    " WHERE e.pos >= ? AND e.pos < ? ORDER BY e.pos"
)
# Takes a statement and its values for the end of the transaction.
Later = Callable[[str, tuple[Any, ...]], None]


@dataclass(slots=True)
class LogHead:
    """One log of the store. Owned by the writer on its loop; other threads read ``size`` only."""

    row: int
    origin: str
    role: str  # own, mirror
    frontier: Frontier
    checkpoint: bytes | None  # own: signed here; mirror: verified
    held_size: int
    held: bytes | None
    stopped: str | None
    turns: Turns
    signers: Keys[NoteSigner] | None = None  # own logs
    last: Checkpoint | None = None  # mirrors: the checkpoint that the frontier stands at
    answering: int | None = None  # mirrors of data lanes: row of the own lane that answers it
    named: dict[bytes, NoteSigner] = field(default_factory=dict)  # own logs: under its origin

    @property
    def own(self) -> bool:
        """Whether this node writes it."""
        return self.role == "own"

    @property
    def size(self) -> int:
        """Entries that are durable."""
        return self.frontier.size

    def first_row(self, index: int) -> int:
        """Row number of an index in this log."""
        return self.row << INDEX_BITS | index


def tile_rows(connection: Connection, head_row: int, level: int, index: int, width: int) -> bytes:
    """Hashes of one tile, full or partial, from stored tiles or recomputed from entries."""
    row = connection.execute(
        "SELECT hashes FROM tiles WHERE log = ? AND level = ? AND n = ?", (head_row, level, index)
    ).fetchone()
    if row is not None:
        return bytes(row[0][: width * 32])
    if level == 0:
        first = head_row << INDEX_BITS | index * 256
        rows = connection.execute(
            "SELECT entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos",
            (first, first + width),
        )
        hashes = [leaf_hash(entry) for (entry,) in rows]
    else:
        rows = connection.execute(
            "SELECT root FROM tiles WHERE log = ? AND level = ? AND n >= ? AND n < ? ORDER BY n",
            (head_row, level - 1, index * 256, index * 256 + width),
        )
        hashes = [root for (root,) in rows]
    if len(hashes) != width:
        raise Fatal(
            Reason.STORE_CORRUPT,
            f"tile {level}/{index} of log {head_row} has {len(hashes)} of {width} hashes",
        )
    return b"".join(hashes)


def _tile_root(hashes: bytes) -> bytes:
    level = [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def restore(connection: Connection, head_row: int, size: int) -> Frontier:
    """The frontier of a log at ``size`` from its rows; reads O(log n) tiles and the last rows."""
    return Frontier.restore(
        size, lambda level, index, width: tile_rows(connection, head_row, level, index, width)
    )


class Growth:
    """What one transaction adds to one log: a working copy until the commit."""

    def __init__(self, head: LogHead) -> None:
        self.head = head
        self.frontier = head.frontier.copy()
        self.start = head.size
        self.leaves: list[bytes] = []
        self.tiles: list[Tile] = []
        self.note: bytes | None = None  # mirrors: the peer's verified note
        self.last: Checkpoint | None = None
        self.turns = head.turns

    def take(self, later: Later, turn: Turn) -> None:
        """Other keys are in force from here on."""
        self.turns = self.turns.then(turn)
        later(INSERT_TURN, (self.head.row, *values_of(turn)))

    def append(self, later: Later, append: Append, wrap: bytes | None) -> int:
        """Insert one own entry and what travels beside it; its index."""
        index = self.frontier.size
        pos = self.head.first_row(index)
        key = exchange_key(append.exchange) if append.exchange else None
        later(INSERT_ENTRY, (pos, key, append.entry))
        if append.beside is not None:
            beside = append.beside
            later(INSERT_BESIDE, (pos, key, beside.declaration, beside.sealed, wrap))
        leaf = leaf_hash(append.entry)
        self.leaves.append(leaf)
        self.tiles.extend(self.frontier.append(leaf))
        return index

    def mirror(self, later: Later, group: MirrorGroup) -> list[Entry | Refused]:
        """Verify a group on a copy; the entries decoded, or why each cannot be.

        Raises ``Fatal`` for log-level failures; nothing has been written then.
        """
        entries = [_decoded(item.entry) for item in group.items]
        turns = self.turns
        for index, entry in enumerate(entries, start=group.start):
            if turn := turn_of(self.head.origin, index, entry, turns.last):
                _check_turn(self.head.origin, turn, turns)
                turns = turns.then(turn)
        # REQ-LOG-23, REQ-LOG-24
        keys = turns.signing(group.start, group.start + len(entries))
        verifier, *others = (_verifier(self.head.origin, key) for key in keys)
        step = extend_mirror(
            self.frontier,
            group.start,
            [item.entry for item in group.items],
            group.checkpoint,
            verifier,
            self.head.origin,
            self.last or self.head.last,
        )
        for other in others:
            open_checkpoint(group.checkpoint, other, self.head.origin)
        self.frontier = step.frontier
        self.tiles.extend(step.tiles)
        self.leaves.extend(step.leaf_hashes)
        self.note, self.last = group.checkpoint, step.checkpoint
        for turn in turns.all[len(self.turns.all) :]:
            self.take(later, turn)
        return entries

    def write_tiles(self, connection: Connection) -> None:
        """Insert the tiles that this growth completed."""
        for tile in self.tiles:
            connection.execute(
                "INSERT INTO tiles VALUES (?, ?, ?, ?, ?)",
                (self.head.row, tile.level, tile.index, tile.hashes, _tile_root(tile.hashes)),
            )

    def reread(self, connection: Connection) -> list[tuple[Any, ...]]:
        """The committed rows as they stand, hashed again (REQ-LOG-10).

        ``(entry, declaration, sealed, wrap)`` each; of a mirror the entry alone. Raises
        ``Fatal(STORE_CORRUPT)`` where a row is not what was written.
        """
        first = self.head.first_row(self.start)
        sql = _ROWS_WITH_BESIDE if self.head.own else _ROWS
        rows: list[Any] = connection.execute(sql, (first, first + len(self.leaves))).fetchall()
        if [leaf_hash(row[0]) for row in rows] != self.leaves:
            raise Fatal(
                Reason.STORE_CORRUPT,
                f"rows of {self.head.origin} differ from what was written; nothing is signed",
                origin=self.head.origin,
            )
        return rows

    def swap(self) -> None:
        """The commit stands: the copy becomes the head."""
        self.head.frontier, self.head.turns = self.frontier, self.turns
        if self.note is not None:
            self.head.checkpoint, self.head.last = self.note, self.last


def _decoded(entry: bytes) -> Entry | Refused:
    try:
        return decode(entry)
    except Refused as refused:
        return refused


def signed(head: LogHead, frontier: Frontier, held: int) -> bytes:
    """A signed checkpoint of an own log at ``frontier``, for who holds it up to ``held``.

    Ed25519 is deterministic: the same head signed twice is the same note, never a second story.
    Raises ``Fatal(CONFIG_INVALID)`` where a key that has to sign is not there any more.
    """
    checkpoint = Checkpoint(head.origin, frontier.size, frontier.root())
    first, *others = (_signer(head, key) for key in head.turns.signing(held, frontier.size))
    note = sign_checkpoint(checkpoint, first)
    if not others:
        return note
    return add_signatures(note, *(other.sign(checkpoint.text()) for other in others))


def _signer(head: LogHead, public: bytes) -> NoteSigner:
    found = head.named.get(public)
    if found is None:
        assert head.signers is not None
        found = head.named[public] = head.signers.of(public).named(head.origin)
    return found


def _check_turn(origin: str, turn: Turn, before: Turns) -> None:
    stolen = turn.compromised.union(*(one.compromised for one in before.all))
    if turn.log_key == turn.cosign_key or {turn.log_key, turn.cosign_key} & stolen:
        raise Fatal(
            Reason.CHECKPOINT_SIGNATURE, "the log names a key that may not sign it", origin=origin
        )


def _verifier(origin: str, key: bytes) -> NoteVerifier:
    try:
        return NoteVerifier(origin, key)
    except Refused as refused:
        raise Fatal(
            Reason.CHECKPOINT_SIGNATURE, "the log names a key that is none", origin=origin
        ) from refused


def verified_at(connection: Connection, head: LogHead, whole: Frontier, group: Group) -> Frontier:
    """The frontier at the end of a group that was read back, proven to lead to the head.

    A checkpoint in the middle of a log is signed too (REQ-LOG-10, REQ-LINK-7): its entries are
    hashed again, and its root has to be one that the log really passed through.
    Raises ``Fatal(STORE_CORRUPT)``.
    """
    frontier = restore(connection, head.row, group.start)
    frontier.extend([leaf_hash(item.entry) for item in group.items])
    try:
        verify_consistency(
            frontier.size,
            whole.size,
            frontier.root(),
            whole.root(),
            consistency_proof(
                frontier.size,
                whole.size,
                lambda level, index, width: tile_rows(connection, head.row, level, index, width),
            ),
        )
    except Refused as refused:
        raise Fatal(
            Reason.STORE_CORRUPT,
            f"entries {group.start}..{frontier.size - 1} of {head.origin} are damaged",
            origin=head.origin,
        ) from refused
    return frontier


def scrub(connection: Connection, head: LogHead, tile: int) -> None:
    """Recompute one full level-0 tile from its entries and compare hashes and root with the stored.

    The levels above and the checkpoint rest on the root, proofs on the hashes.
    Raises ``Fatal(STORE_CORRUPT)``.
    """
    first = head.first_row(tile * 256)
    rows: Iterable[tuple[bytes]] = connection.execute(
        "SELECT entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos", (first, first + 256)
    )
    fresh = b"".join(leaf_hash(entry) for (entry,) in rows)
    stored = connection.execute(
        "SELECT hashes, root FROM tiles WHERE log = ? AND level = 0 AND n = ?", (head.row, tile)
    ).fetchone()
    if len(fresh) != 256 * 32 or stored != (fresh, _tile_root(fresh)):
        raise Fatal(
            Reason.STORE_CORRUPT,
            f"entries {tile * 256}..{tile * 256 + 255} of {head.origin} are damaged",
            origin=head.origin,
        )
