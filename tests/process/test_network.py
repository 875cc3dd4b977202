"""The line between the nodes fails in every way a line can: answers come late, once, or say why."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest
from tests.harness.agreement import check_effects
from tests.harness.cluster import (
    KINDS,
    Callers,
    Processes,
    callers,
    cluster,
    eventually,
)
from tests.harness.network import Network, Weather, lay
from tests.harness.verify import examine

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
                    wanted = people.answers + 2 * len(KINDS)
                    await eventually(partial(_answered, people, wanted), 30)
            await nodes.settle()
        await nodes.stop()
        assert all(line.bytes_lost and line.resets for line in network.lines.values())
        ends = check_effects(nodes, people.asked)
        examine(nodes.stores(), nodes.register)
        assert ends["answered"] > 100, ends


def _answered(people: Callers, wanted: int) -> bool:
    return people.answers >= wanted
