"""How much of each class of work is under way, and the end of it.

gRPC's own ``maximum_concurrent_rpcs`` counts health checks too and has been counting wrongly
(pitfall 5). Here each class has its own bound, so that readers cannot starve exchanges; health and
reflection are in no class.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Unavailable


class Work(StrEnum):
    """Classes of work. ``FREE`` is bounded by nothing here and holds up no drain."""

    EXCHANGE = "exchange"
    READ = "read"
    TAIL = "tail"
    PULL = "pull"
    FREE = "free"


LIMITS: Mapping[Work, int] = {
    Work.EXCHANGE: limits.EXCHANGES_IN_FLIGHT_MAX,
    Work.READ: limits.READS_IN_FLIGHT_MAX,
    Work.TAIL: limits.TAILS_OPEN_MAX,
    Work.PULL: limits.PULLS_OPEN_MAX,
}


class InFlight:
    """Counts calls under way by class; used on the event loop only."""

    def __init__(self, most: Mapping[Work, int] = LIMITS) -> None:
        self._most = most
        self._running = dict.fromkeys(most, 0)
        self._closed = False
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
        if self._running[work] >= self._most[work]:
            raise Unavailable(
                Reason.TOO_MANY_REQUESTS,
                "The node has as many calls of this kind in flight as it takes.",
                kind=str(work),
            )
        self._running[work] += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running[work] -= 1
            if not any(self._running.values()):
                self._idle.set()

    def running(self, work: Work) -> int:
        """Calls of a class that are under way."""
        return self._running[work]

    def close(self) -> None:
        """Take no more calls of any class."""
        self._closed = True

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()
