"""Every durable step of a cancel x {not committed, committed and unreported}, on either node.

After each crash the node starts again on the same files and the caller cancels once more, as it
would that never heard; nobody pulls meanwhile, so the exchange ends taken back (promise 2).
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.faults.evil import until
from tests.harness.corridors import query
from tests.harness.inbox import FUND, delivered, inbox, row
from tests.harness.scale import scaled
from tests.harness.simulator import World

from xbgateway.exchange import Submission
from xbgateway.model.errors import GatewayError, Reason
from xbgateway.model.outcome import Outcome

pytestmark = pytest.mark.timeout(120)
# At least so many transactions of an exchange that is submitted, accepted and taken back.
LEAST = {"zhuhai": 3, "macao": 4}
# The whole table in the long run; of what crashes before a commit, the node that decides else.
ROWS = [
    (node, side)
    for node in LEAST
    for side in ("before", "after")
    if scaled(1) > 1 or side == "after" or node == "macao"
]


async def story(w: World, asked: Submission) -> None:
    """Submitted, accepted and taken back: what there is to do, whatever is done already."""
    gateway = w.nodes["zhuhai"].core.gateway
    begun = await gateway.submit(asked)
    if isinstance(begun, str):
        await until(lambda: bool(row(w, begun) or gateway.result(asked.party, begun)))
        await gateway.cancel(asked.party, begun)
    finished = await gateway.call(asked)
    assert finished.outcome is Outcome.NOT_EXECUTED, finished


async def crashed_at(w: World, node: str, number: int, side: Side) -> bool:
    """One story with a crash in it; false where it has no such transaction."""
    asked = query(fss_no=f"SYN{number:06}")
    crash = Crash(number, side)
    crash.arm(w.nodes[node].core)
    running = asyncio.create_task(story(w, asked))
    came = await either(running, crash)
    await w.crash(node)
    if came:
        running.cancel()
    with suppress(asyncio.CancelledError, GatewayError):
        await running
    await w.start(node)
    await asyncio.wait_for(story(w, asked), 20)
    where = f"{node} #{number} {side} ({crash.seen})"
    await w.settle()
    finished = await w.submit("zhuhai", asked)
    assert finished.reason == Reason.EXCHANGE_CANCELLED, f"{where}: {finished}"
    assert w.agree().outcomes[finished.exchange].outcome is Outcome.NOT_EXECUTED, where
    assert row(w, finished.exchange) is None, where
    assert await inbox(w).pull(FUND, 1, 0) == [], where
    for each in w.nodes.values():
        assert not list(each.core.store.reader.waiting()), where
    return came


@pytest.mark.parametrize(("node", "side"), ROWS)
async def test_a_crash_at_every_transaction_of_a_cancel(
    tmp_path: Path, node: str, side: Side
) -> None:
    async with delivered(tmp_path, {"mode": "pull", "visibility_s": 30}) as w:
        number = 1
        while await crashed_at(w, node, number, side):
            number += 1
            assert number < 20
        assert number > LEAST[node], f"{number - 1} transactions"
