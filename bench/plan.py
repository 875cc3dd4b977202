"""Two nodes, or one node and its fifty peers, as a queueing model fed by measured figures.

An exchange is the path of ``exchange/outbound.py`` and ``inbound.py``: four commits on each node,
each after a quarter of the node's processor time; two of the eight are on nobody's way. What a
group costs beside its exchanges is derived from the figures at 1 and 64 concurrent; at 256 the
model is compared with what was measured (``docs/scale.md``).
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.queues import Gather, Line, Station, Walk, Way
from bench.result import Figures, percentiles
from xbgateway.model.limits import GROUP_ENTRIES_MAX
from xbgateway.store.pace import company_s

_COMMITS = 4  # of each node, per exchange
_ALL = 1 << 30
_LEAST_WAIT_S = 0.001  # the default of limits.group_wait_ms
_Z99 = 2.326  # of the normal distribution: how far p99 is from the median


@dataclass(frozen=True, slots=True)
class Costs:
    """What the model is fed with. Seconds and bytes."""

    sender_s: float  # processor time per exchange, beside its groups
    receiver_s: float
    group_s: float  # processor time per group
    service_s: float
    sync_s: float  # median of a durable write of 64 KiB
    sync_spread: float  # sigma of its logarithm
    byte_s: float  # what each byte of a durable write takes more
    entry_bytes: float  # of the store, per entry
    rows_s: float  # processor time of the store's statements per exchange and node

    @classmethod
    def of(cls, kept: dict[str, Figures]) -> "Costs":
        """From the kept figures of the sections ``exchange``, ``steps``, ``flat`` and ``sync``."""
        one, many = (_measured(kept["exchange"], at) for at in ("1", "64"))
        group = sum(
            (one[node][0] - many[node][0]) / (one[node][1] - many[node][1]) / 2 for node in one
        )
        sync = {int(size): of for size, of in kept["sync"]["bytes"].items()}
        small, middle, large = sorted(sync)
        p50 = {size: of["p50_ms"]["median"] / 1e3 for size, of in sync.items()}
        p99 = sync[middle]["p99_ms"]["median"] / 1e3
        flat, steps = kept["flat"], kept["steps"]["steps"]
        product = kept["exchange"]["concurrency"]["64"]["product"]
        rows = [name for name in steps if name.startswith("writer:") and "commit" not in name]
        return cls(
            sender_s=many["zhuhai"][0] - group * many["zhuhai"][1],
            receiver_s=many["macao"][0] - group * many["macao"][1],
            group_s=group,
            service_s=product["cpu_us"]["macao-agency"] / 1e6,
            sync_s=p50[middle],
            sync_spread=math.log(p99 / p50[middle]) / _Z99,
            byte_s=max(0.0, p50[large] - p50[small]) / (large - small),
            entry_bytes=(flat["store_bytes"]["full"] - flat["store_bytes"]["small"])
            / (flat["entries"]["full"] - flat["entries"]["small"]),
            rows_s=sum(steps[name]["us"] for name in rows) / 1e6,
        )


def _measured(exchange: Figures, at: str) -> dict[str, tuple[float, float]]:
    """Processor seconds and commits per exchange, by node."""
    cpu, groups = exchange["concurrency"][at]["product"]["cpu_us"], exchange["groups"][at]
    return {
        node: (cpu[node] / 1e6, groups[node]["commits_per_exchange"])
        for node in ("zhuhai", "macao")
    }


@dataclass(frozen=True, slots=True)
class Shape:
    """What a node consists of. One database of no cores is the embedded store in the process."""

    workers: int = 1
    lanes: int = 1  # per peer; a worker owns whole lanes
    databases: int = 1
    database_cores: int = 0
    per_log: float = 0.5  # of what a group costs: what each log in it costs
    statements: float = 2.0  # what a statement costs there, by what it costs in the process
    written: float = 3.0  # bytes made durable there by bytes of the store


class Node:
    """Workers of one core each with a writer each; databases whose flushes carry many commits."""

    def __init__(self, shape: Shape, costs: Costs, chance: random.Random) -> None:
        self._shape, self._costs, self._chance = shape, costs, chance
        self.workers = [Station() for _ in range(shape.workers)]
        self.disks = [Station() for _ in range(shape.databases)]
        self.statements = [Station(max(1, shape.database_cores)) for _ in range(shape.databases)]
        flushes = [Gather(_ALL, self._flush(disk)) for disk in self.disks]
        self.writers = [
            Gather(GROUP_ENTRIES_MAX, self._commit(number, flushes[number % shape.databases]))
            for number in range(shape.workers)
        ]

    def step(self, lane: int, seconds: float) -> Walk:
        """An entry of a lane: processor time of the worker that owns it, and its commit."""
        number = lane % self._shape.workers
        yield self.workers[number], seconds
        yield self.writers[number], lane

    def _flush(self, disk: Station) -> Way:
        def way(sizes: list[float], done: Callable[[], None]) -> Walk:
            c = self._costs
            drawn = c.sync_s * self._chance.lognormvariate(0, c.sync_spread)
            yield disk, drawn + sum(sizes) * c.byte_s
            done()

        return way

    def _commit(self, number: int, flush: Gather) -> Way:
        c, shape = self._costs, self._shape
        own = shape.database_cores == 0

        def way(lanes: list[float], done: Callable[[], None]) -> Walk:
            entries, logs = len(lanes), len(set(lanes))
            took = c.group_s * (1 + shape.per_log * (logs - 1))
            yield self.workers[number], took
            if not own:
                there = shape.statements * entries * c.rows_s / _COMMITS
                yield self.statements[number % shape.databases], there
                took += there
            yield flush, entries * c.entry_bytes * (1.0 if own else shape.written)
            done()
            yield None, company_s(entries if entries > 1 else 0, took + c.sync_s, _LEAST_WAIT_S)

        return way

    def loads(self, seconds: float) -> dict[str, float]:
        """Share of the time that the busiest of each kind was busy."""
        found = {"worker": self.workers, "disk": self.disks}
        if self._shape.database_cores:
            found["database"] = self.statements
        return {
            kind: max(s.busy_s / s.servers for s in stations) / seconds
            for kind, stations in found.items()
        }


class World:
    """A node, its peers, and the exchanges between them."""

    def __init__(self, costs: Costs, ours: Shape, peers: int, *, line_s: float) -> None:
        self.line, self._chance = Line(), random.Random(20261126)  # noqa: S311 - a simulation
        self._costs, self._line_s = costs, line_s
        self._lanes = ours.lanes
        self.node = Node(ours, costs, self._chance)
        theirs = Shape(workers=ours.lanes, lanes=ours.lanes)
        self.peers = [Node(theirs, costs, self._chance) for _ in range(peers)]
        self.took: list[tuple[float, float]] = []  # when begun, how long

    def _exchange(self) -> Walk:
        c, began = self._costs, self.line.now
        peer, lane = self._chance.randrange(len(self.peers)), self._chance.randrange(self._lanes)
        here, there = self.node, self.peers[peer]
        at = peer * self._lanes + lane
        sends, receives = c.sender_s / _COMMITS, c.receiver_s / _COMMITS
        yield from here.step(at, sends)  # the request
        yield None, self._line_s
        yield from there.step(lane, receives)  # its mirror
        yield from there.step(lane, receives)  # accepted
        self.line.go_on(self._beside(here, at, sends))
        yield None, c.service_s
        yield from there.step(lane, receives)  # the answer
        yield None, self._line_s
        yield from here.step(at, sends)  # its mirror
        yield from here.step(at, sends)  # the final entry
        self.line.go_on(self._beside(there, lane, receives))
        self.took.append((began, self.line.now - began))

    def _beside(self, node: Node, lane: int, seconds: float) -> Walk:
        """The mirror of an entry that nobody waits for."""
        yield None, self._line_s
        yield from node.step(lane, seconds)

    def _asker(self) -> Walk:
        while True:
            yield from self._exchange()

    def _arriving(self, per_second: float) -> Iterator[tuple[None, float]]:
        while True:
            yield None, self._chance.expovariate(per_second)
            self.line.go_on(self._exchange())

    def closed(self, callers: int, seconds: float) -> Figures:
        """So many callers, each with one exchange at a time."""
        for _ in range(callers):
            self.line.go_on(self._asker())
        return self._ran(seconds)

    def open(self, per_second: float, seconds: float) -> Figures:
        """So many new exchanges a second, whatever becomes of them."""
        self.line.go_on(self._arriving(per_second))
        return self._ran(seconds)

    def _ran(self, seconds: float) -> Figures:
        """Of what began after the first third: times in ms, None where fewer than two ended."""
        self.line.run(seconds)
        warm = seconds / 3
        times = [took * 1e3 for began, took in self.took if began >= warm]
        p50, p99 = percentiles(times) if len(times) > 1 else (None, None)
        ended = sum(1 for began, took in self.took if began + took >= warm)
        groups = sum(w.groups for w in self.node.writers)
        return {
            "per_second": ended / (seconds - warm),
            "p50_ms": p50,
            "p99_ms": p99,
            "commits_per_exchange": groups / max(1, len(self.took)),
            "loads": self.node.loads(seconds),
        }
