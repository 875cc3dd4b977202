"""An evil peer uses an exchange id again: later, in another lane, or one of somebody else's."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.evil import (
    SEALED,
    VERDICT,
    honest_goes_on,
    id_in_lane,
    meddle,
    now,
    refusals,
    two,
    until,
    write,
)
from tests.flow.test_two_gateways import expired_assessment
from tests.harness.corridors import fund, proof_of_life, query
from tests.harness.simulator import world

from xbgateway.core import Core
from xbgateway.model.entry import (
    Request,
    decode,
    leaf_hex,
)
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Beside, Record


def asleep(core: Core) -> None:
    """The node mirrors and acts on nothing, until its next start."""
    gateway: Any = core.gateway
    gateway.act = lambda _pending: None


@pytest.mark.parametrize("lane", [0, 1])
async def test_a_request_sent_twice_is_done_once(tmp_path: Path, lane: int) -> None:
    async with two(tmp_path, lanes=2) as w:
        core = w.nodes["zhuhai"].core
        seen: list[Append] = []

        def listen(append: Append) -> Append:
            seen.append(append)
            return append

        meddle(core, listen)
        party = "cn.hengqin.window"
        asked = query(request_id=id_in_lane(w, "zhuhai", party, 1))
        first = await w.submit("zhuhai", asked)
        await w.settle()
        origin = core.topology.data_out("macao", lane)
        for entry in (
            seen[0].entry,  # to the byte
            replace(decode(seen[0].entry), at=now()).encode(),  # not quite
        ):
            await write_as(core, origin, first.exchange, entry, seen[0].beside)
        await w.settle()
        assert w.nodes["macao"].service.asked == [first.exchange]
        state = w.agree({first.exchange}).outcomes[first.exchange]
        assert state.outcome is Outcome.EXECUTED
        # Both, and a refusal of each; but a copy in its own lane has the first one's leaf.
        assert len(state.anomalies) == (3 if lane == 1 else 4)
        assert await w.submit("zhuhai", asked) == first
        await honest_goes_on(w, first.exchange)


async def write_as(
    core: Core, origin: str, exchange: str, raw: bytes, beside: Beside | None
) -> None:
    await core.store.record(Record((Append(origin, raw, exchange, beside),)))


@pytest.mark.parametrize("lane", [0, 1])
async def test_an_ended_exchange_stays_ended_when_its_id_comes_again(
    tmp_path: Path, lane: int
) -> None:
    """Refused in its lane; then the same id further down there, and at the start of another."""
    async with two(tmp_path, lanes=2, registers={"macao": expired_assessment}) as w:
        party, core, seen = "cn.zhuhai.hrss", w.nodes["zhuhai"].core, list[Append]()

        def listen(append: Append) -> Append:
            seen.append(append)
            return append

        for _ in range(2):
            meddle(core, listen)
            asked = proof_of_life(request_id=id_in_lane(w, "zhuhai", party, 1))
            refused = await w.submit("zhuhai", asked)
            assert refused.outcome is Outcome.NOT_EXECUTED
        again = replace(decode(seen[1].entry), at=now()).encode()
        origin = core.topology.data_out("macao", lane)
        await write_as(core, origin, refused.exchange, again, seen[1].beside)
        await w.settle()
        assert refusals(w, "macao", leaf_hex(again)) == ["ENTRY_INVALID"]
        state = w.agree({refused.exchange}).outcomes[refused.exchange]
        assert (state.outcome, state.reason) == (Outcome.NOT_EXECUTED, "POLICY_DENIED")
        assert not w.nodes["macao"].service.asked


async def test_one_id_in_two_lanes_found_unjudged_at_a_start(tmp_path: Path) -> None:
    """Only the request in the lane that its id names is one; it is done once."""
    async with two(tmp_path, lanes=2) as w:
        party, core = "cn.hengqin.window", w.nodes["zhuhai"].core
        macao = w.nodes["macao"].core

        def thrice(append: Append) -> Append:
            """Into lane 0, its own lane 1, and there once more."""
            for lane in (0, 1):
                origin = core.topology.data_out("macao", lane)
                exchange = append.exchange
                assert exchange is not None
                again.append(write_as(core, origin, exchange, append.entry, append.beside))
            return append

        again: list[Any] = []
        asleep(macao)
        meddle(core, thrice)
        asked = query(request_id=id_in_lane(w, "zhuhai", party, 1))
        caller = asyncio.create_task(w.submit("zhuhai", asked))
        await until(lambda: len(again) == 2)
        for each in again:
            await each
        await until(lambda: len(list(macao.store.reader.pending())) == 3)
        await w.crash("macao")
        await w.start("macao")
        finished = await caller
        assert finished.outcome is Outcome.EXECUTED
        await w.settle()
        assert w.nodes["macao"].service.asked == [finished.exchange]
        w.agree({finished.exchange})
        await honest_goes_on(w, finished.exchange)


async def test_an_id_of_two_nodes_found_unjudged_at_a_start(tmp_path: Path) -> None:
    names = ("zhuhai", "macao", "hengqin")
    async with world(tmp_path, {"macao": fund}, names) as w:
        macao, zhuhai = w.nodes["macao"].core, w.nodes["zhuhai"].core
        asleep(macao)
        caller = asyncio.create_task(w.submit("hengqin", query()))
        await until(lambda: len(list(macao.store.reader.pending())) == 1)
        [mine] = macao.store.reader.pending()
        assert isinstance(mine.decoded, Request)
        stolen = replace(mine.decoded, sender="cn.zhuhai.hrss")
        await write(zhuhai, zhuhai.topology.data_out("macao", 0), stolen)
        await until(lambda: len(list(macao.store.reader.pending())) == 2)
        await w.crash("macao")
        await w.start("macao")
        finished = await caller
        assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, "ENTRY_INVALID")
        await w.settle()
        assert not w.nodes["macao"].service.asked
        w.agree({finished.exchange})


async def test_a_peer_cannot_take_over_an_exchange_of_ours(tmp_path: Path) -> None:
    """Macao answers a request of Zhuhai with a request of its own under the same exchange id."""
    async with two(tmp_path) as w:
        wire = w.wire("zhuhai", "macao")
        wire.open.clear()
        caller = asyncio.create_task(w.submit("zhuhai", query()))
        store = w.nodes["zhuhai"].core.store
        await until(lambda: store.size(wire.origin) == 1)
        mine = decode(store.reader.entries(wire.origin, 0, 1)[0])
        assert isinstance(mine, Request)
        macao = w.nodes["macao"].core
        theirs = replace(mine, sender="mo.fss", recipient="cn.zhuhai.hrss")
        await write(macao, macao.topology.data_out("zhuhai", 0), theirs)
        await until(lambda: refusals(w, "zhuhai", leaf_hex(theirs.encode())) == ["ENTRY_INVALID"])
        wire.open.set()
        wire.grown.set()
        finished = await caller
        # Macao itself now sees its own id in use and refuses; Zhuhai's caller hears just that.
        assert finished.outcome is Outcome.NOT_EXECUTED
        await honest_goes_on(w, mine.exchange)


async def test_a_third_node_cannot_use_an_exchange_id_of_another(tmp_path: Path) -> None:
    names = ("zhuhai", "macao", "hengqin")
    async with world(tmp_path, {"macao": fund}, names) as w:
        first = await w.submit("hengqin", query())
        await w.settle()
        core = w.nodes["zhuhai"].core
        stolen = Request(
            at=now(), exchange=first.exchange, sender="cn.zhuhai.hrss", recipient="mo.fss",
            service="s", method="m", purpose="p", control=0,
            not_after="2999-01-01T00:00:00.000Z", sealed=SEALED, verdict=VERDICT,
        )  # fmt: skip
        await write(core, core.topology.data_out("macao", 0), stolen)
        await w.settle()
        assert refusals(w, "macao", leaf_hex(stolen.encode())) == ["ENTRY_INVALID"]
        state = w.agree({first.exchange}).outcomes[first.exchange]
        assert state.outcome is Outcome.EXECUTED
        assert (await w.submit("hengqin", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree({first.exchange})
