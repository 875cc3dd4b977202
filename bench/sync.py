"""The disk alone: how long a write takes to be durable, by its size."""

import os
import tempfile
import time
from pathlib import Path

from bench.result import RESULTS, Figures, Spread, number, percentiles, say, table

_SIZES = (4096, 65_536, 1_048_576)
_ROUNDS = 3


def run(count: int) -> Figures:
    """``count`` appends of each size, each followed by ``fsync``; times in ms, p50 and p99."""
    say(f"disk: {count} writes of each size, each made durable, {_ROUNDS} rounds")
    RESULTS.mkdir(parents=True, exist_ok=True)
    figures: Figures = {"writes": count, "bytes": {}}
    rows: list[tuple[object, ...]] = []
    for size in _SIZES:
        rounds = [percentiles(_times(size, count)) for _ in range(_ROUNDS)]
        p50, p99 = (Spread.of(each) for each in zip(*rounds, strict=True))
        figures["bytes"][str(size)] = {"p50_ms": p50.figures(), "p99_ms": p99.figures()}
        rows.append((number(size), p50, p99))
    table("a durable write, ms", ("bytes", "p50", "p99"), rows)
    return figures


def _times(size: int, count: int) -> list[float]:
    """Times in ms, on the disk where the figures are kept."""
    some, found = os.urandom(size), []
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        file = os.open(Path(folder) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for _ in range(count):
                begin = time.perf_counter()
                os.write(file, some)
                os.fsync(file)
                found.append((time.perf_counter() - begin) * 1000)
        finally:
            os.close(file)
    return found
