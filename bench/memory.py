"""Resident memory of both nodes over many exchanges: it has to stop growing."""

import asyncio
import statistics

from bench import load
from bench.processes import NODES, Pair, pair
from bench.result import Figures, number, say, table

_CONCURRENCY = 64
_PARTS = 10
_MEGABYTE = 1e6
# Growth over the second half, against what the node has then, that still counts as none.
BOUNDED_WITHIN = 0.05


async def measure(calls: int) -> Figures:
    """Load in equal parts, resident bytes after each."""
    async with pair(load.folder("memory")) as both:
        points = [_resident(both, 0)]
        for part in range(_PARTS):
            one = await load.run(both, "product", _CONCURRENCY, calls=max(1, calls // _PARTS))
            points.append(_resident(both, points[-1]["exchanges"] + one.calls))
            say(
                f"  part {part + 1} of {_PARTS}: {points[-1]['exchanges']:,} exchanges, "
                + ", ".join(f"{node} {points[-1][node] / _MEGABYTE:.0f} MB" for node in NODES)
            )
    return {"points": points, "nodes": {node: _growth(points, node) for node in NODES}}


def _resident(both: Pair, exchanges: int) -> Figures:
    return {"exchanges": exchanges, **{node: both.rss(node) for node in NODES}}


def _growth(points: list[Figures], node: str) -> Figures:
    """Slope over the second half, when caches have filled; bytes per exchange."""
    late = points[len(points) // 2 :]
    slope, _at_zero = statistics.linear_regression(
        [p["exchanges"] for p in late], [p[node] for p in late]
    )
    grown = slope * (late[-1]["exchanges"] - late[0]["exchanges"])
    return {
        "start_mb": round(points[0][node] / _MEGABYTE, 1),
        "end_mb": round(points[-1][node] / _MEGABYTE, 1),
        "most_mb": round(max(p[node] for p in points) / _MEGABYTE, 1),
        "bytes_per_exchange_late": round(slope, 1),
        "bounded": grown <= BOUNDED_WITHIN * late[-1][node],
    }


def run(calls: int) -> Figures:
    """The section; prints its table."""
    say(f"memory: {calls:,} exchanges at {_CONCURRENCY} concurrent")
    figures = asyncio.run(measure(calls))
    table(
        "Resident memory",
        ("node", "start MB", "end MB", "most MB", "late growth, bytes per exchange", "bounded"),
        [(node, *(number(v) if isinstance(v, float) else str(v) for v in one.values()))
         for node, one in figures["nodes"].items()],
    )  # fmt: skip
    return figures
