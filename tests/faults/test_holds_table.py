"""Every durable step of a hold and its answer x {not committed, committed and unreported}.

On either node, wherever the hold is decided. After each crash the node starts again on the same
files, the officer answers if no answer is on record, and the caller asks again (promise 2).
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.harness.corridors import proof_of_life
from tests.harness.holds import PLACES, Place, decide, held_world
from tests.harness.scale import scaled
from tests.harness.simulator import World

from xbgateway.exchange import Submission
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.model.outcome import Outcome

# Some ten worlds one after the other, each started twice.
pytestmark = pytest.mark.timeout(300)
# At least so many transactions of a held and approved exchange on the sender's, receiver's node.
LEAST = {"at home": (4, 3), "over there": (5, 4), "where it arrives": (4, 5)}
# The whole table in the long run; of what crashes before a commit, the place with most steps else.
LONG = scaled(1) > 1
ROWS = [
    (name, side)
    for name in PLACES
    for side in ("before", "after")
    if LONG or side == "after" or name == "over there"
]


async def story(w: World, place: Place, asked: Submission, yes: bool) -> None:
    """Held, answered, and on to its end: what there is to do, whatever is done already."""
    held = await w.submit("zhuhai", asked)
    if held.outcome is Outcome.HELD:
        await w.settle()
        try:
            await decide(w, place, held.exchange, yes=yes)
        except Refused as refused:
            if refused.reason is not Reason.HOLD_ANSWERED:
                raise
        await w.settle()
        await w.submit("zhuhai", asked)
    await w.settle()


async def crashed_at(  # noqa: PLR0917 - where and when it crashes
    w: World, place: Place, node: str, number: int, side: Side, yes: bool
) -> bool:
    """One story with a crash in it; false where the story has no such transaction."""
    asked = proof_of_life(alive_on=place.alive_on)
    crash = Crash(number, side)
    crash.arm(w.nodes[node].core)
    running = asyncio.create_task(story(w, place, asked, yes))
    came = await either(running, crash)
    await w.crash(node)
    running.cancel()
    with suppress(asyncio.CancelledError, GatewayError):
        await running
    await w.start(node)
    await story(w, place, asked, yes)
    where = f"{node} #{number} {side} ({crash.seen})"
    finished = await w.submit("zhuhai", asked)
    no = Outcome.NOT_EXECUTED if place is PLACES["where it arrives"] else Outcome.REFUSED
    assert finished.outcome is (Outcome.EXECUTED if yes else no), f"{where}: {finished}"
    assert w.nodes["macao"].service.count[finished.exchange] == int(yes), where
    assert w.agree().outcomes[finished.exchange].outcome is finished.outcome, where
    for each in w.nodes.values():
        reader = each.core.store.reader
        assert not reader.holds_in("open", "approved", "rejected"), where
        assert not list(reader.waiting()), where
    return came


@pytest.mark.parametrize(("name", "side"), ROWS)
async def test_a_crash_at_every_transaction_of_a_hold(
    tmp_path: Path, name: str, side: Side
) -> None:
    place = PLACES[name]
    async with held_world(tmp_path, place) as w:
        for node, least in zip(("zhuhai", "macao"), LEAST[name], strict=True):
            number = 1
            while await crashed_at(w, place, node, number, side, yes=True):
                number += 1
                assert number < 20
            assert number > least, f"{node} had {number - 1} transactions"


@pytest.mark.parametrize("name", PLACES if LONG else ["over there"])
async def test_a_crash_at_every_transaction_of_a_rejection(tmp_path: Path, name: str) -> None:
    place = PLACES[name]
    async with held_world(tmp_path, place) as w:
        number = 1
        while await crashed_at(w, place, place.node, number, "after", yes=False):
            number += 1
            assert number < 20
        assert number > 2
