"""A store that was stopped is one file: nothing of it stands in a ``-wal`` beside it."""

import asyncio
import shutil
import threading
from pathlib import Path

import apsw
import pytest
from tests.property.test_store import EXCHANGE, OWN, Model, open_store

from xbgateway.model.errors import Fatal, Reason
from xbgateway.model.record import Append, Record
from xbgateway.store import SqliteStore


async def filled(path: Path, count: int = 300) -> SqliteStore:
    store, model = open_store(path), Model()
    store.start(lambda _group: None)
    records = [Record((Append(OWN[0], model.next(junk=False), EXCHANGE),)) for _ in range(count)]
    await asyncio.gather(*(store.record(record) for record in records))
    return store


def beside(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()} - {path.name, f"{path.name}.lock"}


async def test_readers_of_many_threads_leave_no_wal_behind(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await filled(path)
    reads = (asyncio.to_thread(store.reader.entries, OWN[0], 0, 300) for _ in range(8))
    assert {len(found) for found in await asyncio.gather(*reads)} == {300}
    assert beside(path) == {"store.db-wal", "store.db-shm"}
    await store.stop()
    assert beside(path) == set()
    copy = tmp_path / "elsewhere" / "store.db"
    copy.parent.mkdir()
    shutil.copyfile(path, copy)  # that one file is all of it
    again = open_store(copy)
    assert again.size(OWN[0]) == 300
    again.close()
    assert beside(copy) == set()


async def test_a_read_that_is_under_way_holds_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await filled(path)
    begun, told = threading.Event(), []

    def endless() -> None:
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        try:
            for _row in store.reader.connection().execute(count):
                begun.set()
        except apsw.Error as error:
            told.append(type(error))

    reading = threading.Thread(target=endless)
    reading.start()
    begun.wait(5)
    await asyncio.wait_for(store.stop(), 5)
    reading.join(5)
    assert not reading.is_alive()
    assert told
    assert beside(path) == set()


async def test_after_a_stop_it_can_still_be_read(tmp_path: Path) -> None:
    store = await filled(tmp_path / "store.db", 3)
    assert len(store.reader.entries(OWN[0], 0, 9)) == 3
    await store.stop()
    assert len(store.reader.entries(OWN[0], 0, 9)) == 3


async def test_a_broken_store_is_left_as_it_is(tmp_path: Path) -> None:
    """What its last commits left in the ``-wal`` is evidence; the next start reads it."""
    path = tmp_path / "store.db"
    store = await filled(path, 3)
    assert store.reader.entries(OWN[0], 0, 1)
    store._broken = Fatal(Reason.STORE_CORRUPT, "a failed sync")
    with pytest.raises(Fatal):
        await store.record(Record(()))
    await store.stop()
    assert "store.db-wal" in beside(path)
    store.reader.close()
