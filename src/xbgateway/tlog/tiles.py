"""Tiles and entry bundles: the C2SP tlog-tiles layout to the byte.

Names and encodes what a log serves; never reads or writes a file. The store keeps tiles, the
frontier completes them, the exporter and the auditor walk them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.tlog.merkle import HASH_BYTES

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
CHECKPOINT_PATH: Final = "checkpoint"

# (level, index, width) -> exactly width * 32 bytes. It raises what its storage raises.
TileReader = Callable[[int, int, int], bytes]

_LENGTH_BYTES = 2


class EntryTooLarge(Refused):
    """An entry of more than 65,535 bytes, which no bundle can hold."""

    def __init__(self, entry_bytes: int) -> None:
        super().__init__(
            Reason.ENTRY_INVALID,
            "the entry is larger than an entry bundle can say",
            entry_bytes=str(entry_bytes),
            entry_bytes_max=str(limits.ENTRY_BYTES_MAX),
        )


@dataclass(frozen=True, slots=True)
class Tile:
    """1 to 256 consecutive hashes of one tile level; partial below 256."""

    level: int
    index: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds."""
        return len(self.hashes) // HASH_BYTES

    def path(self) -> str:
        """Where the tile is served, below the log's prefix."""
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int, index: int, width: int) -> str:
    """``tile/<L>/<N>[.p/<W>]``."""
    return f"tile/{level}/{_place(index, width)}"


def bundle_path(index: int, width: int) -> str:
    """``tile/entries/<N>[.p/<W>]``."""
    return f"tile/entries/{_place(index, width)}"


def tile_width(level: int, index: int, size: int) -> int:
    """How wide tile (``level``, ``index``) is in a tree of ``size``: 0 to 256."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def read_tile(tile: TileReader, level: int, index: int, width: int) -> tuple[bytes, ...]:
    """The hashes of a tile; raises ``Fatal(STORE_CORRUPT)`` when the reader's answer is not it."""
    raw = tile(level, index, width)
    if len(raw) != width * HASH_BYTES:
        raise Fatal(
            Reason.STORE_CORRUPT,
            "a stored tile has the wrong length",
            path=tile_path(level, index, width),
            tile_bytes=str(len(raw)),
        )
    return split_hashes(raw)


def split_hashes(raw: bytes) -> tuple[bytes, ...]:
    """A tile's bytes as 32-byte hashes."""
    return tuple(raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES))


def tile_reader_of(read: Callable[[str], bytes]) -> TileReader:
    """A tile reader over anything that reads a path of an exported log."""

    def tile(level: int, index: int, width: int) -> bytes:
        return read(tile_path(level, index, width))

    return tile


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as one bundle: a big-endian 16-bit length before each. Raises EntryTooLarge."""
    parts: list[bytes] = []
    for entry in entries:
        # REQ-LOG-2: the length field bounds an entry; content is kept out of the log anyway.
        check_entry_bytes(entry)
        parts.append(len(entry).to_bytes(_LENGTH_BYTES, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(raw: bytes) -> tuple[Sequence[bytes], int]:
    """The whole entries of a bundle and how many bytes they filled.

    Never raises: an auditor wants what is readable. A reader who needs a sound bundle compares
    the count with the width and the filled bytes with ``len(raw)``.
    """
    entries: list[bytes] = []
    at = 0
    while at + _LENGTH_BYTES <= len(raw):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(raw[at:start], "big")
        if end > len(raw):
            break
        entries.append(raw[start:end])
        at = end
    return entries, at


def check_entry_bytes(entry: bytes) -> None:
    """Raise :class:`EntryTooLarge` for an entry that no bundle can hold."""
    if len(entry) > limits.ENTRY_BYTES_MAX:
        raise EntryTooLarge(len(entry))


def _place(index: int, width: int) -> str:
    """The index in groups of three digits, all but the last after an ``x``, and the width."""
    # REQ-LOG-15
    assert index >= 0
    assert 0 < width <= TILE_WIDTH
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:  # noqa: PLR2004 - three digits a group
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    path = "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
