"""Does an exchange cost the same however long the logs are? A full store against a small one.

Two worlds of two nodes each, in memory but for their stores. Counts come from exchanges one after
the other, where every exchange is a group of its own and nothing depends on chance; wall time from
the same, and at 64 concurrent, in turns between the worlds.
"""

import asyncio
import shutil
import statistics
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from tests.harness.simulator import World, world
from tests.harness.whole import embedded

from bench.counting import (
    COUNTS,
    counting_files,
    counting_hashes,
    counting_statements,
    instructions_supported,
    rows_written,
)
from bench.load import folder
from bench.memory_world import exchanges, serve
from bench.prefill import fill
from bench.result import Figures, Spread, number, say, table

_COUNTED_EXCHANGES = 200
_TIMED_EXCHANGES = {1: 60, 64: 400}
# By how much a count may grow. Node hashes cannot stay within: the head of a tree of n leaves costs
# one for each bit set in n. What grows by more is named, whatever its reason.
FLAT_WITHIN = 0.10


async def _counts(w: World) -> dict[str, float]:
    """Operations of one exchange, both nodes together: medians, one exchange after the other.

    Medians, since now and then a group is fetched again that was not yet in memory.
    """
    await exchanges(w, 20, 1)
    await w.settle()
    stores = [embedded(node.core.store) for node in w.nodes.values()]
    each: list[Counter[str]] = []
    with counting_hashes(), counting_statements(stores):
        for _ in range(_COUNTED_EXCHANGES):
            COUNTS.clear()
            rows = rows_written(stores)
            await exchanges(w, 1, 1)
            await _mirrored(w)
            each.append(Counter({**COUNTS, "rows written": rows_written(stores) - rows}))
    names = sorted(set().union(*each))
    return {name: statistics.median(one[name] for one in each) for name in names}


async def _mirrored(w: World) -> None:
    """Until every entry has reached its mirror; asks no store, so counts nothing."""
    while any(  # noqa: ASYNC110 - an event of the wires would count what it wakes
        w.nodes[wire.writer].core.store.size(origin) != w.nodes[wire.reader].core.store.size(origin)
        for origin, wire in w.wires.items()
    ):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.002)  # the cosignature of the last group goes into its writer's queue


async def _seconds(w: World, concurrency: int) -> float:
    """Wall time of one exchange."""
    count = _TIMED_EXCHANGES[concurrency]
    begin = time.perf_counter()
    await exchanges(w, count, concurrency)
    took = (time.perf_counter() - begin) / count
    await w.settle()
    return took


async def measure(at: Path, entries: int, small: int, rounds: int) -> Figures:
    """Both worlds, counted and timed."""
    async with AsyncExitStack() as opened:
        worlds = {}
        for name, size in (("small", small), ("full", entries)):
            w = await opened.enter_async_context(world(at / name, {"macao": serve}))
            begin = time.perf_counter()
            await fill(w, size)
            await w.settle(timeout_s=120)
            say(f"  {name} store: {size:,} entries in {time.perf_counter() - begin:.0f} s")
            worlds[name] = w
        sizes = {
            name: sum(h.size for h in w.nodes["zhuhai"].core.store.heads.values())
            for name, w in worlds.items()
        }
        counts = {name: await _counts(w) for name, w in worlds.items()}
        times: dict[int, dict[str, list[float]]] = {
            c: {name: [] for name in worlds} for c in _TIMED_EXCHANGES
        }
        for _ in range(rounds):
            for concurrency, of in times.items():
                for name, w in worlds.items():
                    of[name].append(await _seconds(w, concurrency))
        stored = {name: (at / name / "zhuhai" / "store.db").stat().st_size for name in worlds}
    return {
        "entries": sizes,
        "store_bytes": stored,
        "per_exchange": {name: dict(of) for name, of in counts.items()},
        "ratio": {
            what: round(counts["full"][what] / max(1.0, counts["small"][what]), 4)
            for what in sorted(counts["full"])
        },
        "instructions": "counted" if instructions_supported() else "not counted on this machine",
        "ms_per_exchange": {
            str(c): {
                name: Spread.of([s * 1000 for s in taken]).figures() for name, taken in of.items()
            }
            for c, of in times.items()
        },
        "time_ratio": {
            str(c): Spread.of(
                [a / b for a, b in zip(of["full"], of["small"], strict=True)]
            ).figures()
            for c, of in times.items()
        },
    }


def run(entries: int, rounds: int = 5, small: int = 1000) -> Figures:
    """The section; prints its table."""
    say(f"flat: a store of {entries:,} entries against one of {small:,}")
    at = folder("flat")
    shutil.rmtree(at, ignore_errors=True)
    try:
        with counting_files():
            figures = asyncio.run(measure(at, entries, small, rounds))
    finally:
        shutil.rmtree(at, ignore_errors=True)
    figures["grown"] = [what for what, r in figures["ratio"].items() if r > 1 + FLAT_WITHIN]
    per = figures["per_exchange"]
    rows: list[tuple[object, ...]] = [
        (what, float(per["small"][what]), float(per["full"][what]), ratio)
        for what, ratio in figures["ratio"].items()
    ]
    for concurrency, of in figures["ms_per_exchange"].items():
        shown = [Spread(**of[name]) for name in ("small", "full")]
        ratio = Spread(**figures["time_ratio"][concurrency])
        rows.append((f"ms at {concurrency} concurrent", *shown, ratio))
    rows.append(("instructions", figures["instructions"], "", ""))
    rows.append(("store, MB", *(number(b / 1e6) for b in figures["store_bytes"].values()), ""))
    table("Per exchange, both nodes", ("", "small", "full", "ratio"), rows)
    return figures
