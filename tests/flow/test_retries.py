"""Pushed exchanges whose service is away: they wait in the store, and in nobody else's way."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.evil import until
from tests.harness.corridors import notice, proof_of_life, query
from tests.harness.inbox import FUND, PUSH, away, back, delivered, row, waiting, waits_at_once
from tests.harness.parts import Later
from tests.harness.simulator import World

from xbgateway.exchange.ports import EffectUnknown, NotReached
from xbgateway.model.delivery import DeliveryRow
from xbgateway.model.limits import EXCHANGE_TTL_S
from xbgateway.model.outcome import Outcome


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_at_once(monkeypatch)


def seen(w: World, exchange: str) -> DeliveryRow:
    found = row(w, exchange)
    assert found is not None
    return found


async def test_it_waits_without_a_task_and_goes_on_when_its_time_has_come(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        away(w)
        running, exchange = await waiting(w, query())
        gateway = w.nodes["macao"].core.gateway
        await until(lambda: not gateway._acting)
        first = seen(w, exchange)
        assert (first.state, first.attempts, first.unsure) == ("waiting", 0, False)
        asked = len(w.nodes["macao"].service.asked)
        later.by += timedelta(seconds=21)
        await until(lambda: len(w.nodes["macao"].service.asked) == asked + 1)  # one, then a pause
        await until(lambda: seen(w, exchange).wait_s == 40)
        back(w)
        later.by += timedelta(seconds=41)
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        assert row(w, exchange) is None
        w.agree()


async def test_a_restart_in_a_pause(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        away(w)
        running, _exchange = await waiting(w, query())
        await w.crash("macao")
        await w.start("macao")
        asked = len(w.nodes["macao"].service.asked)
        await asyncio.sleep(0.6)
        assert len(w.nodes["macao"].service.asked) == asked  # the pause goes on
        back(w)
        later.by += timedelta(seconds=21)
        assert (await running).outcome is Outcome.EXECUTED
        assert set(w.nodes["macao"].service.count.values()) == {1}
        await w.settle()
        w.agree()


@pytest.mark.parametrize("unsure", [False, True])
async def test_the_horizon_ends_it(tmp_path: Path, unsure: bool) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH | {"horizon_s": 120}, later) as w:
        away(w, EffectUnknown if unsure else NotReached)
        running, exchange = await waiting(w, query())
        later.by += timedelta(seconds=121)
        finished = await running
        assert finished.outcome is (Outcome.UNKNOWN if unsure else Outcome.NOT_EXECUTED)
        await w.settle()
        found = row(w, exchange)
        assert (found.state if found else None) == ("unknown" if unsure else None)
        w.agree()


async def test_the_horizon_parks_it_and_a_person_lets_it_go_on(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH | {"horizon_s": 60, "at_end": "park"}, later) as w:
        away(w)
        running, exchange = await waiting(w, query())
        later.by += timedelta(seconds=61)
        await until(lambda: seen(w, exchange).state == "dead")
        back(w)
        await w.nodes["macao"].core.attention.requeue(FUND, exchange)
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_calls_that_break_off_again_and_again_are_parked(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH | {"attempts_max": 4}, later) as w:
        away(w, EffectUnknown)
        running, exchange = await waiting(w, query())

        for _pause in range(2):
            tried = seen(w, exchange).attempts
            later.by += timedelta(seconds=41)
            await until(lambda: seen(w, exchange).attempts > tried)  # noqa: B023 - at once
        await until(lambda: seen(w, exchange).state == "dead")
        found = seen(w, exchange)
        assert (found.attempts, found.reason, found.unsure) == (4, "ATTEMPTS_EXHAUSTED", True)
        assert Counter(w.nodes["macao"].service.asked)[exchange] == 4
        back(w)
        await w.nodes["macao"].core.attention.requeue(FUND, exchange)
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_one_that_does_not_honour_the_id_is_asked_once(tmp_path: Path) -> None:
    """Not reached is no attempt; a call that may have been heard is the last."""
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        service = w.nodes["zhuhai"].service
        errors: list[type[Exception]] = [EffectUnknown, NotReached, NotReached]

        async def raising() -> None:
            raise errors.pop() if len(errors) > 1 else errors[0]

        service.before, service.honours = raising, False
        finished = await w.submit("macao", notice())
        assert finished.outcome is Outcome.UNKNOWN
        assert len(service.asked) == 3
        await w.settle()
        w.agree()
        assert row(w, finished.exchange, "zhuhai") is not None
        assert row(w, finished.exchange, "macao") is not None


async def test_a_dead_service_takes_nobody_elses_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.exchange.queue.SERVICE_CALLS_MAX", 4)
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        service, hung = w.nodes["macao"].service, asyncio.Event()
        ask, busy, most = service.call, 0, 0

        async def call(path: str, *more: object) -> object:
            nonlocal busy, most
            if not path.endswith("QueryContributions"):
                return await ask(path, *more)  # type: ignore[arg-type]
            busy += 1
            most = max(most, busy)
            try:
                await hung.wait()
            finally:
                busy -= 1
            return await ask(path, *more)  # type: ignore[arg-type]

        service.call = call  # type: ignore[method-assign, assignment]
        asked = [query(fss_no=f"SYN{n:06}") for n in range(12)]
        stuck = [asyncio.create_task(w.submit("zhuhai", one)) for one in asked]
        await until(w.nodes["macao"].core.gateway.queue.rows.any_waiting)
        started = asyncio.get_running_loop().time()
        assert (await w.submit("zhuhai", proof_of_life())).outcome is Outcome.EXECUTED
        assert asyncio.get_running_loop().time() - started < 2
        assert most == 4
        hung.set()
        assert {(await one).outcome for one in stuck} == {Outcome.EXECUTED}
        assert set(service.count.values()) == {1}
        await w.settle()
        w.agree()


async def test_the_last_moment_bounds_a_longer_horizon(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        away(w)
        running, _exchange = await waiting(w, query())
        later.by += timedelta(seconds=EXCHANGE_TTL_S + 1)
        assert (await running).outcome is Outcome.NOT_EXECUTED
        w.agree()


async def test_both_nodes_die_in_a_pause_and_the_caller_asks_twice(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PUSH, later) as w:
        away(w)
        asked = query()
        running, exchange = await waiting(w, asked)
        for name in ("macao", "zhuhai"):
            await w.crash(name)
        await asyncio.gather(running, return_exceptions=True)
        for name in ("zhuhai", "macao"):
            await w.start(name)
        again = [asyncio.create_task(w.submit("zhuhai", asked)) for _ in range(2)]
        back(w)
        later.by += timedelta(seconds=21)
        for finished in await asyncio.gather(*again):
            assert (finished.exchange, finished.outcome) == (exchange, Outcome.EXECUTED)
        assert w.nodes["macao"].service.count == {exchange: 1}
        await w.settle()
        w.agree()
