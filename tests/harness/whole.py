"""Everything that a store holds, to say of it that nothing was changed."""

import asyncio
from typing import Any

from xbgateway.store import SqliteStore, Store


def embedded(store: Store) -> SqliteStore:
    """A node's store, known to be a file."""
    assert isinstance(store, SqliteStore)
    return store


def contents(store: Store) -> dict[str, list[Any]]:
    """Every row of every table, as a reader of its own sees it."""
    connection = store.reader.connection()
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return {
        str(name): connection.execute(f'SELECT * FROM "{name}"').fetchall()
        for (name,) in connection.execute(tables).fetchall()
    }


async def at_rest(*stores: Store) -> list[dict[str, list[Any]]]:
    """The contents of stores once none of them writes any more; receipts are kept lazily."""
    async with asyncio.timeout(10):
        while True:
            before = [contents(store) for store in stores]
            await asyncio.sleep(0.3)
            if before == (now := [contents(store) for store in stores]):
                return now
