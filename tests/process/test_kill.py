"""``kill -9`` on any process, at any moment, in any order: promise 2, with real processes.

Rounds at random moments under load, then each step of one exchange on each side: what the node had
not synced is taken from it, as a power cut would.
"""

import asyncio
import os
import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from tests.harness.cluster import (
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
    eventually,
)
from tests.harness.officers import HELD, check_holds, deciding, held_load, rejected, with_held
from tests.harness.scale import scaled
from tests.harness.shim import Shim
from tests.harness.verify import examine

from xbgateway.model.outcome import Outcome, State

ROUNDS = int(os.environ.get("XB_KILL_ROUNDS", str(scaled(50, most=6))))
SEED = int(os.environ.get("XB_KILL_SEED", "20261122"))
# Who dies: mostly one node, sometimes both at once, sometimes the service behind one.
VICTIMS = (
    *(("zhuhai",),) * 4,
    *(("macao",),) * 4,
    ("zhuhai", "macao"),
    ("macao-agency",),
    ("zhuhai-agency",),
)
When = Literal["before", "after"]
WAYS: Final[tuple[When, ...]] = ("before", "after")
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


async def _goes_on(people: Callers) -> None:
    """Until some more callers got their answers."""
    wanted = people.answers + len(LOAD)
    await eventually(lambda: people.answers >= wanted, 30, every_s=0.02)


@pytest.mark.timeout(60 + 5 * ROUNDS)
async def test_nothing_is_lost_doubled_or_unexplained(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    async with cluster(tmp_path, with_held) as nodes:
        async with callers(nodes) as people, deciding(nodes):
            async with people.load(LOAD, pause_s=0.03), held_load(people, 2, pause_s=0.1):
                for _ in range(ROUNDS):
                    # Mostly once work goes on, at times before the last victim is up again.
                    if chance.random() < 0.6:
                        await _nodes_alive(nodes)
                        await _goes_on(people)
                    await asyncio.sleep(chance.random() * 0.4)
                    for victim in chance.choice(VICTIMS):
                        await _kill(nodes, victim)
                await _nodes_alive(nodes)
            await _asked_again(people, chance.sample(people.asked, min(100, len(people.asked))))
        await nodes.settle()
        await nodes.stop()
        # What an officer rejected must be strange to every service.
        ends = check_effects(nodes, [one for one in people.asked if not rejected(one)])
        report = examine(nodes.stores(), nodes.register)
        _explained(people.asked, report.outcomes)
        _counted(nodes, people.asked)
        ends |= check_holds(nodes, people.asked, report.outcomes)
        record_property("ends", f"{ROUNDS} rounds, {report.entries} entries, {ends}")
        assert ends["answered"] > ROUNDS
        assert ends["approved"] > 0
        assert ends["rejected"] > 0


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
        wanted = Outcome.REFUSED if rejected(one) else wanted
        assert said is wanted, f"{one.kind.name} {one.exchange}: {said}"
    assert outcomes.keys() == {one.exchange for one in asked}


def _counted(nodes: Processes, asked: list[Asked]) -> None:
    """Zhuhai has counted, once each, the persons of its parties' requests and of its answers."""
    persons = {
        (one.kind.party, _named(one))
        for one in asked
        if one.kind not in {NOTICE, HELD} or one.answer is not None
    }
    with closing(sqlite3.connect(nodes.store("zhuhai"))) as store:
        kept = "SELECT count(*) FROM subjects WHERE kind = 'pi_year'"
        number = "SELECT sum(n) FROM subject_days WHERE kind = 'pi_year'"
        found = store.execute(f"SELECT ({kept}), ({number})").fetchone()
    assert found == (len(persons), len(persons))


def _named(one: Asked) -> str:
    asked: Any = one.request
    if one.kind is NOTICE:
        return str(asked.pid_token)
    return str(asked.fss_no if one.kind is QUERY else asked.attestation.bir_no)


# ---- each step of one exchange -------------------------------------------------------------------

STEPS_MAX = 12
# A node with nothing to do syncs nothing: cosignatures ride along within this time.
QUIET_S = 0.35


@pytest.mark.tool("cc")
@pytest.mark.timeout(240)
async def test_a_power_cut_around_each_sync_of_an_exchange(tmp_path: Path) -> None:
    """At both nodes: the sender at its n-th sync, the receiver at its n-th, in one exchange."""
    async with cluster(tmp_path, _watched) as nodes, callers(nodes) as people:
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
        await _agree(nodes, people)


@pytest.mark.tool("cc")
@pytest.mark.parametrize(("when", "step", "acted"), [("after", 2, 0), ("before", 3, 1)])
async def test_a_service_that_knows_no_exchange_id_is_never_asked_twice(
    tmp_path: Path, when: When, step: int, acted: int
) -> None:
    """Accepted is the receiver's second sync, the answer its third; between them it calls."""
    async with cluster(tmp_path, _watched) as nodes, callers(nodes) as people:
        await people.call(NOTICE)
        assert await _cut(nodes, people, NOTICE, {"zhuhai": (when, step)})
        unsure = people.asked[-1]
        assert unsure.error is not None
        assert unsure.error.reason == "EXCHANGE_UNKNOWN_EFFECT"
        assert unsure.error.outcome == "unknown"
        await _agree(nodes, people)
        done = nodes.effects("zhuhai").get(unsure.exchange, ("", 0, 0))[2]
        assert done == acted


def _watched(nodes: Processes) -> None:
    for node in nodes.stores():
        nodes.shim(node)


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


async def _agree(nodes: Processes, people: Callers) -> None:
    await nodes.settle()
    await nodes.stop()
    check_effects(nodes, people.asked)
    _counted(nodes, people.asked)
    _explained(people.asked, examine(nodes.stores(), nodes.register).outcomes)


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
