"""What was accepted and waits is not delivered once law or register forbid it, and ends at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.faults.evil import until
from tests.harness.corridors import fund, query
from tests.harness.inbox import (
    FUND,
    PUSH,
    acknowledge,
    away,
    back,
    delivered,
    inbox,
    row,
    waiting,
    waits_at_once,
)
from tests.harness.parts import Later
from tests.harness.registers import open_incident
from tests.harness.simulator import World

from xbgateway.exchange import Finished
from xbgateway.exchange.ports import Answered
from xbgateway.model.delivery import PutDelivery
from xbgateway.model.entry import Answer, Request
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Record

NO_ENGINE = Unavailable(Reason.POLICY_UNAVAILABLE, "no engine")
PULL = {"mode": "pull", "visibility_s": 30}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_at_once(monkeypatch)


async def incident(w: World, node: str) -> None:
    """An officer of one side opens an incident that strikes the dataset of the query."""
    core = w.nodes[node].core
    dataset = core.register.scenario("SC-CQ").datasets[0]
    await core.registrar.apply(open_incident(core, dataset))


def forbidden(w: World, exchange: str, finished: Finished) -> None:
    """It ended without effect, its caller is told the rule, and the entry can be recomputed."""
    assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, Reason.POLICY_DENIED)
    assert finished.findings
    assert row(w, exchange) is None
    assert not w.nodes["macao"].service.count
    state = w.agree().outcomes[exchange]
    assert state.outcome is Outcome.NOT_EXECUTED
    said = state.evidence[-1].entry
    assert isinstance(said, Answer)
    assert (said.status, bool(said.rules), said.verdict is not None) == ("not_called", True, True)


@pytest.mark.parametrize("terms", [PUSH, PULL], ids=["pushed", "pulled"])
@pytest.mark.parametrize("who", ["zhuhai", "macao"])
async def test_what_waits_ends_as_it_is_forbidden(
    tmp_path: Path, who: str, terms: dict[str, object]
) -> None:
    async with delivered(tmp_path, terms) as w:
        away(w)
        running, exchange = await waiting(w, query())
        await incident(w, who)
        finished = await asyncio.wait_for(running, 5)
        back(w)
        assert await inbox(w).pull(FUND, 1, 0) == [] if terms is PULL else True
        await w.settle()
        forbidden(w, exchange, finished)


async def test_a_start_asks_again_for_what_waits(tmp_path: Path) -> None:
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())
        await w.crash("macao")
        await incident(w, "zhuhai")
        await w.start("macao")
        finished = await asyncio.wait_for(running, 10)
        await w.settle()
        forbidden(w, exchange, finished)


async def test_what_a_service_may_have_heard_goes_on_and_its_answer_is_withheld(
    tmp_path: Path,
) -> None:
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())
        [handed] = await inbox(w).pull(FUND, 1, 5)
        await incident(w, "macao")
        await asyncio.sleep(0.6)  # two looks of the queue
        assert not running.done()
        await acknowledge(w, handed)
        finished = await running
        assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        await w.settle()
        assert w.agree().outcomes[exchange].outcome is Outcome.EXECUTED_ANSWER_WITHHELD


async def test_what_is_handed_out_while_law_is_asked_is_not_told_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())
        core, lease, asked = w.nodes["macao"].core, "a lease", count(1)
        forbidden = core.inbox._delivery.forbidden

        async def meanwhile(*of: Any) -> Any:
            found = row(w, exchange)
            assert found is not None
            if next(asked) == 2:  # it was to be ended; whoever pulled was allowed to before that
                later = replace(found, lease=lease, unsure=True, attempts=1)
                await core.store.record(Record((), (PutDelivery(later),)))
            return await forbidden(*of)

        monkeypatch.setattr(core.inbox._delivery, "forbidden", meanwhile)
        await incident(w, "macao")
        await until(lambda: bool((found := row(w, exchange)) and found.lease))
        await asyncio.sleep(0.6)  # two looks of the queue
        assert not running.done()
        state = core.gateway.holds.state(exchange)
        assert state.request is not None
        request = state.request.entry
        assert isinstance(request, Request)
        word = Answered(fund(f"/{request.service}/{request.method}", query().payload))
        await core.inbox.acknowledge(FUND, exchange, lease, word)
        assert (await running).outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        await w.settle()
        w.agree()


async def test_an_engine_that_is_away_puts_it_off_and_nothing_is_delivered_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        away(w)
        running, exchange = await waiting(w, query())
        back(w)
        legs = w.nodes["macao"].core.gateway._legs
        decide = legs.decide
        monkeypatch.setattr(legs, "decide", fails := AsyncMock(side_effect=NO_ENGINE))
        later.by += timedelta(seconds=21)
        await until(lambda: fails.await_count > 0)
        assert not w.nodes["macao"].service.count
        monkeypatch.setattr(legs, "decide", decide)
        later.by += timedelta(seconds=41)
        assert (await asyncio.wait_for(running, 10)).outcome is Outcome.EXECUTED
        assert w.nodes["macao"].service.count == {exchange: 1}
        await w.settle()
        w.agree()
