"""A group is committed, then signed, then handed out: never in another order (promise 1)."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.property.test_store import EXCHANGE, MIRRORS, OWN, Model, group, open_store

from xbgateway.model.record import Append, Group, Record
from xbgateway.store import logs


async def test_nothing_is_signed_or_handed_out_while_the_commit_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "store.db")
    grown: list[Group] = []
    signed: list[int] = []
    sign = logs.signed

    def signing(head: Any, frontier: Any, held: int) -> bytes:
        signed.append(frontier.size)
        return sign(head, frontier, held)

    monkeypatch.setattr("xbgateway.store.writer.signed", signing)
    store.start(grown.append)
    committing, go_on = threading.Event(), threading.Event()

    def hang() -> bool:
        committing.set()
        go_on.wait(10)
        return False  # let it commit

    store._connection.set_commit_hook(hang)
    origin, model = OWN[0], Model()
    head = store.heads[origin]
    note = head.checkpoint
    try:
        recording = asyncio.create_task(
            store.record(Record((Append(origin, model.next(junk=False), EXCHANGE),)))
        )
        mirroring = asyncio.create_task(store.extend(group(MIRRORS[0], model, 2, junk=False)))
        assert await asyncio.to_thread(committing.wait, 5)
        await asyncio.sleep(0.05)  # whatever would come too early has time to come
        assert not signed
        assert not grown
        assert not recording.done()
        assert not mirroring.done()  # so there is nothing to cosign
        assert (head.size, head.checkpoint, store.size(MIRRORS[0])) == (0, note, 0)
        assert store.tail_group(origin, 0) is None
        assert store.read_group(origin, 0) is None
        assert store.reader.entries(origin, 0, 9) == []
    finally:
        go_on.set()
    await recording
    await mirroring
    assert signed == [1]
    assert [(g.origin, g.start, g.end) for g in grown] == [(origin, 0, 1)]
    assert store.size(MIRRORS[0]) == 2
    await store.stop()


async def test_rows_are_read_back_between_commit_and_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "store.db")
    order: list[str] = []
    sign, reread = logs.signed, logs.Growth.reread

    def signing(head: Any, frontier: Any, held: int) -> bytes:
        order.append("signed")
        return sign(head, frontier, held)

    def reading(growth: Any, connection: Any) -> Any:
        assert not connection.in_transaction
        order.append("read back")
        return reread(growth, connection)

    monkeypatch.setattr("xbgateway.store.writer.signed", signing)
    monkeypatch.setattr(logs.Growth, "reread", reading)
    store.start(lambda _group: order.append("handed out"))

    def committing() -> bool:
        order.append("commit")
        return False

    store._connection.set_commit_hook(committing)
    model = Model()
    await store.record(Record((Append(OWN[0], model.next(junk=False), EXCHANGE),)))
    order.append("told")
    assert order == ["commit", "read back", "signed", "handed out", "told"]
    store._connection.set_commit_hook(None)
    await store.stop()


async def test_a_commit_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    grown: list[Group] = []
    store.start(grown.append)
    model = Model()
    first = model.next(junk=False)
    await store.record(Record((Append(OWN[0], first, EXCHANGE),)))
    head = store.heads[OWN[0]]
    before = (head.size, head.checkpoint, head.frontier.root())
    store._connection.set_commit_hook(lambda: True)
    with pytest.raises(Exception, match="the store failed"):
        await store.record(Record((Append(OWN[0], model.next(junk=False), EXCHANGE),)))
    assert (head.size, head.checkpoint, head.frontier.root()) == before
    assert len(grown) == 1
    await store.stop()
    again = open_store(tmp_path / "store.db")
    assert again.reader.entries(OWN[0], 0, 9) == [first]
    assert again.heads[OWN[0]].checkpoint == before[1]
    again.close()
