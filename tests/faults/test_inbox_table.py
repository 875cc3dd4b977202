"""Every durable step of a pulled, parked or put-off delivery x {not committed, unreported}.

After each crash of the provider's node it starts again on the same files, and everybody does what
is left to do: the provider pulls and acknowledges, the officer requeues (promise 2).
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.faults.evil import until
from tests.harness.corridors import query
from tests.harness.inbox import FUND, acknowledge, delivered, inbox, row
from tests.harness.parts import Later
from tests.harness.scale import scaled
from tests.harness.simulator import World

from xbgateway.exchange import Finished, Submission
from xbgateway.exchange.ports import NotReached
from xbgateway.model.clock import parse_instant
from xbgateway.model.errors import GatewayError
from xbgateway.model.outcome import Outcome

pytestmark = pytest.mark.timeout(120)
_numbers = count()


async def exchange_of(w: World, asked: Submission) -> str:
    async with asyncio.timeout(10):
        while True:
            found = w.nodes["zhuhai"].core.gateway.exchange_of(asked.party, asked.request_id)
            if found is not None:
                return found
            await asyncio.sleep(0.01)


def put_forward(w: World, exchange: str, later: Later) -> None:
    """To the end of the lease or the pause, if there is one."""
    found = row(w, exchange)
    if found is not None and found.state == "waiting":
        left = parse_instant(found.due) - later.clock.now()
        later.by += max(left, timedelta()) + timedelta(milliseconds=1)


async def pulling(w: World, asked: Submission, later: Later) -> None:
    """Left lying once, so that it is parked; requeued; pulled again and acknowledged."""
    exchange = await exchange_of(w, asked)
    async with asyncio.timeout(20):
        while True:
            found = row(w, exchange)
            if found is not None and found.state == "done":
                return
            if found is not None and found.state == "dead":
                await w.nodes["macao"].core.attention.requeue(FUND, exchange)
                continue
            for handed in await inbox(w).pull(FUND, 10, 0.1):
                if handed.row.exchange in _left_lying:
                    await acknowledge(w, handed)
                _left_lying.add(handed.row.exchange)
            put_forward(w, exchange, later)
            await asyncio.sleep(0.05)


_left_lying: set[str] = set()


async def pushing(w: World, asked: Submission, later: Later) -> None:
    """Not reached at first; put off, and reached when its time has come."""
    exchange = await exchange_of(w, asked)
    service = w.nodes["macao"].service
    async with asyncio.timeout(20):
        await until(lambda: bool(row(w, exchange) or service.count[exchange]))
        service.before = None
        while not service.count[exchange]:
            put_forward(w, exchange, later)
            await asyncio.sleep(0.05)


async def away() -> None:
    raise NotReached


@dataclass(frozen=True)
class Story:
    terms: dict[str, object]
    go_on: Callable[[World, Submission, Later], Coroutine[Any, Any, None]]
    least: int  # transactions of the provider's node


STORIES = {
    "pulled": Story({"mode": "pull", "visibility_s": 5, "attempts_max": 1}, pulling, 5),
    "pushed": Story({"mode": "push", "horizon_s": 250, "backoff_s_min": 2}, pushing, 4),
}

# The whole table in the long run; of what crashes before a commit, the longer story else.
ROWS = [
    (name, side)
    for name in STORIES
    for side in ("before", "after")
    if scaled(1) > 1 or side == "after" or name == "pulled"
]


async def whole(w: World, story: Story, asked: Submission, later: Later) -> Finished:
    going = asyncio.create_task(story.go_on(w, asked, later))
    try:
        return await w.submit("zhuhai", asked)
    finally:
        going.cancel()
        with suppress(asyncio.CancelledError, GatewayError, AssertionError):
            await going


async def crashed_at(w: World, story: Story, number: int, side: Side, later: Later) -> bool:
    """One exchange with a crash in it; false where it has no such transaction."""
    asked = query(fss_no=f"SYN{next(_numbers):06}")
    w.nodes["macao"].service.before = away if story is STORIES["pushed"] else None
    crash = Crash(number, side)
    crash.arm(w.nodes["macao"].core)
    running = asyncio.create_task(whole(w, story, asked, later))
    came = await either(running, crash)
    await w.crash("macao")
    if came:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await w.start("macao")
    finished = await whole(w, story, asked, later)
    where = f"#{number} {side} ({crash.seen})"
    assert finished.outcome is Outcome.EXECUTED, f"{where}: {finished}"
    if story is STORIES["pushed"]:
        assert w.nodes["macao"].service.count[finished.exchange] == 1, where
    await w.settle()
    assert w.agree().outcomes[finished.exchange].outcome is Outcome.EXECUTED, where
    left = row(w, finished.exchange)
    assert left is None or left.state == "done", where
    assert not list(w.nodes["macao"].core.store.reader.waiting()), where
    return came


@pytest.mark.parametrize(("name", "side"), ROWS)
async def test_a_crash_at_every_transaction_of_a_delivery(
    tmp_path: Path, name: str, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.exchange.calls.SERVICE_TASK_S_MAX", 0.0)
    story, later = STORIES[name], Later()
    async with delivered(tmp_path, story.terms, later) as w:
        number = 1
        while await crashed_at(w, story, number, side, later):
            number += 1
            assert number < 20
        assert number > story.least, f"{number - 1} transactions"
