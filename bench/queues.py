"""A discrete-event simulation: work that goes from station to station. Knows nothing of gateways.

Seeded by whoever draws the times; two runs with the same draws are equal to the last digit.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol


class Stop(Protocol):
    """Where a walk may be served."""

    def take(self, line: "Line", walk: "Walk", amount: float) -> None:
        """A walk comes; ``line.go_on(walk)`` once it was served."""
        ...


# Where to be served next and how much of it (seconds, or what the stop counts); None: time passes.
Walk = Iterator[tuple[Stop | None, float]]
Way = Callable[[list[float], Callable[[], None]], Walk]


class Station:
    """Serves first come, first served, ``servers`` at a time; an amount is seconds."""

    def __init__(self, servers: int = 1) -> None:
        self.busy_s = 0.0
        self.servers = self._free = servers
        self._waiting: deque[tuple[Walk, float]] = deque()

    def take(self, line: "Line", walk: Walk, amount: float) -> None:
        """As every stop."""
        self._waiting.append((walk, amount))
        if self._free:
            self._free -= 1
            self._next(line)

    def _next(self, line: "Line") -> None:
        walk, seconds = self._waiting.popleft()
        self.busy_s += seconds

        def served() -> None:
            line.go_on(walk)
            if self._waiting:
                self._next(line)
            else:
                self._free += 1

        line.after(seconds, served)


class Gather:
    """One group after the other: what came while a group went its way is the next one.

    ``way`` is where a group goes, by the amounts of its walks; they go on when it calls ``done``,
    and the next group may go when its way is over.
    """

    def __init__(self, most: int, way: Way) -> None:
        self.groups = 0
        self._most, self._way = most, way
        self._going = False
        self._waiting: deque[tuple[Walk, float]] = deque()

    def take(self, line: "Line", walk: Walk, amount: float) -> None:
        """As every stop."""
        self._waiting.append((walk, amount))
        if not self._going:
            self._going = True
            line.go_on(self._all(line))

    def _all(self, line: "Line") -> Walk:
        while self._waiting:
            size = min(self._most, len(self._waiting))
            group = [self._waiting.popleft() for _ in range(size)]
            self.groups += 1

            def done(group: list[tuple[Walk, float]] = group) -> None:
                for walk, _ in group:
                    line.go_on(walk)

            yield from self._way([amount for _, amount in group], done)
        self._going = False


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
        """Take the next step of a walk."""
        step = next(walk, None)
        if step is None:
            return
        stop, amount = step
        if stop is None:
            self.after(amount, lambda: self.go_on(walk))
        else:
            stop.take(self, walk, amount)

    def run(self, until: float) -> None:
        """All events up to that moment."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until
