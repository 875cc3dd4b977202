"""What no service can have heard of is taken back; all else ends as it would have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.faults.evil import until
from tests.flow.test_streams import CONTENT, upload
from tests.flow.test_submitted import handed, left_alone
from tests.harness.corridors import fund, query
from tests.harness.holds import PLACES, ask, decide, held_world
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
from tests.harness.scale import scaled
from tests.harness.simulator import World, world

from xbgateway.exchange import Finished
from xbgateway.model.entry import Cancel, Kind, leaf_hex
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Record

WINDOW = "cn.hengqin.window"
PULL = {"mode": "pull", "visibility_s": 30}
PARKED = {**PUSH, "attempts_max": 1, "at_end": "park"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_at_once(monkeypatch)


async def cancel(w: World, exchange: str, party: str = WINDOW) -> None:
    await w.nodes["zhuhai"].core.gateway.cancel(party, exchange)


async def refusal(w: World, exchange: str, party: str = WINDOW) -> str:
    with pytest.raises(Refused) as refused:
        await cancel(w, exchange, party)
    return str(refused.value.reason)


async def taken_back(w: World, exchange: str, finished: Finished) -> None:
    """It ended without effect, by the receiver's word, and both sides read the same."""
    await w.settle()
    told = (finished.outcome, finished.reason)
    assert told == (Outcome.NOT_EXECUTED, Reason.EXCHANGE_CANCELLED)
    assert not w.nodes["macao"].service.count
    assert row(w, exchange) is None
    state = w.agree().outcomes[exchange]
    assert (state.outcome, state.reason) == told
    assert state.cancel in state.evidence
    assert not state.anomalies
    await cancel(w, exchange)  # said before: no error, and nothing more is written
    assert not list(w.nodes["macao"].core.store.reader.waiting())
    kinds = [p.entry.kind for p in w.nodes["zhuhai"].core.store.reader.placed(exchange)]
    assert kinds.count(Kind.CANCEL) == 1


@pytest.mark.parametrize("terms", [PUSH, PULL], ids=["pushed", "pulled"])
async def test_what_waits_for_its_service_is_taken_back(
    tmp_path: Path, terms: dict[str, object]
) -> None:
    async with delivered(tmp_path, terms) as w:
        away(w)
        running, exchange = await waiting(w, query())
        assert await refusal(w, exchange, "cn.zhuhai.hrss") == Reason.EXCHANGE_UNKNOWN
        await asyncio.gather(*(cancel(w, exchange) for _ in range(3)))
        finished = await asyncio.wait_for(running, 5)
        back(w)
        assert await inbox(w).pull(FUND, 1, 0) == [] if terms is PULL else True
        await taken_back(w, exchange, finished)


async def test_a_dead_letter_that_nobody_heard_of_is_taken_back(tmp_path: Path) -> None:
    async with delivered(tmp_path, {**PULL, "attempts_max": 1}) as w:
        running, exchange = await waiting(w, query())
        parked = w.nodes["macao"].core.inbox._calls
        found = row(w, exchange)
        assert found is not None
        await parked.queue.put_off(parked.parked(found, Reason.ATTEMPTS_EXHAUSTED))
        await cancel(w, exchange)
        await taken_back(w, exchange, await asyncio.wait_for(running, 5))


async def test_what_was_handed_out_ends_by_its_answer(tmp_path: Path) -> None:
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())
        [handed_out] = await inbox(w).pull(FUND, 1, 5)
        await cancel(w, exchange)
        await asyncio.sleep(0.6)  # two looks of the queue
        assert not running.done()
        await acknowledge(w, handed_out)
        assert (await running).outcome is Outcome.EXECUTED
        assert await refusal(w, exchange) == Reason.EXCHANGE_ENDED
        await w.settle()
        state = w.agree().outcomes[exchange]
        assert state.outcome is Outcome.EXECUTED
        assert state.cancel is not None


async def test_a_service_that_is_being_called_is_never_called_off(tmp_path: Path) -> None:
    called, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        called.set()
        await go_on.wait()

    async with world(tmp_path, {"macao": fund}) as w:
        w.nodes["macao"].service.before = slow
        asked = query()
        running = asyncio.create_task(w.submit("zhuhai", asked))
        await called.wait()
        exchange = w.nodes["zhuhai"].core.gateway.exchange_of(WINDOW, asked.request_id)
        assert exchange is not None
        await cancel(w, exchange)
        await until(lambda: w.nodes["macao"].core.store.reader.placed(exchange)[-1] is not None)
        go_on.set()
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_what_the_receivers_officer_has_not_decided_is_taken_back(tmp_path: Path) -> None:
    place = PLACES["where it arrives"]
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        await w.nodes["zhuhai"].core.gateway.cancel(asked.party, held.exchange)
        finished = await asyncio.wait_for(w.submit("zhuhai", asked), 5)
        while finished.outcome is Outcome.HELD:
            await w.settle()
            finished = await w.submit("zhuhai", asked)
        assert (finished.outcome, finished.reason) == (
            Outcome.NOT_EXECUTED,
            Reason.EXCHANGE_CANCELLED,
        )
        with pytest.raises(Refused) as refused:
            await decide(w, place, held.exchange)
        assert refused.value.reason == Reason.HOLD_ANSWERED
        await w.settle()
        assert not w.nodes["macao"].service.asked
        w.agree()


async def test_it_is_taken_back_though_neither_node_was_up_all_the_while(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.crash("macao")
        asked = left_alone()
        exchange = await handed(w, asked)
        await cancel(w, exchange)
        await w.crash("zhuhai")
        for name in ("macao", "zhuhai"):
            await w.start(name)
        await taken_back(w, exchange, await asyncio.wait_for(w.submit("zhuhai", asked), 10))


async def test_an_attachment_on_its_way_stops(tmp_path: Path) -> None:
    moving = asyncio.Event()

    async def slowly(segments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for one in segments:
            moving.set()
            await asyncio.sleep(0.3)
            yield one

    async with world(tmp_path, {"macao": fund}) as w:
        w.segments = slowly
        asked = query(attachment=await upload(w, CONTENT))
        running = asyncio.create_task(w.submit("zhuhai", asked))
        await moving.wait()
        exchange = w.nodes["zhuhai"].core.gateway.exchange_of(WINDOW, asked.request_id)
        assert exchange is not None
        await cancel(w, exchange)
        await taken_back(w, exchange, await asyncio.wait_for(running, 3))  # of six for all of it


@pytest.mark.parametrize("order", range(scaled(6)))
async def test_a_cancel_and_a_puller_race(tmp_path: Path, order: int) -> None:
    """Whoever is first wins; nobody is ever handed what its sender was told is undone."""
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())

        async def pulled() -> bool:
            await asyncio.sleep(order % 3 * 0.004)
            got = await inbox(w).pull(FUND, 1, 0.5)
            for one in got:
                await acknowledge(w, one)
            return bool(got)

        _said, got = await asyncio.gather(cancel(w, exchange), pulled())
        finished = await asyncio.wait_for(running, 5)
        await w.settle()
        assert finished.outcome is (Outcome.EXECUTED if got else Outcome.NOT_EXECUTED)
        assert w.agree().outcomes[exchange].outcome is finished.outcome


async def test_only_the_sender_in_its_own_lane_takes_it_back(tmp_path: Path) -> None:
    """A peer's cancel of our request, or one that names something else, changes nothing."""
    async with delivered(tmp_path, PULL) as w:
        running, exchange = await waiting(w, query())
        request = w.nodes["zhuhai"].core.store.reader.placed(exchange)[0]
        for node, leaf in (("macao", request.leaf), ("zhuhai", leaf_hex(b"another"))):
            core = w.nodes[node].core
            lane = core.topology.data_out({"macao": "zhuhai", "zhuhai": "macao"}[node], 0)
            forged = Cancel("2026-03-16T02:00:00.000Z", exchange, leaf)
            await core.store.record(Record((Append(lane, forged.encode(), exchange),)))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), 1)
        assert not running.done()
        [one] = await inbox(w).pull(FUND, 1, 5)
        await acknowledge(w, one)
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        state = w.nodes["macao"].core.gateway.holds.state(exchange)
        assert (state.cancel, len(state.anomalies)) == (None, 2)
