"""``kill -9`` around each sync of an exchange, on each side: promise 2, with real processes.

What the node had not synced is taken from it, as a power cut would. ``test_soak.py`` kills at
random moments under load.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import pytest
from tests.harness.agreement import agree
from tests.harness.callers import NOTICE, QUERY, Asked, Callers, Kind, callers
from tests.harness.cluster import Processes, cluster, eventually, watched
from tests.harness.shim import Shim

When = Literal["before", "after"]
WAYS: Final[tuple[When, ...]] = ("before", "after")
STEPS_MAX = 12
# A node with nothing to do syncs nothing: cosignatures ride along within this time.
QUIET_S = 0.35


@pytest.mark.tool("cc")
@pytest.mark.timeout(240)
async def test_a_power_cut_around_each_sync_of_an_exchange(tmp_path: Path) -> None:
    """At both nodes: the sender at its n-th sync, the receiver at its n-th, in one exchange."""
    async with cluster(tmp_path, watched) as nodes, callers(nodes) as people:
        await people.call(QUERY)
        for when in WAYS:
            died = dict.fromkeys(nodes.stores(), 0)
            for step in range(1, STEPS_MAX):
                cut = await _cut(nodes, people, QUERY, dict.fromkeys(died, (when, step)))
                if not cut:
                    break
                died = {node: step if node in cut else died[node] for node in died}
            # The sender syncs its request and its last word; the receiver the request in its
            # mirror, its acceptance and its answer.
            assert 2 <= died["zhuhai"] < STEPS_MAX - 1
            assert 3 <= died["macao"] < STEPS_MAX - 1
        await agree(nodes, people)


@pytest.mark.tool("cc")
@pytest.mark.parametrize(("when", "step", "acted"), [("after", 2, 0), ("before", 3, 1)])
async def test_a_service_that_knows_no_exchange_id_is_never_asked_twice(
    tmp_path: Path, when: When, step: int, acted: int
) -> None:
    """Accepted is the receiver's second sync, the answer its third; between them it calls."""
    async with cluster(tmp_path, watched) as nodes, callers(nodes) as people:
        await people.call(NOTICE)
        assert await _cut(nodes, people, NOTICE, {"zhuhai": (when, step)})
        unsure = people.asked[-1]
        assert unsure.error is not None
        assert unsure.error.reason == "EXCHANGE_UNKNOWN_EFFECT"
        assert unsure.error.outcome == "unknown"
        await agree(nodes, people)
        done = nodes.effects("zhuhai").get(unsure.exchange, ("", 0, 0))[2]
        assert done == acted


async def _cut(
    nodes: Processes, people: Callers, kind: Kind, steps: Mapping[str, tuple[When, int]]
) -> set[str]:
    """One exchange with a power cut at each node around its sync; the nodes that came so far."""
    shims = {node: Shim.of(nodes.store(node)) for node in steps}
    for shim in shims.values():
        await _quiet(shim)
    for node, (when, step) in steps.items():
        shims[node].kill_at(when, step)
    asking = asyncio.create_task(people.call(kind))
    died = set()

    async def watch(node: str) -> None:
        if not await _dies(nodes.processes[node], asking):
            return shims[node].kill_at("before", 0)
        died.add(node)
        await nodes.kill(node)
        shims[node].power_cut()
        return await nodes.restart(node)

    await asyncio.gather(*(watch(node) for node in steps))
    await asking
    return died


async def _quiet(shim: Shim) -> None:
    seen = [-1]

    def unchanged() -> bool:
        seen.append(shim.syncs())
        return seen[-1] == seen[-2]

    await eventually(unchanged, 30, every_s=QUIET_S)


async def _dies(process: asyncio.subprocess.Process, asking: asyncio.Task[Asked]) -> bool:
    """Whether the process ends while the exchange is under way, or soon after it."""
    ending = asyncio.create_task(process.wait())
    await asyncio.wait({ending, asking}, return_when=asyncio.FIRST_COMPLETED)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(ending), QUIET_S)
    if ending.done():
        return True
    ending.cancel()
    return False
