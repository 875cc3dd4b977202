"""Inclusion and consistency proofs, built from tiles.

Reads O(log n) tiles through a callable and keeps none of them. Never checks: a verifier does
(``merkle.py``), against a signed root, whatever the tiles said.
"""

from xbgateway.model.errors import Reason, Refused
from xbgateway.tlog.merkle import node_hash, root_of
from xbgateway.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, TileReader, read_tile, tile_width


def inclusion_proof(index: int, size: int, tile_reader: TileReader) -> tuple[bytes, ...]:
    """The sibling hashes of entry ``index`` in the tree of ``size``, leaf upward (RFC 6962 §2.1.1).

    Raises ``Refused(PROOF_INVALID)`` for an index outside the tree, ``Fatal(STORE_CORRUPT)`` for
    a tile of the wrong length.
    """
    if not 0 <= index < size:
        raise Refused(
            Reason.PROOF_INVALID, "no entry at that index", index=str(index), size=str(size)
        )
    nodes = _Nodes(size, tile_reader)
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(nodes.root(middle, end))
            end = middle
        else:
            path.append(nodes.root(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, tile_reader: TileReader) -> tuple[bytes, ...]:
    """The hashes that lead from the tree of ``old`` to that of ``new`` (RFC 6962 §2.1.2).

    Empty when nothing is to be proved: ``old`` is 0 or equals ``new``. Raises as
    :func:`inclusion_proof`.
    """
    if not 0 <= old <= new:
        raise Refused(
            Reason.PROOF_INVALID, "the sizes do not grow", old_size=str(old), new_size=str(new)
        )
    if old in (0, new):
        return ()
    nodes = _Nodes(new, tile_reader)
    start, end = 0, new
    path: list[bytes] = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(nodes.root(middle, end))
            end = middle
        else:
            path.append(nodes.root(start, middle))
            start = middle
    if start:
        path.append(nodes.root(start, end))
    return tuple(reversed(path))


def _split(count: int) -> int:
    """The largest power of two below ``count`` (RFC 6962 §2.1), for counts of two and more."""
    return 1 << ((count - 1).bit_length() - 1)


class _Nodes:
    """Subtree roots of one tree, computed from its tiles, each tile read once."""

    __slots__ = ("_read", "_size", "_tiles")

    def __init__(self, size: int, read: TileReader) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def root(self, start: int, end: int) -> bytes:
        """The root over leaves [start, end); ``start`` is a multiple of the range's largest part.

        Complete subtrees are looked up; the ragged right edge is put together from them.
        """
        peaks: list[bytes] = []
        while start < end:
            height = (end - start).bit_length() - 1
            peaks.append(self._complete(height, start >> height))
            start += 1 << height
        computed = peaks.pop()
        while peaks:
            computed = node_hash(peaks.pop(), computed)
        return computed

    def _complete(self, height: int, index: int) -> bytes:
        """The root of the complete subtree number ``index`` of 2**height leaves."""
        level, inside = divmod(height, TILE_HEIGHT)
        tile_index, first = divmod(index << inside, TILE_WIDTH)
        key = (level, tile_index)
        if key not in self._tiles:
            width = tile_width(level, tile_index, self._size)
            self._tiles[key] = read_tile(self._read, level, tile_index, width)
        return root_of(self._tiles[key][first : first + (1 << inside)])
