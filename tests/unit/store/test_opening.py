"""What a start looks at before it signs, and what it leaves to the scrubber."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.property.test_store import EXCHANGE, OWN, Model, open_store

from xbgateway.model.errors import Fatal, Reason
from xbgateway.model.limits import START_TILES_MAX
from xbgateway.model.record import Append, Record
from xbgateway.store.logs import _tile_root
from xbgateway.store.schema import INDEX_BITS
from xbgateway.tlog import leaf_hash

TILES = START_TILES_MAX + 2
SIZE = TILES * 256 + 5


@pytest.fixture(scope="module", name="filled")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with more full tiles in one log than a start looks at."""
    path = tmp_path_factory.mktemp("filled") / "store.db"

    async def fill() -> None:
        store, model = open_store(path), Model()
        store.start(lambda _group: None)
        appends = [Append(OWN[0], model.next(junk=False), EXCHANGE) for _ in range(SIZE)]
        for start in range(0, SIZE, 200):
            await store.record(Record(tuple(appends[start : start + 200])))
        await store.stop()

    asyncio.run(fill())
    return path.read_bytes()


def damage(path: Path, index: int, *, hashes: bool = False, root: bool = False) -> None:
    """Another entry at an index, with its tile's hashes, and their root, made to fit or not."""
    connection = apsw.Connection(str(path))
    own = "SELECT id FROM logs WHERE origin = ?"
    row: Any = connection.execute(own, (OWN[0],)).fetchall()[0][0]
    first = row << INDEX_BITS | index // 256 * 256
    connection.execute(
        "UPDATE entries SET entry = ? WHERE pos = ?",
        (b"another", row << INDEX_BITS | index),
    )
    sql = "SELECT entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos"
    rows = connection.execute(sql, (first, first + 256)).fetchall()
    fresh = b"".join(leaf_hash(bytes(entry)) for (entry,) in rows)  # type: ignore[arg-type]
    where = (row, index // 256)
    if hashes:
        connection.execute(
            "UPDATE tiles SET hashes = ? WHERE log = ? AND level = 0 AND n = ?", (fresh, *where)
        )
    if root:
        connection.execute(
            "UPDATE tiles SET root = ? WHERE log = ? AND level = 0 AND n = ?",
            (_tile_root(fresh), *where),
        )
    connection.close()


def refused(path: Path) -> None:
    for _ in range(2):  # again, and without a lock left behind
        with pytest.raises(Fatal) as caught:
            open_store(path)
        assert caught.value.reason is Reason.STORE_CORRUPT
        assert caught.value.metadata["origin"] == OWN[0]


@pytest.mark.parametrize("index", [SIZE - 6, SIZE - 300, (TILES - START_TILES_MAX) * 256])
@pytest.mark.parametrize("fits", ["row", "row and hashes", "row, hashes and root"])
def test_damage_inside_a_recent_full_tile_is_noticed_before_anything_is_signed(
    tmp_path: Path, filled: bytes, index: int, fits: str
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(filled)
    damage(path, index, hashes="hashes" in fits, root="root" in fits)
    refused(path)


@pytest.mark.parametrize("hashes", [False, True])
def test_older_damage_is_the_scrubbers(tmp_path: Path, filled: bytes, hashes: bool) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(filled)
    damage(path, 7, hashes=hashes)
    store = open_store(path)
    with pytest.raises(Fatal) as caught:
        store.scrub(OWN[0], 0)
    assert caught.value.reason is Reason.STORE_CORRUPT
    for tile in range(1, TILES):
        store.scrub(OWN[0], tile)
    store.close()


def test_a_sound_store_opens(tmp_path: Path, filled: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(filled)
    store = open_store(path)
    assert store.size(OWN[0]) == SIZE
    store.close()
