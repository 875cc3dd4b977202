"""What one decision costs: remembered, evaluated in the process, and asked of OPA beside it."""

import itertools
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.facts import make_facts

from bench.result import Figures, Spread, say, table
from xbgateway.model.facts import Facts
from xbgateway.policy.engine import EmbeddedEngine, Engine
from xbgateway.policy.engine.child import ChildEngine
from xbgateway.policy.memo import Decider, Memo
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import Revision, load_directory

_ROUNDS = 5
_HITS_PER_MISS = 50
_TIMEOUT_MS = 5000
LEGS = ("contribution_request", "contribution_answer")


def _us(work: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - begin) / calls * 1e6


def _asked(decider: Decider) -> Callable[[], object]:
    """One decision of the next leg."""
    turns = itertools.cycle(_facts())
    return lambda: decider.decide(next(turns))


def _projected(projector: Projector) -> Callable[[], object]:
    """One projection of the next leg."""
    turns = itertools.cycle(_facts())
    return lambda: projector.projected(next(turns))


@cache
def _facts() -> tuple[Facts, ...]:
    """The same objects for all, as a gateway shares its standing facts."""
    return tuple(make_facts(leg) for leg in LEGS)


def _cases(
    revision: Revision, engines: dict[str, Engine], stack: ExitStack
) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed, and how many times as often as a miss. Every engine decides alike."""
    cases: dict[str, tuple[Callable[[], object], int]] = {
        "projection alone": (_projected(Projector(revision)), _HITS_PER_MISS)
    }
    decided: set[tuple[bytes, ...]] = set()
    for name, engine in engines.items():
        snapshot = stack.enter_context(closing(engine.load(revision.bundle())))
        without = Decider(snapshot, Projector(revision), revision, None, _TIMEOUT_MS)
        cases[f"{name}: evaluated"] = (_asked(without), 1)
        decided.add(tuple(without.decide(one).decision_bytes for one in _facts()))
        memo = Decider(snapshot, Projector(revision), revision, Memo(), _TIMEOUT_MS)
        cases.setdefault("memo: hit", (_asked(memo), _HITS_PER_MISS))
    assert len(decided) == 1, "engines decided differently"
    return cases


def run(calls: int) -> Figures:
    """The section; prints its table."""
    say(f"policy: {calls} evaluations a round, {_ROUNDS} rounds, one at a time")
    engines: dict[str, Engine] = {"embedded": EmbeddedEngine()}
    opa = shutil.which("opa") or shutil.which("opa", path=Path.home() / "go" / "bin")
    with ExitStack() as stack:
        if opa is None:
            say("  skipped: OPA as a process (no `opa` on the path)")
        else:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="xb-")))
            engines["child over a unix socket"] = ChildEngine(Path(opa), folder)
        cases = _cases(load_directory(), engines, stack)
        for work, _times in cases.values():
            _us(work, 20)
        taken: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(_ROUNDS):
            for name, (work, times) in cases.items():
                taken[name].append(_us(work, calls * times))
    spreads = {name: Spread.of(values) for name, values in taken.items()}
    table(
        "One decision, µs",
        ("way", "median (low..high)"),
        [(name, str(spread)) for name, spread in spreads.items()],
    )
    return {"us": {name: spread.figures() for name, spread in spreads.items()}}
