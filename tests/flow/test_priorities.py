"""Whose turn comes first among exchanges that wait for one provider."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.harness.cluster import eventually
from tests.harness.corridors import fund, query
from tests.harness.inbox import FUND, away, back, inbox, on_terms, waiting, waits_at_once
from tests.harness.parts import Later
from tests.harness.simulator import World, world

from xbgateway.model.limits import HEAD_START_S

LIKE = "SC-CQ"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_at_once(monkeypatch)
    # One call at a time: what comes second comes second.
    monkeypatch.setattr("xbgateway.exchange.queue.SERVICE_CALLS_MAX", 1)


def scenario(priority: str) -> str:
    return f"{LIKE}-{priority.upper()}"


def with_priorities(terms: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Three scenarios like one, of each priority; and the fund's terms of delivery."""

    def alter(document: dict[str, Any]) -> None:
        like = next(one for one in document["scenarios"] if one["id"] == LIKE)
        papers = [one for one in document["instruments"] if one.get("scenario") == LIKE]
        for priority in HEAD_START_S:
            made = scenario(priority)
            document["scenarios"].append({**deepcopy(like), "id": made, "priority": priority})
            for paper in papers:
                copied = {**deepcopy(paper), "id": f"{paper['id']}-{priority}", "scenario": made}
                document["instruments"].append(copied)
        on_terms(terms)(document)

    return alter


async def wait_in(w: World, later: Later, priorities: list[str]) -> dict[str, str]:
    """One exchange of each priority waits, a second after the one before; priority by exchange."""
    found = {}
    for priority in priorities:
        _, exchange = await waiting(w, query(scenario=scenario(priority)))
        found[exchange] = priority
        later.by += timedelta(seconds=1)
    return found


@pytest.mark.parametrize("mode", ["push", "pull"])
async def test_a_counter_comes_before_a_list_that_was_there_first(
    tmp_path: Path, mode: str
) -> None:
    terms: dict[str, Any] = {"horizon_s": 3 * 86_400, "backoff_s_min": 1, "backoff_s_max": 1}
    if mode == "pull":
        terms = {"horizon_s": 3 * 86_400, "mode": "pull", "visibility_s": 3600}
    altered = dict.fromkeys(("zhuhai", "macao"), with_priorities(terms))
    later = Later()
    async with world(tmp_path, {"macao": fund}, registers=altered, clock=later.clock) as w:
        away(w)
        begun = ["bulk", "normal", "bulk", "urgent", "normal", "urgent"]
        found = await wait_in(w, later, begun)
        wanted = ["urgent", "urgent", "normal", "normal", "bulk", "bulk"]
        if mode == "pull":
            messages = await inbox(w).pull(FUND, 10, 0.0)
            came = [one.row.exchange for one in messages]
        else:
            service = w.nodes["macao"].service
            service.asked.clear()
            back(w)
            await eventually(lambda: len(service.asked) == len(found), 20)
            came = service.asked
        assert [found[exchange] for exchange in came] == wanted
        ages = [list(found).index(exchange) for exchange in came]
        assert ages == [3, 5, 1, 4, 0, 2]  # the oldest first within each
