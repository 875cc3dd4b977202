"""The growing right edge of a log: tree head and tiles, one leaf hash at a time.

This is the hot path of recording and mirroring: an append costs one node hash on average, a root
O(log n), a copy a few microseconds. Never reads a store except in :meth:`Frontier.restore`, and
keeps at most 255 hashes for each tile level.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Self

from xbgateway.tlog.merkle import EMPTY_ROOT, HASH_BYTES, node_hash
from xbgateway.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, TileReader, read_tile


class _Row:
    """The current partial tile of one level, with the roots of its complete subtrees."""

    __slots__ = ("hashes", "peaks")

    def __init__(self, hashes: list[bytes], peaks: list[bytes]) -> None:
        self.hashes = hashes
        # One root for each set bit of len(hashes), the largest subtree first.
        self.peaks = peaks

    def push(self, value: bytes) -> bytes | None:
        """Add a hash. The root of the whole tile once it is full, else None."""
        hashes, peaks = self.hashes, self.peaks
        hashes.append(value)
        count = len(hashes)
        carried = count
        while not carried & 1:
            value = sha256(b"\x01" + peaks.pop() + value).digest()
            carried >>= 1
        if count == TILE_WIDTH:
            return value
        peaks.append(value)
        return None


class Frontier:
    """An append-only tree head over leaf hashes that also hands out tiles as they fill.

    Not shared between threads: one writer owns a log.
    """

    __slots__ = ("_rows", "size")

    def __init__(self) -> None:
        self.size: int = 0
        self._rows: list[_Row] = [_Row([], [])]

    def append(self, leaf_hash: bytes) -> tuple[Tile, ...]:
        """Add one 32-byte leaf hash; the full tiles that it completed, from level 0 upward."""
        return self.extend((leaf_hash,))

    def extend(self, leaf_hashes: Iterable[bytes]) -> tuple[Tile, ...]:
        """Add leaf hashes in order; the full tiles completed, in the order of completion."""
        completed: list[Tile] = []
        rows = self._rows
        push = rows[0].push
        for leaf in leaf_hashes:
            assert len(leaf) == HASH_BYTES
            self.size += 1
            tile_root = push(leaf)
            if tile_root is not None:
                self._carry(tile_root, completed)
        return tuple(completed)

    def _carry(self, tile_root: bytes | None, completed: list[Tile]) -> None:
        """Close the full tiles, each one's root becoming a hash of the level above."""
        level = 0
        while tile_root is not None:
            row = self._rows[level]
            index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
            completed.append(Tile(level, index, b"".join(row.hashes)))
            row.hashes.clear()
            level += 1
            if level == len(self._rows):
                self._rows.append(_Row([], []))
            tile_root = self._rows[level].push(tile_root)

    def root(self) -> bytes:
        """The tree head at the current size."""
        computed: bytes | None = None
        for row in self._rows:
            for peak in reversed(row.peaks):
                computed = peak if computed is None else node_hash(peak, computed)
        return EMPTY_ROOT if computed is None else computed

    def copy(self) -> "Frontier":
        """An independent frontier at the same size (at most 255 pointers a level are copied)."""
        twin = Frontier()
        twin.size = self.size
        twin._rows = [_Row(row.hashes[:], row.peaks[:]) for row in self._rows]
        return twin

    def partial_tiles(self) -> tuple[Tile, ...]:
        """The current partial tile of each level that has one, from level 0 upward."""
        return tuple(
            Tile(level, self.size >> (TILE_HEIGHT * (level + 1)), b"".join(row.hashes))
            for level, row in enumerate(self._rows)
            if row.hashes
        )

    @classmethod
    def restore(cls, size: int, tile: TileReader) -> Self:
        """The frontier at ``size`` from its partial tiles: at most one read a level.

        What the reader returns is believed: compare :meth:`root` with a signed checkpoint before
        use. Raises ``Fatal(STORE_CORRUPT)`` for a tile of the wrong length.
        """
        frontier = cls()
        frontier.size = size
        rows: list[_Row] = []
        level = 0
        while level == 0 or size >> (TILE_HEIGHT * level):
            width = (size >> (TILE_HEIGHT * level)) % TILE_WIDTH
            row = _Row([], [])
            if width:
                index = size >> (TILE_HEIGHT * (level + 1))
                for value in read_tile(tile, level, index, width):
                    row.push(value)
            rows.append(row)
            level += 1
        frontier._rows = rows
        return frontier
