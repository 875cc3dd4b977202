"""What a decision costs under large registers, and how often the memo has the answer already.

Two registers, one ten times the other, are asked the same questions in turns: a miss must cost
with the rules that apply and not with the size of the registers. A day of traffic, drawn from a
seed, is decided by both nodes to see how often an input comes again, and what makes inputs differ.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.harness.facts import make_facts

from bench.large import METHOD, SCENARIO, SERVICE, large
from bench.result import Figures, Spread, say, table
from xbgateway.demo.register import FUND
from xbgateway.model.facts import Facts, Standing
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.memo import Decider, Memo
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_directory
from xbgateway.register import Catalogue, Register, standing

PARTIES, AGREEMENTS, FIELDS, TIMES = 5000, 500, 200, 10
TODAY = date(2026, 3, 16)
_ROUNDS = 5
_TIMEOUT_MS = 5000
# How often a person's file holds a field that is not required, by turns of the message's fields.
_HELD = (0.98, 0.9, 0.7, 0.3, 0.05)
# Cases of a day in per mille, by the fixture bases of their legs. Cases that have no service of
# their own yet are drawn as the one that they are like.
_CASES = (
    (240, ("proof_of_life_request", "proof_of_life_answer")),  # C01, C08
    (260, ("pension_check_request", "pension_check_answer")),  # C02, C04, C07
    (360, ("contribution_request", "contribution_answer")),  # C03, C06, C09
    (130, ("pension_claim_request",)),  # C05
    (10, ("operation_product",)),  # C10
)


@dataclass(frozen=True, slots=True)
class _World:
    register: Register
    catalogue: Catalogue

    def leg(self, number: int) -> Standing:
        """A corridor that was not asked for before: its references make it another one."""
        caller = f"cn.zhuhai.p{number * 2 + 1:05}"
        return standing(
            self.register,
            self.catalogue,
            leg="request",
            sender=caller,
            recipient=FUND,
            service=SERVICE,
            method=METHOD,
            purpose="CONTRIB_QUERY",
            scenario_id=SCENARIO,
        )


def run(exchanges: int, calls: int) -> Figures:
    """The section; prints its tables."""
    say(
        f"registers: {AGREEMENTS} agreements, {PARTIES:,} parties and {FIELDS} labelled fields,"
        f" and {TIMES} times as many; a day of {exchanges:,} exchanges"
    )
    revision = load_directory()
    with closing(EmbeddedEngine().load(revision.bundle())) as snapshot:
        remembering = Decider(snapshot, Projector(revision), revision, Memo(), _TIMEOUT_MS)
        forgetting = Decider(snapshot, Projector(revision), revision, None, _TIMEOUT_MS)
        ms = _costs(remembering, forgetting, calls)
        day = _day(exchanges, lambda: Decider(
            snapshot, Projector(revision), revision, Memo(), _TIMEOUT_MS
        ))  # fmt: skip
    table(
        "One decision, processor time in ms",
        ("what", "median (low..high)"),
        [(name, str(spread)) for name, spread in ms.items()],
    )
    table("A day's memo", ("what", "figure"), [(name, value) for name, value in day.items()])
    return {
        "sizes": {"parties": PARTIES, "agreements": AGREEMENTS, "fields": FIELDS, "times": TIMES},
        "cpu_ms": {name: spread.figures() for name, spread in ms.items()},
        "day": day,
    }


def _costs(remembering: Decider, forgetting: Decider, calls: int) -> dict[str, Spread]:
    worlds = [
        _World(*large(TODAY, parties=PARTIES * n, agreements=AGREEMENTS * n, fields=FIELDS))
        for n in (1, TIMES)
    ]
    moment = make_facts("contribution_request").moment
    usual = make_facts("contribution_request")
    taken: dict[str, list[float]] = defaultdict(list)
    for round_ in range(_ROUNDS + 1):
        for name, world in zip(("small", "large"), worlds, strict=True):
            asked = iter(range(round_ * calls, (round_ + 1) * calls))

            def corridor(world: _World = world, asked: Iterator[int] = asked) -> None:
                leg = world.leg(next(asked))
                few = tuple(one.path for one in leg.fields[:12])
                forgetting.decide(Facts(leg, replace(moment, fields=few)))

            taken[f"new corridor and miss, {name} registers"].append(_cpu_ms(corridor, calls))
        taken["miss, the usual message"].append(_cpu_ms(lambda: forgetting.decide(usual), calls))
        wide = worlds[0].leg(0)
        every = Facts(wide, replace(moment, fields=tuple(one.path for one in wide.fields)))
        taken[f"miss, a message with {FIELDS} fields in it"].append(
            _cpu_ms(lambda every=every: forgetting.decide(every), calls // 8)  # type: ignore[misc]
        )
        taken["hit"].append(_cpu_ms(lambda: remembering.decide(usual), calls * 50))
    spreads = {name: Spread.of(values[1:]) for name, values in taken.items()}  # the first warms up
    small, big = (
        taken[f"new corridor and miss, {name} registers"][1:] for name in ("small", "large")
    )
    spreads[f"{TIMES} times the registers, ratio"] = Spread.of(
        [b / s for s, b in zip(small, big, strict=True)]
    )
    return spreads


def _cpu_ms(work: Callable[[], object], calls: int) -> float:
    """Of all threads of the process: the engine's garbage is collected on threads of its own."""
    begin = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - begin) / calls * 1e3


def _day(exchanges: int, decider: Callable[[], Decider]) -> Figures:
    """Both nodes decide a day's exchanges, midnight to midnight of local time."""
    draw = random.Random(20260316)  # noqa: S311 - a day that can be drawn again
    memos = [decider(), decider()]
    began = datetime(2026, 3, 15, 16, tzinfo=UTC)
    seen: dict[str, set[str]] = defaultdict(set)
    inputs: set[bytes] = set()
    asked = missed = 0
    bases = {name: make_facts(name) for _, legs in _CASES for name in legs}
    for _ in range(exchanges):
        legs = draw.choices([legs for _, legs in _CASES], [weight for weight, _ in _CASES])[0]
        file = [draw.random() < share for share in _HELD * 40]
        at = began + timedelta(seconds=min(max(draw.gauss(12, 3), 0), 23.99) * 3600)
        for name in legs:
            facts = _drawn(bases[name], file, at, draw)
            for node in memos:
                projected = node.project(facts)
                asked += 1
                if node.lookup(projected) is None:
                    missed += 1
                    node.evaluate(projected)
                if projected.input_bytes not in inputs:
                    inputs.add(projected.input_bytes)
                    for section, value in json.loads(projected.input_bytes).items():
                        seen[section].add(json.dumps(value, sort_keys=True))
    splitting = sorted(((len(values), name) for name, values in seen.items()), reverse=True)
    return {
        "decisions": asked,
        "hit rate": round(1 - missed / asked, 4),
        "different inputs": len(inputs),
        "sections with most different values": ", ".join(f"{n} {c}" for c, n in splitting[:6]),
    }


def _drawn(base: Facts, file: list[bool], at: datetime, draw: random.Random) -> Facts:
    """One leg as it might come: with what this person's file holds, at this time."""
    standing_ = base.standing
    required = {one.path for one in standing_.fields if one.required}
    there = [
        path
        for path, held in zip(base.moment.fields, file, strict=False)
        if held or path in required
    ]
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    changes: dict[str, Any] = {"fields": tuple(there), "now": stamp}
    if base.moment.sent_at is not None:
        late = timedelta(seconds=draw.choices((1, 400), (995, 5))[0])
        changes["sent_at"] = (at - late).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if base.moment.queries_person_day is not None:
        changes["queries_person_day"] = draw.choices((1, 2, 3, 4, 6), (70, 18, 7, 4, 1))[0]
        changes["queries_requester_hour"] = draw.choices((40, 1200), (97, 3))[0]
    return Facts(standing_, replace(base.moment, **changes))
