"""An exchange's key is kept once: a second one would make what rests under the first unreadable."""

from pathlib import Path

import pytest
from tests.property.test_store import EXCHANGE, open_store

from xbgateway.model.errors import Fatal
from xbgateway.model.record import KeepKey, Record, Until

AT = "2026-03-16T02:00:00.000Z"
UNTIL = Until("2031-03-16", None)


async def test_a_second_key_of_an_exchange_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    store.start(lambda _group: None)
    await store.record(Record(effects=(KeepKey(EXCHANGE, b"first", AT, UNTIL),)))
    with pytest.raises(Fatal):
        await store.record(Record(effects=(KeepKey(EXCHANGE, b"second", AT, UNTIL),)))
    row = store.reader.exchange_row(EXCHANGE)
    assert row is not None
    assert row[2] == b"first"
    await store.stop()
