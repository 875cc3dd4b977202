"""Where a node can be made to die: at the n-th transaction of its store, on one side of the commit.

``before``: the transaction ran in full and did not commit. ``after``: it is committed, and nobody,
not the paths, not the link, not the caller, ever hears of it.
"""

import asyncio
from typing import Any, Literal

from tests.harness.whole import embedded

from xbgateway.core import Core
from xbgateway.model.errors import Fatal, Reason
from xbgateway.store.batch import Committed

Side = Literal["before", "after"]


class Crash:
    """Arms a store; ``happened`` is set when its ``number``-th transaction from now on came."""

    def __init__(self, number: int, side: Side) -> None:
        self.number = number
        self.side = side
        self.seen: list[str] = []
        self.happened = asyncio.Event()

    def arm(self, core: Core) -> None:
        store = embedded(core.store)
        write = store._write

        async def dying(batch: list[Any], lazy: list[Any]) -> Committed:
            if store._broken is not None or not batch:
                return await write(batch, lazy)
            self.seen.append(",".join(type(w.operation).__name__ for w in batch))
            if len(self.seen) != self.number:
                return await write(batch, lazy)
            if self.side == "before":
                store._connection.set_commit_hook(lambda: True)  # turns COMMIT into ROLLBACK
            await write(batch, lazy)
            store._broken = Fatal(Reason.INTERNAL, "the node was killed")
            self.happened.set()
            return Committed([])

        store._write = dying  # type: ignore[method-assign]


async def either(task: asyncio.Task[Any], crash: Crash) -> bool:
    """Whether the crash came before the task ended."""
    waiting = asyncio.ensure_future(crash.happened.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    waiting.cancel()
    return crash.happened.is_set()
