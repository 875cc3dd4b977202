"""Submitted and left alone: taken over at once, on its way for as long as was said, then an end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.harness.corridors import fund, proof_of_life, query
from tests.harness.inbox import on_terms
from tests.harness.parts import Later
from tests.harness.simulator import World, world

from xbgateway.exchange import View
from xbgateway.exchange.stages import Submission
from xbgateway.model.clock import parse_instant
from xbgateway.model.entry import Request
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import EXCHANGE_TTL_S, SUBMITTED_TTL_S
from xbgateway.model.outcome import Outcome

DAY_S = 24 * 3600


def left_alone(lives_s: int = 0) -> Submission:
    return replace(query(), lives_s=lives_s)


async def handed(w: World, asked: Submission) -> str:
    begun = await w.nodes["zhuhai"].core.gateway.submit(asked)
    assert isinstance(begun, str)
    return begun


async def seen(w: World, exchange: str, node: str = "zhuhai") -> View:
    return await w.nodes[node].core.gateway.get("cn.hengqin.window", exchange, auditor=True)


async def followed(w: World, exchange: str, until: Callable[[View], bool]) -> View:
    """As the edge watches: told of most changes, and looking anyway."""
    async with asyncio.timeout(15):
        with w.nodes["zhuhai"].core.gateway.watched(exchange) as changed:
            while not until(found := await seen(w, exchange)):
                try:
                    await asyncio.wait_for(changed.wait(), 0.2)
                except TimeoutError:
                    continue
                changed.clear()
        return found


def over(view: View) -> bool:
    return view.over


def kinds(view: View) -> list[str]:
    return [str(rung.kind) for rung in view.rungs]


def term_s(view: View) -> float:
    assert view.state.request is not None
    entry = view.state.request.entry
    assert isinstance(entry, Request)
    return (parse_instant(entry.not_after) - parse_instant(entry.at)).total_seconds()


async def test_it_outlives_a_night_without_the_peer_and_crashes_of_both(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        await w.crash("macao")
        asked = left_alone()
        exchange = await handed(w, asked)
        assert await handed(w, asked) == exchange  # the same again, as far as it has come
        assert await handed(w, replace(asked, lives_s=60)) == exchange  # the first one's counts
        assert kinds(await seen(w, exchange)) == ["submitted"]
        await w.crash("zhuhai")
        later.by += timedelta(hours=20)
        for name in ("zhuhai", "macao"):
            await w.start(name)
        found = await followed(w, exchange, over)
        assert found.state.outcome is Outcome.EXECUTED
        assert kinds(found) == ["submitted", "held_by_peer", "accepted", "answered", "confirmed"]
        assert sum(w.nodes["macao"].service.count.values()) == 1
        # Its answer is the result of the same request as a call, and no second effect.
        finished = await w.submit("zhuhai", replace(asked, lives_s=None))
        assert (finished.exchange, finished.outcome) == (exchange, Outcome.EXECUTED)
        assert finished.payload
        assert await w.nodes["zhuhai"].core.gateway.submit(asked) == finished
        await w.settle()
        there = await seen(w, exchange, "macao")  # the receiver tells the same
        assert (kinds(there), there.over) == (kinds(found), True)
        w.agree()


async def test_a_submission_its_own_retries_and_a_call_are_one_exchange(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked = left_alone()
        calling = asyncio.create_task(w.submit("zhuhai", replace(asked, lives_s=None)))
        begun = await asyncio.gather(
            *(w.nodes["zhuhai"].core.gateway.submit(asked) for _ in range(16))
        )
        exchange = (await calling).exchange
        assert {one if isinstance(one, str) else one.exchange for one in begun} == {exchange}
        assert sum(w.nodes["macao"].service.count.values()) == 1
        await w.settle()
        w.agree()


async def test_what_nobody_began_in_its_time_expires_by_the_receivers_word(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        await w.crash("macao")
        exchange, call = await handed(w, left_alone(120)), asyncio.create_task(
            w.submit("zhuhai", query())
        )  # fmt: skip
        later.by += timedelta(seconds=130)
        found = await seen(w, exchange)
        assert (found.state.outcome, found.over) == (Outcome.PENDING, False)  # by no clock of ours
        await w.start("macao")
        found = await followed(w, exchange, over)
        assert found.state.outcome is Outcome.EXPIRED
        assert kinds(found) == ["submitted", "held_by_peer", "expired"]
        assert (await call).outcome is Outcome.EXECUTED  # had minutes more
        await w.settle()
        w.agree()


@pytest.mark.parametrize("horizon_s", [None, 3600, 10])
async def test_how_long_it_may_live_is_its_providers_word(
    tmp_path: Path, horizon_s: int | None
) -> None:
    terms: dict[str, Any] = {} if horizon_s is None else {"horizon_s": horizon_s}
    most_s = max(horizon_s or SUBMITTED_TTL_S, EXCHANGE_TTL_S)
    altered = dict.fromkeys(("zhuhai", "macao"), on_terms(terms))
    async with world(tmp_path, {"macao": fund}, registers=altered) as w:
        for lives_s, wanted_s in ((0, most_s), (7, 7), (most_s, most_s)):
            exchange = await handed(w, left_alone(lives_s))
            assert term_s(await followed(w, exchange, over)) == wanted_s
        await w.settle()  # the last word on the last one may come after its end is known
        size = w.nodes["zhuhai"].core.store.size(w.wire("zhuhai", "macao").origin)
        with pytest.raises(Refused) as told:
            await handed(w, left_alone(most_s + 1))
        assert told.value.reason is Reason.ARGUMENT_INVALID
        assert told.value.metadata["most_s"] == str(most_s)
        assert w.nodes["zhuhai"].core.store.size(w.wire("zhuhai", "macao").origin) == size
        finished = await w.submit("zhuhai", query())
        assert term_s(await seen(w, finished.exchange)) == EXCHANGE_TTL_S


async def test_refused_here_and_refused_there(tmp_path: Path) -> None:
    def not_there(document: dict[str, Any]) -> None:
        document["scenarios"] = [s for s in document["scenarios"] if s["id"] != "SC-CQ"]

    async with world(tmp_path, {"macao": fund}, registers={"macao": not_there}) as w:
        here = replace(proof_of_life(scenario="SC-POL-EXPIRED"), lives_s=0)
        begun = await w.nodes["zhuhai"].core.gateway.submit(here)
        assert not isinstance(begun, str)
        assert begun.outcome is Outcome.REFUSED
        found = await seen(w, begun.exchange)
        assert (kinds(found), found.over) == (["refused"], True)
        exchange = await handed(w, left_alone())
        found = await followed(w, exchange, over)
        assert found.state.outcome is Outcome.NOT_EXECUTED
        assert kinds(found) == ["submitted", "held_by_peer", "refused"]
        await w.settle()
        w.agree()
