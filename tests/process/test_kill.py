"""``kill -9`` on any process, at any moment, in any order: promise 2, with real processes.

Rounds at random moments under load, then each step of one exchange on each side: what the node had
not synced is taken from it, as a power cut would.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.harness.cluster import (
    KINDS,
    NOTICE,
    PROOF,
    QUERY,
    Asked,
    Callers,
    Kind,
    Processes,
    callers,
    check_effects,
    cluster,
)
from tests.harness.scale import scaled
from tests.harness.shim import Shim
from tests.harness.verify import examine
from xbgateway.model.outcome import Outcome, State

ROUNDS = int(os.environ.get("XB_KILL_ROUNDS", str(scaled(50))))
SEED = int(os.environ.get("XB_KILL_SEED", "20261122"))
# Who dies: mostly one node, sometimes both at once, sometimes the service behind one.
VICTIMS = (
    *(("zhuhai",),) * 4,
    *(("macao",),) * 4,
    ("zhuhai", "macao"),
    ("macao-agency",),
    ("zhuhai-agency",),
)
WAYS: Final[tuple[Literal["before", "after"], ...]] = ("before", "after")
LOAD = (QUERY, QUERY, PROOF, PROOF, NOTICE)


async def _kill(of: Processes, victim: str) -> None:
    await of.kill(victim)
    if victim.endswith("-agency"):
        await of.start_agency(victim.removesuffix("-agency"))
    else:
        await of.start_node(victim)


async def _nodes_alive(of: Processes) -> None:
    for node in of.stores():
        await of.ready(node)


@pytest.mark.timeout(60 + 5 * ROUNDS)
async def test_nothing_is_lost_doubled_or_unexplained(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with cluster(tmp_path) as nodes:
        async with callers(nodes) as people:
            async with people.load(LOAD, pause_s=0.03):
                for _ in range(ROUNDS):
                    # At times before the last victim is up again.
                    if chance.random() < 0.8:
                        await _nodes_alive(nodes)
                    await asyncio.sleep(chance.random() * 0.5)
                    for victim in chance.choice(VICTIMS):
                        await _kill(nodes, victim)
                await _nodes_alive(nodes)
            await _asked_again(people, chance.sample(people.asked, min(100, len(people.asked))))
        await nodes.settle()
        await nodes.stop()
        ends = check_effects(nodes, people.asked)
        report = examine(nodes.stores(), nodes.register)
        _explained(people.asked, report.outcomes)
        print(f"{ROUNDS} rounds, {len(people.asked)} requests, {report.entries} entries: {ends}")
        assert ends["answered"] > ROUNDS


async def _asked_again(people: Callers, some: list[Asked]) -> None:
    """The same request id gives the stored result; ``once`` compares."""
    for one in some:
        before = one.error.reason if one.error else None
        await people.done(one)
        assert (one.error.reason if one.error else None) == before


def _explained(asked: list[Asked], outcomes: Mapping[str, State]) -> None:
    """Both logs say of each request what its caller was told, and know of no other."""
    for one in asked:
        said = outcomes[one.exchange].outcome
        wanted = Outcome.EXECUTED if one.answer is not None else Outcome.UNKNOWN
        assert said is wanted, f"{one.kind.name} {one.exchange}: {said}"
    assert outcomes.keys() == {one.exchange for one in asked}


# ---- each step of one exchange -------------------------------------------------------------------

STEPS_MAX = 12
# A node with nothing to do syncs nothing: cosignatures ride along within this time.
QUIET_S = 0.5


@pytest.mark.tool("cc")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("kind", "node"),
    [(QUERY, "zhuhai"), (QUERY, "macao"), (NOTICE, "zhuhai")],
    ids=["sender", "receiver", "receiver-without-exchange-ids"],
)
async def test_a_power_cut_around_each_sync_of_an_exchange(
    tmp_path: Path, kind: Kind, node: str
) -> None:
    async with cluster(tmp_path, lambda nodes: nodes.shim(node)) as nodes, callers(nodes) as people:
        shim = Shim.of(nodes.store(node))
        died = dict.fromkeys(WAYS, 0)
        await people.call(kind)
        for when in WAYS:
            while died[when] < STEPS_MAX:
                await _quiet(shim)
                shim.kill_at(when, died[when] + 1)
                asking = asyncio.create_task(people.call(kind))
                if not await _dies(nodes.processes[node], asking):
                    shim.kill_at(when, 0)
                    break
                died[when] += 1
                await nodes.kill(node)
                shim.power_cut()
                await nodes.restart(node)
                await asking
        await nodes.settle()
        await nodes.stop()
        ends = check_effects(nodes, people.asked)
        report = examine(nodes.stores(), nodes.register)
        _explained(people.asked, report.outcomes)
        print(f"{kind.name} at {node}: {died} {ends}")
        # The sender syncs its request and its last word, the receiver the mirrored request,
        # its acceptance and its answer.
        assert min(died.values()) >= (2 if node == "zhuhai" and kind is QUERY else 3)
        assert max(died.values()) < STEPS_MAX


async def _quiet(shim: Shim) -> None:
    before = -1
    while before != (before := shim.syncs()):
        await asyncio.sleep(QUIET_S)


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
