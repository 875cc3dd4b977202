"""``python -m bench [SECTION…]``: see the package's docstring and docs/benchmarks.md."""

import argparse
import os
import sys
import time
from collections.abc import Callable

from bench import (
    docs,
    exchange,
    flat,
    log,
    memory,
    policy,
    registers,
    revoking,
    scale,
    steps,
    stream,
    submitted,
    sync,
)
from bench.processes import GhzMissing
from bench.result import ROOT, Figures, have, keep, machine, publish, read, say, show

Section = Callable[[argparse.Namespace], Figures]
SECTIONS: dict[str, Section] = {
    "exchange": lambda asked: exchange.run(asked.rounds, asked.seconds),
    "async": lambda asked: submitted.run(asked.rounds, asked.submitted),
    "steps": lambda asked: steps.run(asked.steps),
    "log": lambda asked: log.run(asked.log_entries),
    "flat": lambda asked: flat.run(asked.entries),
    "memory": lambda asked: memory.run(100_000 if asked.full else asked.exchanges),
    "policy": lambda asked: policy.run(asked.decisions),
    "revoking": lambda asked: revoking.run(asked.changes, asked.waiting),
    "stream": lambda asked: stream.run(asked.megabytes, asked.rounds),
    "registers": lambda asked: registers.run(asked.day, asked.decisions // 2),
    "sync": lambda asked: sync.run(asked.syncs),
    "scale": lambda _asked: scale.run(have({name: read(name) for name in scale.FED_BY})),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("sections", nargs="*", metavar="SECTION", help="all, where none is named")
    add("--rounds", type=int, default=3, help="of peer and product in turns, per concurrency")
    add("--seconds", type=float, default=6.0, help="of load per round and side")
    add("--submitted", type=int, default=3000, help="submissions per round of the async section")
    add("--steps", type=int, default=3000, help="exchanges timed by step")
    add("--log-entries", type=int, default=30_000)
    add("--entries", type=int, default=1_000_000, help="in the full store of the flat section")
    add("--exchanges", type=int, default=20_000, help="of the memory section")
    add("--full", action="store_true", help="100,000 exchanges in the memory section")
    add("--decisions", type=int, default=200, help="evaluations per round of the policy section")
    add("--changes", type=int, default=10, help="on each side, in the revoking section")
    add("--waiting", type=int, default=50, help="requests that wait at each change")
    add("--megabytes", type=int, nargs="+", default=[1, 256], help="sizes of the stream section")
    add("--day", type=int, default=8000, help="exchanges of a day in the registers section")
    add("--syncs", type=int, default=500, help="durable writes per round of the sync section")
    add("--write-docs", action="store_true", help="write the pages from the kept figures")
    return parser.parse_args()


def main() -> int:
    """Run the sections that were asked for; 1 where one of them had to be skipped."""
    asked = _arguments()
    os.chdir(ROOT)
    skipped = 0
    if not (asked.write_docs and not asked.sections):
        about = machine()
        for name in asked.sections or SECTIONS:
            begin = time.monotonic()
            try:
                figures = SECTIONS[name](asked)
            except GhzMissing as missing:
                say(f"skipped: {name}: {missing}")
                skipped = 1
                continue
            took = round(time.monotonic() - begin)
            keep(name, {"machine": about, "took_s": took, **figures})
            say(f"{name}: {took} s")
    kept = {name: read(name) for name in SECTIONS}
    if asked.write_docs:
        for name, page in docs.pages(have(kept)).items():
            (ROOT / "docs" / name).write_text(page, encoding="utf-8")
        publish(kept)
    show(docs.ratios(kept))
    return skipped


if __name__ == "__main__":
    sys.exit(main())
