"""The growing edge: tiles as the specification counts them, copies, and restoring."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.tlog.logs import reason_of, tiles_of, transfers

from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.tlog import (
    EntryTooLarge,
    Frontier,
    Tile,
    bundle_path,
    decode_bundle,
    encode_bundle,
    leaf_hash,
    root_of,
    tile_path,
    tile_width,
)

HASHES = [leaf_hash(entry) for entry in transfers(3000)]


@pytest.mark.parametrize(
    ("size", "full", "partial"),
    [
        (0, {}, {}),
        (255, {}, {0: 255}),
        (256, {0: 1}, {1: 1}),
        (257, {0: 1}, {0: 1, 1: 1}),
        (65_536, {0: 256, 1: 1}, {2: 1}),
        (70_000, {0: 273, 1: 1}, {0: 112, 1: 17, 2: 1}),
    ],
)
def test_tiles_are_counted_as_the_specification_counts(
    size: int, full: dict[int, int], partial: dict[int, int]
) -> None:
    frontier = Frontier()
    tiles = frontier.extend(HASHES[i % 3000] for i in range(size))
    counted: dict[int, int] = {}
    for tile in tiles:
        assert tile.width == 256
        assert tile.index == counted.get(tile.level, 0)
        counted[tile.level] = tile.index + 1
    assert counted == full
    assert {tile.level: tile.width for tile in frontier.partial_tiles()} == partial
    for level in range(4):
        assert tile_width(level, full.get(level, 0), size) == partial.get(level, 0)


def test_upper_tiles_hold_the_roots_of_full_tiles_below() -> None:
    stored = tiles_of(HASHES)
    for index in range(3000 // 256):
        below = HASHES[index * 256 : (index + 1) * 256]
        assert stored.stored[0, index] == b"".join(below)
        assert stored.stored[1, 0][32 * index :][:32] == root_of(below)


@settings(max_examples=scaled(40), deadline=None)
@given(st.integers(0, 3000), st.integers(0, 600))
def test_restored_and_copied_frontiers_grow_alike(size: int, more: int) -> None:
    stored = tiles_of(HASHES[:size])
    restored = Frontier.restore(size, stored.read)
    assert stored.reads <= 2
    copied = stored.frontier.copy()
    before = stored.frontier.root()
    added = [HASHES[i % 3000] for i in range(more)]
    assert restored.extend(added) == copied.extend(added)
    assert restored.root() == copied.root() == root_of(HASHES[:size] + added)
    assert restored.partial_tiles() == copied.partial_tiles()
    # The original did not move.
    assert (stored.frontier.size, stored.frontier.root()) == (size, before)


def test_restore_reads_at_most_one_tile_a_level() -> None:
    frontier = Frontier()
    tiles = {
        (tile.level, tile.index): tile.hashes
        for tile in (*frontier.extend(HASHES[i % 3000] for i in range(70_000)),
                     *frontier.partial_tiles())
    }  # fmt: skip
    asked: list[tuple[int, int, int]] = []

    def read(level: int, index: int, width: int) -> bytes:
        asked.append((level, index, width))
        return tiles[level, index]

    restored = Frontier.restore(70_000, read)
    assert asked == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert restored.root() == frontier.root()


def test_restore_refuses_a_tile_of_the_wrong_length() -> None:
    def read(_level: int, _index: int, width: int) -> bytes:
        return bytes(32 * width - 1)

    assert reason_of(Fatal, Frontier.restore, 300, read) is Reason.STORE_CORRUPT


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (tile_path(0, 0, 1), "tile/0/000.p/1"),
        (tile_path(1, 999, 255), "tile/1/999.p/255"),
        (tile_path(63, 1000, 256), "tile/63/x001/000"),
        (bundle_path(273, 112), "tile/entries/273.p/112"),
        (bundle_path(1_234_067, 8), "tile/entries/x001/x234/067.p/8"),
        (Tile(2, 0, bytes(64)).path(), "tile/2/000.p/2"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_come_back_whole(entries: list[bytes]) -> None:
    raw = encode_bundle(entries)
    assert decode_bundle(raw) == (entries, len(raw))


def test_a_cut_bundle_gives_what_is_whole() -> None:
    raw = encode_bundle([b"one", b"two"])
    assert decode_bundle(raw[:-1]) == ([b"one"], 5)
    assert decode_bundle(raw + b"\0") == ([b"one", b"two"], 10)


def test_an_entry_is_at_most_65535_bytes() -> None:
    largest = bytes(65_535)
    assert decode_bundle(encode_bundle([largest])) == ([largest], 65_537)
    with pytest.raises(EntryTooLarge) as caught:
        encode_bundle([b"small", bytes(65_536)])
    assert isinstance(caught.value, Refused)
    assert caught.value.metadata["entry_bytes"] == "65536"
