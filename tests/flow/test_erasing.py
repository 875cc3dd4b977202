"""What is kept of an exchange goes when its time is over, and no sooner; every proof stays."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.evil import now, until, write
from tests.harness.corridors import fund, query
from tests.harness.parts import Later
from tests.harness.simulator import World, world

from xbgateway.exchange import Submission
from xbgateway.model.entry import Erasure
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.model.outcome import Outcome

BOTH = ("zhuhai", "macao")


def count(w: World, node: str, table: str) -> int:
    connection = w.nodes[node].core.store.reader.connection()
    [[rows]] = connection.execute(f"SELECT count(*) FROM {table}")
    return int(rows)


async def due(w: World, node: str) -> int:
    return await w.nodes[node].core.gateway._erasing.due()


async def reason_of(w: World, node: str, exchange: str) -> Reason | None:
    """Why an exchange is not erased; None where it was."""
    try:
        await w.nodes[node].core.gateway.erase(exchange, "asked_for")
    except GatewayError as error:
        return error.reason
    return None


async def asked_again(w: World, asked: Submission) -> Reason:
    with pytest.raises(Refused) as caught:
        await w.submit("zhuhai", asked)
    return caught.value.reason


async def test_payloads_go_when_their_time_is_over_and_facts_when_theirs_is(
    tmp_path: Path,
) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        asked = query()
        first = await w.submit("zhuhai", asked)
        await w.settle()
        gateway = w.nodes["zhuhai"].core.gateway
        proofs = await gateway.receipt(asked.party, first.exchange, False)
        assert [await due(w, n) for n in BOTH] == [0, 0]
        later.by = timedelta(days=32)
        for node in BOTH:
            assert (await due(w, node), await due(w, node)) == (1, 0)
            assert (count(w, node, "parts"), count(w, node, "beside")) == (0, 0)
            assert count(w, node, "facts") > 0  # law still wants them
        assert await asked_again(w, asked) is Reason.PAYLOAD_ERASED
        later.by = timedelta(days=1100)
        for node in BOTH:
            assert (await due(w, node), await due(w, node)) == (1, 0)
            assert count(w, node, "facts") == 0
            row = w.nodes[node].core.store.reader.exchange_row(first.exchange)
            assert row is not None
            assert row[2] is None
        assert await asked_again(w, asked) is Reason.PAYLOAD_ERASED
        # What became of it, and the proofs, are there as before.
        view = await gateway.get(asked.party, first.exchange, False)
        assert view.state.outcome is Outcome.EXECUTED
        views, _ = await gateway.list(asked.party, 10, None)
        assert [v.exchange for v in views] == [first.exchange]
        again = await gateway.receipt(asked.party, first.exchange, False)
        assert [p[0] for p in again] == [p[0] for p in proofs]
        assert await reason_of(w, "zhuhai", first.exchange) is Reason.PAYLOAD_ERASED
        await w.settle()
        w.agree()


async def test_what_has_not_ended_is_not_erased_and_holds_nothing_up(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        done = await w.submit("zhuhai", query())
        await w.settle()
        service, called, go_on = w.nodes["macao"].service, asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            called.set()
            await go_on.wait()

        service.before = wait
        running = asyncio.create_task(w.submit("zhuhai", query()))
        await called.wait()
        [exchange] = set(service.asked) - {done.exchange}
        later.by = timedelta(days=32)
        for node in BOTH:
            assert await reason_of(w, node, exchange) is Reason.EXCHANGE_PENDING
            assert (await due(w, node), await due(w, node)) == (1, 0)
        go_on.set()
        assert (await running).exchange == exchange
        await w.settle()
        for node in BOTH:
            assert await reason_of(w, node, exchange) is None
        w.agree()


async def test_a_peers_erasure_takes_nothing_from_a_caller_of_ours(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        wire, macao = w.wire("zhuhai", "macao"), w.nodes["macao"].core
        wire.tamper = lambda _group: None
        asked = query()
        caller = asyncio.create_task(w.submit("zhuhai", asked))
        reader = w.nodes["zhuhai"].core.store.reader
        await until(lambda: reader.exchange_of(asked.party, asked.request_id) is not None)
        found = reader.exchange_of(asked.party, asked.request_id)
        assert found is not None
        back = macao.topology.data_out("zhuhai", 0)
        await write(macao, back, Erasure(now(), found[0], "spite"))
        await until(lambda: len(reader.placed(found[0])) == 2)
        again = asyncio.create_task(w.submit("zhuhai", asked))
        await asyncio.sleep(0.05)
        wire.tamper = None
        assert (await caller).outcome is Outcome.EXECUTED
        assert await again == await caller
        await w.settle()
        w.agree({found[0]})


async def test_nothing_is_kept_for_sending_again_once_both_sides_are_done(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        for _ in range(3):
            assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        assert [count(w, node, "beside") for node in BOTH] == [0, 0]
