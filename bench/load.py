"""One round of load, the same for both sides, and what it cost each process."""

import asyncio
import json
import os
import re
import resource
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BACKEND, NODES, Pair

# ghz spreads its workers over connections; a connection bears 256 calls at once.
_CALLS_PER_CONNECTION = 64
_FSYNC_EVENTS = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"


class LoadFailed(Exception):
    """Calls came back with errors: figures of such a round say nothing."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: exact counts, since calls under way at its end are waited for."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]  # per call, by process; "load" is the generator
    fsyncs: float | None  # per call, of both nodes together; None where perf cannot count

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.calls / self.seconds


async def run(
    pair: Pair,
    side: str,
    concurrency: int,
    *,
    seconds: float | None = None,
    calls: int | None = None,
    count_fsyncs: bool = False,
) -> Round:
    """Load one side for a time or a number of calls. Raises ``LoadFailed``."""
    output = pair.folder / "ghz.json"
    names = (*pair.sides.get(side, NODES), BACKEND)
    command = [
        *pair.load(side, output),
        *("-c", str(concurrency)),
        *("--connections", str(max(1, concurrency // _CALLS_PER_CONNECTION))),
        *(("-z", f"{seconds}s") if seconds else ("-n", str(calls))),
    ]
    before = {name: pair.cpu_s(name) for name in names}
    own = _children_s()
    counter = await _count(pair, side) if count_fsyncs else None
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise LoadFailed(f"ghz ended with {process.returncode}")
    synced = await _counted(counter)
    used = {name: pair.cpu_s(name) - before[name] for name in names}
    used["load"] = _children_s() - own
    told = json.loads(output.read_text(encoding="utf-8"))
    codes = told["statusCodeDistribution"]
    if set(codes) != {"OK"}:
        raise LoadFailed(f"{side} at {concurrency}: {codes} {told.get('errorDistribution')}")
    done = int(told["count"])
    at = {row["percentage"]: row["latency"] / 1e6 for row in told["latencyDistribution"]}
    return Round(
        calls=done,
        seconds=told["total"] / 1e9,
        p50_ms=at[50],
        p99_ms=at[99],
        cpu_us={name: spent / done * 1e6 for name, spent in used.items()},
        fsyncs=None if synced is None else synced / done,
    )


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _count(pair: Pair, side: str) -> asyncio.subprocess.Process | None:
    """Let the kernel count syncs of the side's processes. Needs perf and the right to use it."""
    perf = shutil.which("perf")
    if perf is None or os.geteuid() != 0:
        return None
    pids = ",".join(str(pair.pid(name)) for name in pair.sides[side])
    return await asyncio.create_subprocess_exec(
        *(perf, "stat", "-x", ",", "-e", _FSYNC_EVENTS, "-p", pids),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _counted(counter: asyncio.subprocess.Process | None) -> int | None:
    if counter is None:
        return None
    if counter.returncode is None:
        counter.send_signal(signal.SIGINT)
    _out, told = await counter.communicate()
    found = re.findall(r"^(\d+),,syscalls", told.decode(), re.MULTILINE)
    return sum(map(int, found)) if found else None


def folder(name: str) -> Path:
    """Where a section's stores are while it runs; on the disk of the tree, not in memory."""
    return Path("var") / "bench" / f"run-{name}"
