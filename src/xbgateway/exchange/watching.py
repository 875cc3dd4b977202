"""Who waits for the next change of an exchange.

Memory only, and only for speed: whoever waits looks for itself after a while, since a change may
come from another task, or from a process that was before this one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Watching:
    """Owned by the event loop. Bounded by whoever lets watchers in."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def changed(self, exchange: str) -> None:
        """Something about an exchange is on record: tell who watches it."""
        for each in self._watchers.get(exchange, ()):
            each.set()

    @contextmanager
    def watched(self, exchange: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change from now on; the watcher clears it."""
        mine = asyncio.Event()
        watchers = self._watchers.setdefault(exchange, set())
        watchers.add(mine)
        try:
            yield mine
        finally:
            watchers.discard(mine)
            if not watchers:
                self._watchers.pop(exchange, None)
