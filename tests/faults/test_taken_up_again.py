"""A start finds an accepted request, or an answer that waits: an honest end, whatever has changed.

Between a crash and the next start the exchange's last moment may pass, the service may go away for
good, and the register may lose what the exchange was about. Nobody may be told that the service was
not called when it may have been, and nobody may be left without a word.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.evil import until
from tests.harness.corridors import fund, query
from tests.harness.parts import Later
from tests.harness.simulator import World, world

from xbgateway.exchange import Finished
from xbgateway.exchange.ports import NotReached
from xbgateway.model.entry import Answer
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import EXCHANGE_TTL_S
from xbgateway.model.outcome import Outcome

CONSENT = "CNS-2026-0000000001"
Alter = Callable[[dict[str, Any]], None]


async def died_after_the_effect(w: World) -> asyncio.Task[Finished]:
    """The service has acted, the node dies before it can say so; the caller still waits."""
    service, acted = w.nodes["macao"].service, asyncio.Event()

    async def hang() -> None:
        acted.set()
        await asyncio.sleep(60)

    service.after = hang
    running = asyncio.create_task(w.submit("zhuhai", query(references=(CONSENT,))))
    await acted.wait()
    await w.crash("macao")
    service.after = None
    return running


async def nobody_knows(w: World, running: asyncio.Task[Finished]) -> None:
    async with asyncio.timeout(10):
        finished = await running
    assert finished.outcome is Outcome.UNKNOWN
    assert finished.reason == "EXCHANGE_UNKNOWN_EFFECT"
    await w.settle()
    assert w.agree().outcomes[finished.exchange].outcome is Outcome.UNKNOWN
    placed = w.nodes["macao"].core.store.reader.placed(finished.exchange)
    [answer] = [p.entry for p in placed if isinstance(p.entry, Answer)]
    assert (answer.status, answer.reason) == ("unknown", "EXCHANGE_UNKNOWN_EFFECT")


async def test_the_last_moment_passed_while_the_node_was_down(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        running = await died_after_the_effect(w)
        later.by = timedelta(seconds=EXCHANGE_TTL_S + 1)
        await w.start("macao")
        await nobody_knows(w, running)
        assert len(w.nodes["macao"].service.asked) == 1  # too late to begin anything


async def test_the_service_is_away_for_long_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may have acted is asked for longer than what was never reached."""
    monkeypatch.setattr("xbgateway.exchange.calls.SERVICE_REACH_S_MAX", 0.05)
    async with world(tmp_path, {"macao": fund}) as w:
        running = await died_after_the_effect(w)
        service = w.nodes["macao"].service
        back = asyncio.get_running_loop().time() + 0.3

        async def away() -> None:
            if asyncio.get_running_loop().time() < back:
                raise NotReached

        service.before = away
        await w.start("macao")
        assert (await running).outcome is Outcome.EXECUTED
        assert set(service.count.values()) == {1}
        await w.settle()
        w.agree()


async def test_the_service_never_comes_back(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        running = await died_after_the_effect(w)

        async def away() -> None:
            later.by = timedelta(seconds=EXCHANGE_TTL_S + 1)
            raise NotReached

        w.nodes["macao"].service.before = away
        await w.start("macao")
        await nobody_knows(w, running)


async def test_no_address_is_known_for_the_service_any_more(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        running = await died_after_the_effect(w)

        async def gone() -> None:
            raise Refused(Reason.SERVICE_UNKNOWN, "no address is configured for it")

        w.nodes["macao"].service.before = gone
        await w.start("macao")
        await nobody_knows(w, running)


# ---- the register has lost what the exchange was about -----------------------------------------


def no_service(document: dict[str, Any]) -> None:
    name = "ContributionService"
    document["services"] = [s for s in document["services"] if name not in s["service"]]
    document["scenarios"] = [s for s in document["scenarios"] if name not in str(s["services"])]


def no_scenario(document: dict[str, Any]) -> None:
    document["scenarios"] = [s for s in document["scenarios"] if s["id"] != "SC-CQ"]


def no_instrument(document: dict[str, Any]) -> None:
    document["instruments"] = [i for i in document["instruments"] if i["id"] != CONSENT]


def no_party(document: dict[str, Any]) -> None:
    window = "cn.hengqin.window"
    document["parties"] = [p for p in document["parties"] if p["id"] != window]
    for record in (*document["scenarios"], *document["instruments"]):
        for name, named in record.items():
            if isinstance(named, list) and window in named:
                record[name] = [p for p in named if p != window] or ["cn.zhuhai.hrss"]


LOST: dict[str, tuple[Alter, str]] = {
    "service": (no_service, "SERVICE_UNKNOWN"),
    "scenario": (no_scenario, "REFERENCE_UNKNOWN"),
    "instrument": (no_instrument, "REFERENCE_UNKNOWN"),
    "party": (no_party, "PARTY_UNKNOWN"),
}


@pytest.mark.parametrize("what", LOST)
async def test_the_providers_register_lost_it(tmp_path: Path, what: str) -> None:
    alter, reason = LOST[what]
    async with world(tmp_path, {"macao": fund}) as w:
        running = await died_after_the_effect(w)
        w.registers["macao"] = w._register(alter)
        await w.start("macao")
        if what == "service":  # nobody knows any more how to ask
            await nobody_knows(w, running)
            return
        async with asyncio.timeout(10):
            finished = await running
        assert (finished.outcome, finished.reason) == (Outcome.EXECUTED_ANSWER_WITHHELD, reason)
        assert set(w.nodes["macao"].service.count.values()) == {1}
        await w.settle()
        w.agree()


@pytest.mark.parametrize("what", LOST)
async def test_the_callers_register_lost_it(tmp_path: Path, what: str) -> None:
    """The answer is there when the caller's node comes back with another register."""
    alter, reason = LOST[what]
    async with world(tmp_path, {"macao": fund}) as w:
        asked = query(references=(CONSENT,))
        wire = w.wire("macao", "zhuhai")
        wire.tamper = lambda _group: None  # nothing arrives
        running = asyncio.create_task(w.submit("zhuhai", asked))
        await until(lambda: bool(w.nodes["macao"].service.asked))
        await w.crash("zhuhai")
        await asyncio.gather(running, return_exceptions=True)
        w.registers["zhuhai"] = w._register(alter)
        await w.start("zhuhai")
        wire.tamper = None
        await w.settle()
        reader = w.nodes["zhuhai"].core.store.reader
        found = reader.exchange_of(asked.party, asked.request_id)
        assert found is not None
        finished = w.nodes["zhuhai"].core.gateway._outbound.result(found[0])
        assert finished is not None
        assert (finished.outcome, finished.reason) == (Outcome.EXECUTED_ANSWER_WITHHELD, reason)
        w.agree()
