"""The line between the nodes fails in every way a line can: answers come late, once, or say why."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.harness.agreement import agree
from tests.harness.callers import KINDS, callers
from tests.harness.cluster import Processes, cluster
from tests.harness.network import Network, Weather, lay

SEED = 20261126
STORM_S = 1.5


@pytest.mark.timeout(180)
async def test_answers_come_late_and_once_whatever_the_line_does(tmp_path: Path) -> None:
    """Each weather on both lines and on one alone, under load, on nodes that nobody restarts."""
    laid: list[Network] = []

    def prepare(nodes: Processes) -> None:
        laid.append(lay(nodes, random.Random(SEED)))

    async with cluster(tmp_path, prepare) as nodes, callers(nodes) as people:
        (network,) = laid
        async with network.open():
            async with people.load((*KINDS, *KINDS), pause_s=0.02):
                for weather in Weather:
                    for lines in (network.lines.values(), [network.lines["macao"]]):
                        for line in lines:
                            line.weather = weather
                        await asyncio.sleep(STORM_S)
                        network.all(Weather.CLEAR)
                    await people.more_answers(2 * len(KINDS), 30)
            _report, ends = await agree(nodes, people)
        assert all(line.bytes_lost and line.resets for line in network.lines.values())
        assert ends["answered"] > 100, ends
