"""How much of each class of work is under way, and the end of it.

gRPC's own ``maximum_concurrent_rpcs`` counts health checks too and has been counting wrongly
(pitfall 5). Here each class has its own bound, so that readers cannot starve exchanges; health and
reflection are in no class.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Unavailable


class Work(StrEnum):
    """Classes of work. ``FREE`` is bounded by nothing here and holds up no drain."""

    EXCHANGE = "exchange"
    READ = "read"
    TAIL = "tail"
    WATCH = "watch"
    PULL = "pull"
    STREAM = "stream"
    FREE = "free"


LIMITS: Mapping[Work, int] = {
    Work.EXCHANGE: limits.EXCHANGES_IN_FLIGHT_MAX,
    Work.READ: limits.READS_IN_FLIGHT_MAX,
    Work.TAIL: limits.TAILS_OPEN_MAX,
    Work.WATCH: limits.WATCHES_OPEN_MAX,
    Work.PULL: limits.PULLS_OPEN_MAX,
    Work.STREAM: limits.STREAMS_OPEN_MAX,
}


class InFlight:
    """Counts calls under way by class; used on the event loop only."""

    def __init__(self, most: Mapping[Work, int] = LIMITS) -> None:
        self._most = most
        self._running: dict[Work, set[asyncio.Task[Any]]] = {work: set() for work in most}
        self._closed = False
        self._cut_off: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admitted(self, work: Work) -> Iterator[None]:
        """One call of a class.

        Raises at once ``Unavailable``: ``TOO_MANY_REQUESTS`` when full, ``DRAINING`` once closed.
        """
        if work not in self._most:
            yield
            return
        if self._closed:
            raise Unavailable(Reason.DRAINING, "The node is stopping.")
        if len(self._running[work]) >= self._most[work]:
            raise Unavailable(
                Reason.TOO_MANY_REQUESTS,
                "The node has as many calls of this kind in flight as it takes.",
                kind=str(work),
            )
        task = _this_task()
        self._running[work].add(task)
        self._idle.clear()
        try:
            yield
        finally:
            self._running[work].discard(task)
            if not any(self._running.values()):
                self._idle.set()

    def running(self, work: Work) -> int:
        """Calls of a class that are under way."""
        return len(self._running[work])

    def close(self) -> None:
        """Take no more calls of any class."""
        self._closed = True

    def cut_off(self) -> None:
        """End what is still under way: it is cancelled, and :meth:`was_cut_off` says by whom."""
        self._cut_off = set().union(*self._running.values())
        for task in self._cut_off:
            task.cancel()

    def was_cut_off(self) -> bool:
        """Whether a cancellation seen in this task is :meth:`cut_off`'s; it is taken back then."""
        task = _this_task()
        if task not in self._cut_off:
            return False
        self._cut_off.discard(task)
        task.uncancel()
        return True

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "calls are counted in the task that serves them"
    return task
