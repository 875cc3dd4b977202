"""The simulation behind docs/scale.md: queues as theory has them, and the page as it is made."""

import random
from collections.abc import Callable

import pytest
from bench import docs, scale
from bench.plan import Costs
from bench.queues import Gather, Line, Station, Walk
from bench.result import ROOT, published


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_waiting_is_what_pollaczek_and_khinchine_say(load: float) -> None:
    """M/D/1: the mean wait is ρ / 2(1 - ρ) services."""
    line, station, chance = Line(), Station(), random.Random(7)
    waits: list[float] = []

    def job() -> Walk:
        came = line.now
        yield station, 1.0
        waits.append(line.now - came - 1.0)

    def arriving() -> Walk:
        while True:
            yield None, chance.expovariate(load)
            line.go_on(job())

    line.go_on(arriving())
    line.run(100_000)
    assert sum(waits) / len(waits) == pytest.approx(load / 2 / (1 - load), rel=0.05)
    assert station.busy_s / line.now == pytest.approx(load, rel=0.02)


def test_a_group_is_what_came_while_the_one_before_was_on_its_way() -> None:
    line, disk = Line(), Station()
    told: list[tuple[float, list[float]]] = []

    def way(amounts: list[float], done: Callable[[], None]) -> Walk:
        yield disk, 1.0
        told.append((line.now, amounts))
        done()

    gather = Gather(3, way)

    def job(at: float) -> Walk:
        yield None, at
        yield gather, at

    for at in (0.0, 0.1, 0.2, 0.3, 0.4, 5.0):
        line.go_on(job(at))
    line.run(10)
    assert told == [(1.0, [0.0]), (2.0, [0.1, 0.2, 0.3]), (3.0, [0.4]), (6.0, [5.0])]
    assert gather.groups == 4


def test_the_pages_are_those_of_the_published_figures() -> None:
    kept = published()
    for name, page in docs.pages(kept).items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page, name


def test_the_published_figures_of_scale_are_what_the_model_says() -> None:
    kept = published()
    costs = Costs.of(kept)
    again = {"model": scale.compared(costs, kept["exchange"]), "embedded": scale.embedded(costs)}
    for name, rows in again.items():
        assert rows.keys() == kept["scale"][name].keys()
        for row, value in rows.items():
            for key in ("per_second", "p50_ms", "p99_ms", "commits_per_exchange"):
                was = kept["scale"][name][row][key]
                assert value[key] == pytest.approx(was, rel=0.02), (name, row, key)


def test_the_model_is_not_far_from_what_was_measured() -> None:
    for of in published()["scale"]["model"].values():
        assert of["per_second"] == pytest.approx(of["measured"], rel=0.35)
