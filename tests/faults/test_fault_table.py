"""Every durable step of an exchange x {not committed, committed and unreported}, on either node.

After each crash the node starts again on the same files, the caller asks again with the same
request id, and the oracle re-verifies everything from the bytes up (promise 2). Every exchange is
about another person, so the persons counted are as many as the entries that sent something.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.flow.test_two_gateways import expired_assessment
from tests.harness.corridors import Journal, fund, notice, person, proof_of_life, query
from tests.harness.numbers import persons, sent
from tests.harness.simulator import World, world

from xbgateway.exchange import Finished, Submission
from xbgateway.model.outcome import Outcome


@dataclass(frozen=True)
class Story:
    """An exchange, who asks whom, how it may end, and how often the service may have acted."""

    submission: Callable[[int], Submission]  # about the person of that number
    caller: str
    provider: str
    ends: frozenset[Outcome]
    effects: frozenset[int]
    honours: bool = True
    strict: str | None = None  # the node whose register has an assessment that is over


STORIES = {
    "allowed": Story(
        lambda n: query(fss_no=f"SYN{n:06}"),
        "zhuhai", "macao", frozenset({Outcome.EXECUTED}), frozenset({1})
    ),
    "refused at home": Story(
        lambda n: proof_of_life(bir_no=person(n), scenario="SC-POL-EXPIRED"),
        "zhuhai", "macao", frozenset({Outcome.REFUSED}), frozenset({0}),
    ),
    "refused over there": Story(
        lambda n: proof_of_life(bir_no=person(n)),
        "zhuhai", "macao", frozenset({Outcome.NOT_EXECUTED}), frozenset({0}), strict="macao",
    ),
    "not honouring the id": Story(
        lambda n: notice(pid_token=f"pt_{n:026}"),
        "macao", "zhuhai", frozenset({Outcome.EXECUTED, Outcome.UNKNOWN}), frozenset({0, 1}),
        honours=False,
    ),
}  # fmt: skip
_numbers = count()
# At least so many transactions make the exchange durable on the caller's and the provider's node.
STEPS = {
    "allowed": (3, 3),
    "refused at home": (1, 0),
    "refused over there": (3, 2),
    "not honouring the id": (3, 3),
}


async def crashed_at(w: World, story: Story, node: str, number: int, side: Side) -> bool:
    """One exchange with a crash in it; false where the exchange has no such transaction."""
    asked = story.submission(next(_numbers))
    crash = Crash(number, side)
    crash.arm(w.nodes[node].core)
    running = asyncio.create_task(w.submit(story.caller, asked))
    came = await either(running, crash)
    if not came:
        # The caller has its result; what is left to do on either node may still hit the crash.
        settling = asyncio.create_task(w.settle())
        came = await either(settling, crash)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
    await w.crash(node)
    await w.start(node)
    finished = await w.submit(story.caller, asked)
    where = f"{node} #{number} {side} ({crash.seen})"
    check(w, story, finished, where)
    told = (await asyncio.gather(running, return_exceptions=True))[0]
    if isinstance(told, Finished):
        assert replace(told, decision=None) == finished, where
    await w.settle()
    report = w.agree()
    assert report.outcomes[finished.exchange].outcome is finished.outcome, where
    assert persons(w, "zhuhai", "pi_year") == sent(w, "zhuhai"), where
    return came


def check(w: World, story: Story, finished: Finished, where: str) -> None:
    assert finished.outcome in story.ends, f"{where}: {finished}"
    done = w.nodes[story.provider].service.count[finished.exchange]
    assert done in story.effects, f"{where}: {done} effects"
    if finished.outcome is Outcome.EXECUTED:
        assert done == 1, where
        assert finished.payload, where


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", STORIES)
async def test_a_crash_at_every_transaction_of_an_exchange(
    tmp_path: Path, name: str, side: Side
) -> None:
    story = STORIES[name]
    served: dict[str, Callable[[str, bytes], bytes]] = {"macao": fund, "zhuhai": Journal()}
    strict = {story.strict: expired_assessment} if story.strict else {}
    async with world(tmp_path, served, registers=strict) as w:
        w.nodes[story.provider].service.honours = story.honours
        for node, least in zip((story.caller, story.provider), STEPS[name], strict=True):
            number = 1
            while await crashed_at(w, story, node, number, side):
                number += 1
                assert number < 20
            assert number > least, f"{node} had {number - 1} transactions"


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_crash_at_every_transaction_of_a_first_start(tmp_path: Path, side: Side) -> None:
    """Registers, activations and key bundles are said once, however often the start dies."""
    for number in range(1, 10):
        served: dict[str, Any] = {"macao": fund}
        made = World(tmp_path / f"{number}", ("zhuhai", "macao"), served)
        crash = Crash(number, side)
        await made.start("macao")
        starting = asyncio.create_task(made.start("zhuhai", crash.arm))
        came = await either(starting, crash)
        crash.number = 0
        if came:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await made.crash("zhuhai")
            await made.start("zhuhai")
        try:
            await made.connect()
            await made.wait_ready()
            assert (await made.submit("zhuhai", query())).outcome is Outcome.EXECUTED
            await made.settle()
            made.agree()
            core = made.nodes["zhuhai"].core
            assert len(core.store.reader.bundles(core.topology.control_out("macao"))) == 1
            assert core.store.size(core.topology.control_out("macao")) == 3
        finally:
            await made.stop()
        if not came:
            assert number > 2
            return
    pytest.fail("a start has no end")
