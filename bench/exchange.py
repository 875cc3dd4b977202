"""Governed exchange against the bare relay: the same load, the same backend, rounds in turns."""

import asyncio
from dataclasses import asdict
from typing import Any

from bench import load
from bench.load import Round
from bench.messages import PARTY, PATH, PAYLOAD_BYTES, PURPOSE, SCENARIO, request
from bench.processes import NODES, Pair, pair
from bench.result import Figures, Spread, number, say, table
from xbgateway.api.socialsecurity.v1 import contribution_pb2, contribution_pb2_grpc

CONCURRENCIES = (1, 64, 256)
_WARM_UP_S = 2.0
# Counts of groups come from rounds at this concurrency only.
_MAIN = 64


async def measure(rounds: int, seconds: float) -> Figures:
    """All concurrencies, peer and product in turns."""
    taken: dict[int, dict[str, list[Round]]] = {}
    async with pair(load.folder("exchange")) as both:
        proven = await _one(both)
        for side in both.sides:
            await load.run(both, side, _MAIN, seconds=_WARM_UP_S)
        groups: Figures = {}
        for concurrency in CONCURRENCIES:
            of = taken[concurrency] = {side: [] for side in both.sides}
            before = {node: await both.counts(node) for node in NODES}
            for number_ in range(rounds):
                for side, done in of.items():
                    one = await load.run(
                        both, side, concurrency, seconds=seconds, count_fsyncs=True
                    )
                    done.append(one)
                    say(
                        f"  {concurrency:>3} concurrent, round {number_ + 1}, {side}:"
                        f" {one.per_second:.0f}/s, p99 {one.p99_ms:.1f} ms"
                    )
            calls = sum(one.calls for one in of["product"])
            after = {node: await both.counts(node) for node in NODES}
            groups[str(concurrency)] = {
                node: _groups(before[node], after[node], calls) for node in NODES
            }
    return {
        "payload_bytes": PAYLOAD_BYTES,
        "rounds": rounds,
        "seconds": seconds,
        "proven": proven,
        "concurrency": {str(c): _compared(of) for c, of in taken.items()},
        "groups": groups,
        "raw": {
            str(c): {s: [asdict(one) for one in d] for s, d in of.items()}
            for c, of in taken.items()
        },
    }


async def _one(both: Pair) -> Figures:
    """One exchange by the SDK, before any load: everything that is claimed to be on, is on."""
    async with both.connect(PARTY) as gateway:
        stub = contribution_pb2_grpc.ContributionServiceStub(
            gateway.channel(purpose=PURPOSE, scenario=SCENARIO)
        )
        asked = contribution_pb2.QueryContributionsRequest.FromString(request())
        _answer, receipt = await gateway.call(stub.QueryContributions, asked)
    assert receipt.outcome == "EXECUTED", receipt
    assert receipt.entries, receipt
    assert receipt.dropped_fields, receipt
    return {
        "path": PATH,
        "outcome": receipt.outcome,
        "entries_with_proof": len(receipt.entries),
        "dropped_fields": list(receipt.dropped_fields),
    }


def _groups(before: dict[str, float], after: dict[str, float], calls: int) -> Figures:
    """Durable commits and entries of a node over its rounds."""
    grown = {name: after[name] - before[name] for name in after}
    return {
        "commits_per_exchange": round(grown["fsyncs"] / calls, 3),
        "entries_per_exchange": round(grown["log_entries"] / calls, 3),
        "entries_per_commit": round(grown["log_entries"] / max(1.0, grown["fsyncs"]), 2),
        "memo_hits": grown["decision_memo_hits"],
        "memo_misses": grown["decision_memo_misses"],
    }


def _compared(of: dict[str, list[Round]]) -> Figures:
    """Both sides' medians and the ratio of each round's pair."""
    pairs = zip(of["product"], of["peer"], strict=True)
    figures: Figures = {
        "ratio": Spread.of([a.per_second / b.per_second for a, b in pairs]).figures()
    }
    for side, done in of.items():
        names = done[0].cpu_us
        synced = [one.fsyncs for one in done if one.fsyncs is not None]
        figures[side] = {
            "per_second": Spread.of([one.per_second for one in done]).figures(),
            "p50_ms": Spread.of([one.p50_ms for one in done]).figures(),
            "p99_ms": Spread.of([one.p99_ms for one in done]).figures(),
            "cpu_us": {
                name: round(Spread.of([one.cpu_us[name] for one in done]).median) for name in names
            },
            "fsyncs_per_exchange": round(Spread.of(synced).median, 3) if synced else None,
        }
    return figures


def run(rounds: int, seconds: float) -> Figures:
    """The section; prints its table."""
    say(f"exchange: peer and product in turns, {rounds} rounds of {seconds:g} s each")
    figures = asyncio.run(measure(rounds, seconds))
    rows: list[tuple[object, ...]] = []
    for concurrency, of in figures["concurrency"].items():
        for side in ("peer", "product"):
            one: dict[str, Any] = of[side]
            cpu = one["cpu_us"]
            shown = ", ".join(f"{name} {number(float(us))}" for name, us in cpu.items())
            fsyncs = one["fsyncs_per_exchange"]
            rows.append(
                (
                    f"{concurrency} {side}",
                    one["per_second"]["median"],
                    one["p50_ms"]["median"],
                    one["p99_ms"]["median"],
                    shown,
                    "not counted" if fsyncs is None else fsyncs,
                )
            )
        ratio = of["ratio"]
        rows.append((f"{concurrency} ratio", Spread(**ratio), "", "", "", ""))
    table(
        "Governed exchange against a bare two-hop relay",
        ("concurrent", "per s", "p50 ms", "p99 ms", "CPU µs per exchange", "fsyncs"),
        rows,
    )
    return figures
