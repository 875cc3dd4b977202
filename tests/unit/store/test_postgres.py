"""What only a store in PostgreSQL can meet: two writers, a lost answer, a server that dies."""

import asyncio
import signal
import threading
from typing import Any

import psycopg
import pytest
from tests.harness.cluster import eventually
from tests.harness.postgres import Server
from tests.property.test_store import EXCHANGE, MIRRORS, OWN, Model, check, group, specs

from xbgateway.model.errors import Fatal, GatewayError, Reason, Refused, Unavailable
from xbgateway.model.record import Append, Group, KeepKey, Record, Until
from xbgateway.store import logs, writer
from xbgateway.store.postgres import PostgresStore

AT = "2026-03-16T02:00:00.000Z"


def opened(url: str) -> PostgresStore:
    return PostgresStore(url, specs(), group_wait_s=0)


def one(model: Model) -> Record:
    raw = model.next(junk=False)
    model.of(OWN[0]).append(raw)
    return Record((Append(OWN[0], raw, EXCHANGE),))


def ask(url: str, sql: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def end_sessions(url: str) -> None:
    ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
             " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")  # fmt: skip


async def test_a_second_process_is_refused_while_the_first_writes(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.store.postgres._LOCK_WAIT_MS", 1000)
    url = postgres.fresh()
    store = opened(url)
    with pytest.raises(Fatal) as caught:
        opened(url)
    assert caught.value.reason is Reason.STORE_LOCKED
    other = opened(postgres.fresh())  # another node's store in the same database
    other.close()
    store.close()
    opened(url).close()


async def test_a_writer_whose_time_is_over_writes_nothing(postgres: Server) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    grown: list[Group] = []
    store.start(grown.append)
    await store.record(one(model))
    ask(url, "UPDATE store SET epoch = epoch + 1 RETURNING 1")  # what the next writer does
    note = store.heads[OWN[0]].checkpoint
    with pytest.raises(Fatal) as caught:
        await store.record(Record((Append(OWN[0], model.next(junk=False), EXCHANGE),)))
    assert caught.value.reason is Reason.STORE_LOCKED
    assert (len(grown), store.heads[OWN[0]].checkpoint) == (1, note)
    await store.stop()
    again = opened(url)
    check(again, model)
    again.close()


async def _broken(store: PostgresStore) -> GatewayError:
    await eventually(lambda: store.broken is not None, 10)
    assert store.broken is not None
    return store.broken


async def test_a_writer_with_nothing_to_write_sees_that_its_time_is_over(postgres: Server) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    store.start(lambda _group: None)
    await store.record(one(model))
    ask(url, "UPDATE store SET epoch = epoch + 1 RETURNING 1")
    assert (await _broken(store)).reason is Reason.STORE_LOCKED
    await store.stop()


async def test_a_writer_with_nothing_to_write_sees_that_the_server_is_gone(
    postgres: Server,
) -> None:
    url = postgres.fresh()
    store = opened(url)
    store.start(lambda _group: None)
    await asyncio.sleep(1.5)
    assert store.broken is None
    end_sessions(url)
    assert isinstance(await _broken(store), Unavailable)
    await store.stop()


async def test_an_error_of_one_transaction_leaves_nothing_of_it(postgres: Server) -> None:
    """A key is kept once, as in ``test_keys_kept.py``."""
    store = opened(url := postgres.fresh())
    store.start(lambda _group: None)
    until = Until("2031-03-16", None)
    await store.record(Record(effects=(KeepKey(EXCHANGE, b"first", AT, until),)))
    with pytest.raises(Fatal):
        await store.record(Record(effects=(KeepKey(EXCHANGE, b"second", AT, until),)))
    await store.stop()
    assert ask(url, "SELECT key FROM exchanges") == [(b"first",)]


async def test_a_text_that_cannot_be_kept_is_refused_alone(postgres: Server) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    store.start(lambda _group: None)
    bad = Record(effects=(KeepKey(EXCHANGE, b"key", AT, Until("2031-03-16\0", None)),))
    told = await asyncio.gather(store.record(bad), store.record(one(model)), return_exceptions=True)
    assert isinstance(told[0], Refused)
    assert told[0].reason is Reason.ARGUMENT_INVALID
    check(store, model)
    await store.stop()


@pytest.mark.parametrize("stands", [True, False])
async def test_after_a_commit_whose_answer_is_lost_nothing_is_signed_until_it_is_read_again(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    grown: list[Group] = []
    store.start(grown.append)
    await store.record(one(model))
    head = store.heads[OWN[0]]
    before, signed = (head.size, head.checkpoint), []
    monkeypatch.setattr(writer, "signed", lambda *_: signed.append(1))
    commit = store._commit

    def cut() -> None:
        if stands:
            commit()
        end_sessions(url)
        commit()

    monkeypatch.setattr(store, "_commit", cut)
    raw = model.next(junk=False)
    with pytest.raises(Unavailable) as caught:
        await store.record(Record((Append(OWN[0], raw, EXCHANGE),)))
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    assert isinstance(store.broken, Unavailable)  # so the node stops, and its next start reads
    assert (head.size, head.checkpoint) == before
    assert not signed
    assert len(grown) == 1
    with pytest.raises(Unavailable):
        await store.extend(group(MIRRORS[0], model, 1, junk=False))
    await store.stop()
    monkeypatch.undo()
    if stands:
        model.of(OWN[0]).append(raw)
    again = opened(url)
    check(again, model)
    again.close()


async def test_rows_that_are_not_what_was_written_are_not_signed(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    store.start(lambda _group: None)
    reread, order = logs.Growth.reread, []

    def altered(growth: Any, connection: Any) -> Any:
        order.append(threading.current_thread().name)
        ask(url, "UPDATE entries SET entry = 'other' RETURNING 1")
        return reread(growth, connection)

    monkeypatch.setattr(logs.Growth, "reread", altered)
    note = store.heads[OWN[0]].checkpoint
    with pytest.raises(Fatal) as caught:
        await store.record(one(model))
    assert caught.value.reason is Reason.STORE_CORRUPT
    assert store.heads[OWN[0]].checkpoint == note
    assert all(name.startswith("store-commit") for name in order)  # the loop waits for no network
    await store.stop()
    with pytest.raises(Fatal):
        opened(url)


async def test_what_was_told_survives_the_servers_death(postgres: Server) -> None:
    url, model = postgres.fresh(), Model()
    store = opened(url)
    store.start(lambda _group: None)
    told, enough = [], asyncio.Event()

    async def record(raw: bytes) -> None:
        await store.record(Record((Append(OWN[0], raw, EXCHANGE),)))
        told.append(raw)
        if len(told) == 30:
            enough.set()

    async def pour() -> None:
        for _ in range(1000):
            await asyncio.gather(*(record(model.next(junk=False)) for _ in range(5)))

    pouring = asyncio.create_task(pour())
    await enough.wait()
    await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
    with pytest.raises(Unavailable):
        await pouring
    await store.stop()
    with pytest.raises(Fatal) as caught:
        opened(url)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    postgres.start()  # of this thread: the kernel ends it with the one that began it
    again = opened(url)
    found = again.reader.entries(OWN[0], 0, 9999)
    assert found[: len(told)] == told
    model.entries = {OWN[0]: found}
    check(again, model)
    again.close()


async def test_a_reader_goes_on_after_its_session_was_lost(postgres: Server) -> None:
    url = postgres.fresh()
    store = opened(url)
    assert store.reader.bundles(OWN[0]) == []
    end_sessions(url)
    with pytest.raises(Unavailable):
        store.reader.bundles(OWN[0])
    assert store.reader.bundles(OWN[0]) == []
    store.close()


def test_a_reader_cannot_write(postgres: Server) -> None:
    store = opened(postgres.fresh())
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        store.reader.connection().execute("DELETE FROM logs")
    store.close()
