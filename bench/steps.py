"""Processor time per exchange by step: two nodes in memory, each step timed on its own thread.

Sockets, TLS and gRPC are not in these figures; the difference to the processes' own time (section
``exchange``) is what they cost. A step's time is its own: what a step calls that is itself a step
counts there. Times are of the calling thread, so waiting costs nothing.
"""

import asyncio
import functools
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.simulator import world

from bench.load import folder
from bench.memory_world import exchanges, serve
from bench.result import Figures, say, table
from xbgateway.exchange import admission, archive, legs, results, stages
from xbgateway.model import entry
from xbgateway.policy.memo import Decider
from xbgateway.seal import rest
from xbgateway.store import reader, transaction, writer
from xbgateway.tlog import Cosigner

# What is timed: a label, and where its functions are defined. Wrapped for the time of one run only,
# functions of modules wherever they were imported.
STEPS: tuple[tuple[str, tuple[tuple[Any, str], ...]], ...] = (
    ("admit", ((admission.Admission, "admit"),)),
    (
        "facts",
        tuple(
            (admission.Admission, name)
            for name in ("facts", "standing", "declared_facts", "content_facts", "least_facts")
        ),
    ),
    ("project", ((Decider, "project"),)),
    ("decide (memo)", ((Decider, "lookup"),)),
    ("decide (engine)", ((Decider, "evaluate"),)),
    ("facts as bytes", ((archive, "facts_bytes"),)),
    ("minimise", ((legs.Legs, "minimise"),)),
    ("check content", tuple((admission.Admission, n) for n in ("check_content", "content"))),
    ("seal", ((legs.Legs, "seal"),)),
    ("open", ((legs.Legs, "open"),)),
    ("exchange key", tuple((legs.Legs, n) for n in ("new_key", "unwrap"))),
    ("seal at rest", ((rest, "seal_at_rest"),)),
    ("evidence rows", ((legs.Legs, "evidence"),)),
    ("declaration", tuple((stages.Declaration, n) for n in ("encode", "decode"))),
    ("entry encode", ((entry.Request.__base__, "encode"),)),
    ("entry decode", ((entry, "decode"),)),
    ("pack result", ((results, "pack_finished"),)),
    (
        "store reads",
        tuple(
            (reader.Reader, name)
            for name, value in vars(reader.Reader).items()
            if not name.startswith("_") and name != "connection" and callable(value)
        ),
    ),
    ("cosign", ((Cosigner, "cosign"),)),
    ("writer: own rows", ((transaction.RecordOperation, "apply"),)),
    ("writer: verify mirror, rows", ((transaction.MirrorOperation, "apply"),)),
    ("writer: re-read, sign, group", ((writer.Store, "_read_back"), (writer.Store, "_publish"))),
    ("writer: rows of a group", ((transaction.Transaction, "finish"),)),
    ("writer: commit, fsync", ((writer.Store, "_commit"),)),
)


def _cost_of_reading_ns() -> int:
    """What one reading of a thread's clock costs: a system call, not free beside short steps."""
    begin = time.thread_time_ns()
    for _ in range(1000):
        time.thread_time_ns()
    return (time.thread_time_ns() - begin) // 1000


class Clock:
    """Thread time by label, without what nested steps took and without the reading itself."""

    def __init__(self) -> None:
        self.spent_ns: dict[str, int] = defaultdict(int)
        self.calls: dict[str, int] = defaultdict(int)
        self._nested = threading.local()
        self._reading_ns = _cost_of_reading_ns()

    def timed(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted."""

        @functools.wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            stack: list[int] = self._nested.__dict__.setdefault("stack", [])
            stack.append(0)
            begin = time.thread_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                took = time.thread_time_ns() - begin
                self.spent_ns[label] += max(0, took - stack.pop() - self._reading_ns)
                self.calls[label] += 1
                if stack:
                    stack[-1] += took + self._reading_ns

        return measured


def _bound(owner: Any, name: str) -> list[Any]:
    """Everything that has this function under its name: its class, or all modules that use it."""
    if isinstance(owner, type):
        return [owner]
    original = vars(owner)[name]
    return [
        module
        for module in list(sys.modules.values())
        if module.__name__.startswith("xbgateway.") and vars(module).get(name) is original
    ]


@contextmanager
def instrumented(clock: Clock) -> Iterator[None]:
    """Every step timed; put back afterwards. A step that is not where it was is an error."""
    kept = []
    for label, places in STEPS:
        for owner, name in places:
            original = vars(owner)[name]
            timed: Any
            if isinstance(original, classmethod):
                timed = classmethod(clock.timed(label, original.__func__))
            else:
                timed = clock.timed(label, original)
            for holder in _bound(owner, name):
                kept.append((holder, name, original))
                setattr(holder, name, timed)
    try:
        yield
    finally:
        for holder, name, original in kept:
            setattr(holder, name, original)


async def measure(at: Path, calls: int, concurrency: int) -> Figures:
    """Run exchanges in memory; microseconds per exchange by step, both nodes together."""
    clock = Clock()
    with instrumented(clock):
        async with world(at, {"macao": serve}) as w:
            await exchanges(w, concurrency * 2, concurrency)
            clock.spent_ns.clear()
            clock.calls.clear()
            process, loop = time.process_time_ns(), time.thread_time_ns()
            await exchanges(w, calls, concurrency)
            await w.settle()
            process, loop = time.process_time_ns() - process, time.thread_time_ns() - loop
    steps = {
        label: {
            "us": round(clock.spent_ns[label] / calls / 1000, 1),
            "calls": round(clock.calls[label] / calls, 2),
        }
        for label, _places in STEPS
    }
    on_loop = sum(one["us"] for name, one in steps.items() if not name.startswith("writer"))
    return {
        "calls": calls,
        "concurrency": concurrency,
        "steps": steps,
        "loop_us": round(loop / calls / 1000, 1),
        "process_us": round(process / calls / 1000, 1),
        "rest_of_loop_us": round(loop / calls / 1000 - on_loop, 1),
    }


def run(calls: int, concurrency: int = 64) -> Figures:
    """The section; prints its table."""
    say(f"steps: {calls} exchanges in memory at {concurrency} concurrent")
    at = folder("steps")
    shutil.rmtree(at, ignore_errors=True)
    try:
        figures = asyncio.run(measure(at, calls, concurrency))
    finally:
        shutil.rmtree(at, ignore_errors=True)
    rows: list[tuple[object, ...]] = [
        (name, one["us"], one["calls"]) for name, one in figures["steps"].items()
    ]
    rows.append(("loop, tasks and the rest", figures["rest_of_loop_us"], ""))
    rows.append(("all of both nodes, no sockets", figures["process_us"], ""))
    table("CPU by step, µs per exchange (both nodes)", ("step", "µs", "calls"), rows)
    return figures
