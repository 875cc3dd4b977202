"""What a node keeps in memory while the other side is away: bounded, and gone once it is over."""

import asyncio
from pathlib import Path

import pytest
from tests.faults.evil import until
from tests.harness.corridors import fund, proof_of_life, query
from tests.harness.simulator import World, world

from xbgateway.exchange import Submission
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.outcome import Outcome


def under_way(w: World) -> int:
    outbound = w.nodes["zhuhai"].core.gateway._outbound
    assert not outbound._beginning
    return len(outbound._flights._under_way)


async def hung_up(w: World, asked: list[Submission]) -> None:
    """Callers whose exchanges are recorded, and who do not wait for what becomes of them."""
    log = w.nodes["zhuhai"].core
    origin = log.topology.data_out("macao", 0)
    size = log.store.size(origin)
    callers = [asyncio.create_task(w.submit("zhuhai", each)) for each in asked]
    await until(lambda: log.store.size(origin) == size + len(asked))
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


async def test_exchanges_that_wait_for_a_peer_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.exchange.flights.EXCHANGES_UNDER_WAY_MAX", 3)
    async with world(tmp_path, {"macao": fund}) as w:
        wire = w.wire("zhuhai", "macao")
        wire.tamper = lambda _group: None  # the peer is away
        asked = [query() for _ in range(3)]
        await hung_up(w, asked)
        assert under_way(w) == 3
        with pytest.raises(Unavailable) as caught:
            await w.submit("zhuhai", query())
        assert caught.value.reason is Reason.TOO_MANY_REQUESTS
        # Who asks again for one of them waits for it like before.
        again = asyncio.create_task(w.submit("zhuhai", asked[0]))
        await asyncio.sleep(0.05)
        assert not again.done()
        wire.tamper = None
        assert (await again).outcome is Outcome.EXECUTED
        await w.settle()
        await until(lambda: under_way(w) == 0)
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_caller_who_hangs_up_leaves_nothing_that_holds_the_submission(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        wire = w.wire("zhuhai", "macao")
        wire.tamper = lambda _group: None
        await hung_up(w, [query()])
        outbound = w.nodes["zhuhai"].core.gateway._outbound
        await until(lambda: not outbound._beginning)
        assert not outbound._flights._waiting
        running = [repr(task.get_coro()) for task in asyncio.all_tasks()]
        assert not [name for name in running if "Outbound" in name]
        wire.tamper = None
        await w.settle()
        w.agree()


async def test_mirrored_entries_are_acted_on_a_bounded_number_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is slow, then fast: what found no room waited as a row and is taken up."""
    monkeypatch.setattr("xbgateway.exchange.gateway.ENTRIES_ACTED_ON_MAX", 4)
    async with world(tmp_path, {"macao": fund}) as w:
        service, gateway = w.nodes["macao"].service, w.nodes["macao"].core.gateway
        go_on, most = asyncio.Event(), 0

        async def slow() -> None:
            nonlocal most
            most = max(most, len(gateway._acting))
            await go_on.wait()

        service.before = slow
        callers = [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(30)]
        reader = w.nodes["macao"].core.store.reader
        await until(lambda: len(list(reader.waiting())) == 30)
        await until(lambda: len(service.asked) == 4)
        await asyncio.sleep(0.05)
        assert len(service.asked) == 4
        go_on.set()
        ended = await asyncio.gather(*callers)
        assert {f.outcome for f in ended} == {Outcome.EXECUTED}
        assert most == 4
        await w.settle()
        w.agree()


async def test_what_is_remembered_to_be_on_record_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forgetting costs a row that is there already, and nothing else."""
    monkeypatch.setattr("xbgateway.exchange.legs.DOCUMENTS_REMEMBERED_MAX", 2)
    async with world(tmp_path, {"macao": fund}) as w:
        for asked in (query(), proof_of_life(), query(), proof_of_life(), query()):
            assert (await w.submit("zhuhai", asked)).outcome is Outcome.EXECUTED
            for node in w.nodes.values():
                assert len(node.core.gateway._legs._kept) <= 2 + 2  # and one leg's own
        await w.settle()
        w.agree()
