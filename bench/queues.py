"""A discrete-event simulation: work that goes from station to station. Knows nothing of gateways.

Seeded by whoever draws the times; two runs with the same draws are equal to the last digit.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

Walk = Iterator[tuple["Station | None", float]]


class Station:
    """Serves first come, first served: ``servers`` at a time, up to ``batch`` jobs in one go.

    ``fixed`` gives the seconds that each go costs beside the seconds of the jobs in it.
    """

    def __init__(
        self,
        kind: str,
        *,
        servers: int = 1,
        batch: int = 1,
        fixed: Callable[[], float] | None = None,
    ) -> None:
        self.kind = kind
        self.jobs = 0
        self.goes = 0
        self._servers, self._batch, self._fixed = servers, batch, fixed
        self._free = servers
        self._waiting: deque[tuple[Walk, float]] = deque()
        self._asked_s = 0.0
        self._fixed_s = 0.0

    def load(self, seconds: float) -> float:
        """What was asked of it by what it can do with full batches; 1 is saturation."""
        each = self._fixed_s / self.goes / self._batch if self.goes else 0.0
        return (self._asked_s + self.jobs * each) / (seconds * self._servers)

    def take(self, line: "Line", walk: Walk, seconds: float) -> None:
        """A job comes."""
        self.jobs += 1
        self._asked_s += seconds
        self._waiting.append((walk, seconds))
        self._begin(line)

    def _begin(self, line: "Line") -> None:
        while self._free and self._waiting:
            size = min(self._batch, len(self._waiting))
            jobs = [self._waiting.popleft() for _ in range(size)]
            extra = self._fixed() if self._fixed is not None else 0.0
            self._free -= 1
            self.goes += 1
            self._fixed_s += extra
            line.after(extra + sum(seconds for _, seconds in jobs), self._ender(line, jobs))

    def _ender(self, line: "Line", jobs: list[tuple[Walk, float]]) -> Callable[[], None]:
        def end() -> None:
            self._free += 1
            for walk, _ in jobs:
                line.go_on(walk)
            self._begin(line)

        return end


class Line:
    """The line of events, in seconds from its start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let something happen later; what falls together happens in the order it was told."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def go_on(self, walk: Walk) -> None:
        """Take the next step of a walk: a station to be served at, or None to let time pass."""
        step = next(walk, None)
        if step is None:
            return
        station, seconds = step
        if station is None:
            self.after(seconds, lambda: self.go_on(walk))
        else:
            station.take(self, walk, seconds)

    def run(self, until: float) -> None:
        """All events up to that moment."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until
