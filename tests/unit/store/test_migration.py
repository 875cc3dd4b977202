"""A store moves whole between SQLite and PostgreSQL, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.harness.postgres import Server
from tests.property.test_store import EXCHANGE, MIRRORS, OWN, Model, check, group, open_store, specs

from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.model.record import (
    Append,
    Beside,
    Count,
    CountSubjects,
    KeepKey,
    KeepRegister,
    Record,
    Until,
)
from xbgateway.store import migration
from xbgateway.store.migration import TABLES, migrate
from xbgateway.store.postgres import PostgresStore

AT = "2026-03-16T02:00:00.000Z"
SIZE = 700  # more than a page, and full tiles


async def _filled(path: Path, model: Model) -> None:
    store = open_store(path)
    store.start(lambda _group: None)
    beside = Beside(b"declared", b"sealed", b"a wrap")
    for start in range(0, SIZE, 100):
        raws = [model.next(junk=False) for _ in range(start, start + 100)]
        await store.record(Record(tuple(Append(OWN[1], raw, EXCHANGE, beside) for raw in raws)))
        model.of(OWN[1]).extend(raws)
    made = group(MIRRORS[0], model, 90, junk=True)
    await store.extend(made)
    model.of(MIRRORS[0]).extend(item.entry for item in made.items)
    effects = (
        KeepKey(EXCHANGE, b"key", AT, Until("2031-03-16", None)),
        Count("kind", b"whose", "2026", 3, (0, 9)),
        CountSubjects("kind", b"set", "2026-03-16", "2026-01-01", (b"a", b"b"), 9),
        KeepRegister("1" * 64, b"document", "1" * 64, AT),
    )
    await store.record(Record(effects=effects))
    await store.stop()


async def test_there_and_back_every_row_is_the_same_and_both_go_on(
    tmp_path: Path, postgres: Server
) -> None:
    source, back, model = tmp_path / "store.db", tmp_path / "back.db", Model()
    await _filled(source, model)
    url = postgres.fresh()
    counts = migrate(source, url)
    assert counts["entries"] == SIZE + 90
    assert (counts["subjects"], counts["subject_days"], counts["counters"]) == (2, 1, 1)
    assert migrate(url, back) == counts
    assert _dump(back) == _dump(source)
    store = PostgresStore(url, specs(), group_wait_s=0)
    store.start(lambda _group: None)
    check(store, model)
    raw = model.next(junk=False)
    beside = Beside(b"declared", b"sealed", b"another wrap")  # a row that the store numbers
    await store.record(Record((Append(OWN[1], raw, EXCHANGE, beside),)))
    model.of(OWN[1]).append(raw)
    check(store, model)
    await store.stop()


def test_every_table_is_moved(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    assert _dump(tmp_path / "store.db").keys() == TABLES.keys()


async def test_a_copy_that_is_not_equal_leaves_the_target_empty(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, url = tmp_path / "store.db", postgres.fresh()
    await _filled(source, Model())
    copy: Callable[..., None] = migration._copy

    def altering(old: Any, new: Any, table: str) -> None:
        copy(old, new, table)
        if table == "entries":
            new.execute("UPDATE entries SET entry = ? WHERE exchange IS NULL", (b"other",))

    monkeypatch.setattr(migration, "_copy", altering)
    with pytest.raises(Fatal, match="table entries is not the same"):
        migrate(source, url)
    monkeypatch.undo()
    assert migrate(source, url)["entries"] == SIZE + 90


async def test_what_is_in_use_or_holds_something_is_not_touched(
    tmp_path: Path, postgres: Server
) -> None:
    source, url = tmp_path / "store.db", postgres.fresh()
    with pytest.raises(Refused, match="is no store"):
        migrate(tmp_path / "nothing.db", url)
    await _filled(source, Model())
    running = open_store(source)
    with pytest.raises(Fatal) as caught:
        migrate(source, url)
    assert caught.value.reason is Reason.STORE_LOCKED
    running.close()
    migrate(source, url)
    with pytest.raises(Refused, match="a store already"):
        migrate(source, url)


def _dump(path: Path) -> dict[str, list[Any]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    found = {
        str(name): sorted(connection.execute(f'SELECT * FROM "{name}"'))
        for (name,) in connection.execute(tables).fetchall()
    }
    connection.close()
    return found
