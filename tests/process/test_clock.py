"""Clocks that are wrong: apart between the nodes, ahead, and set back."""

import asyncio
from pathlib import Path

import pytest
from tests.harness.agreement import check_effects
from tests.harness.callers import KINDS, PROOF, QUERY, Asked, Callers, callers
from tests.harness.cluster import cluster, watched
from tests.harness.shim import Shim
from tests.harness.verify import examine

from xbgateway.cli.ending import Ending
from xbgateway.model.outcome import Outcome

pytestmark = [pytest.mark.tool("cc"), pytest.mark.timeout(180)]
LATE_S = 400.0  # longer than an exchange may take


async def _told(people: Callers, asked: Asked) -> str:
    """What one attempt says: the reason, or nothing where it was answered."""
    await people.once(asked, timeout_s=3)
    return asked.error.reason if asked.error else ""


@pytest.mark.parametrize("node", ["zhuhai", "macao"])
async def test_a_clock_ahead_refuses_and_one_that_was_set_back_waits_for_a_person(
    tmp_path: Path, node: str
) -> None:
    async with cluster(tmp_path, watched) as nodes, callers(nodes) as people:
        clock = Shim.of(nodes.store(node))
        for apart_s in (1.5, -0.4, 20.0):  # NTP's doing, and a few seconds more
            clock.wrong_by(apart_s)
            for kind in KINDS:
                assert not await _told(people, people.new(kind))

        clock.wrong_by(LATE_S)
        refused = [people.new(QUERY), people.new(PROOF)]
        for one in refused:
            # The receiver finds it too late, or the sender finds its caller's time too far off.
            wanted = "EXCHANGE_EXPIRED" if node == "macao" else "POLICY_DENIED"
            assert await _told(people, one) == wanted

        clock.wrong_by(0.0)
        waiting = [people.new(kind) for kind in KINDS]
        for one in waiting:
            assert await _told(people, one) in {
                "CLOCK_BACK",
                "EXCHANGE_PENDING",
                "DEADLINE_EXCEEDED",
            }
        await nodes.kill(node)
        await nodes.start_node(node)
        ended = await asyncio.wait_for(nodes.processes[node].wait(), 60)
        assert ended == Ending.UNAVAILABLE
        assert "error: CLOCK_BACK" in (nodes.folder / f"{node}.log").read_text()

        nodes.more[node] = ("--clock-corrected",)
        await nodes.restart(node)
        assert '"event":"clock_behind_record"' in (nodes.folder / f"{node}.log").read_text()
        for one in waiting:
            await people.done(one, 30)
        await nodes.settle()
        await nodes.stop()
        outcomes = examine(nodes.stores(), nodes.register).outcomes
        for one in refused:
            if one.exchange:
                assert outcomes[one.exchange].outcome in {Outcome.EXPIRED, Outcome.REFUSED}
        assert check_effects(nodes, [one for one in people.asked if one not in refused])
