"""Everything that goes wrong, at random and at once, under load: promise 2 with real processes.

Processes die by ``kill -9`` or stop for seconds, lines between the nodes fail in every way, clocks
are a little wrong, disks are full or do not sync, keys are rolled. Afterwards both sides agree on
everything, and each caller was told what became of its request. ``make soak`` does it for half an
hour.
"""

import asyncio
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from tests.harness.agreement import agree, asked_again
from tests.harness.callers import NOTICE, PROOF, QUERY, Callers, callers
from tests.harness.cluster import Processes, cluster, command
from tests.harness.network import Network, Weather, lay
from tests.harness.officers import check_holds, deciding, held_load, with_held
from tests.harness.scale import scaled
from tests.harness.shim import Shim

from xbgateway.cli.ending import Ending

KILLS = int(os.environ.get("XB_KILL_ROUNDS", str(scaled(50, most=6))))
SECONDS = float(os.environ.get("XB_SOAK_SECONDS", str(scaled(180, most=6))))
SEED = int(os.environ.get("XB_SOAK_SEED", "20261126"))
# Clocks and disks go wrong where a compiler can make the shim; kills and lines need none.
SHIMMED = shutil.which("cc") is not None
# Who dies: mostly one node, sometimes both at once, sometimes the service behind one.
VICTIMS = (
    *(("zhuhai",),) * 4,
    *(("macao",),) * 4,
    ("zhuhai", "macao"),
    ("macao-agency",),
    ("zhuhai-agency",),
)
LOAD = (QUERY, QUERY, PROOF, PROOF, NOTICE)
# Far below what a token, a caller's time or a step back may be off.
CLOCK_OFF_S = 0.9


@dataclass
class Storm:
    """What can go wrong, and how often it did."""

    nodes: Processes
    network: Network
    people: Callers
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    async def strike(self) -> None:
        """One thing goes wrong, and is well again by itself or by who looks after processes."""
        faults: dict[Callable[[], Awaitable[None]], int]
        faults = {self._kill: 15, self._weather: 5, self._pause: 3, self._roll: 1}
        if SHIMMED:
            faults |= {self._clock: 2, self._disk: 3}
        (fault,) = self.chance.choices(list(faults), list(faults.values()))
        await fault()

    async def whole(self) -> None:
        """Every node takes calls; what ended by itself is started again, as by a manager."""
        for node in self.nodes.stores():
            while True:
                with suppress(RuntimeError):
                    await self.nodes.ready(node)
                    break
                ended = self.nodes.processes[node].returncode
                assert ended == Ending.UNAVAILABLE, f"{node} ended with {ended}"
                self.done["started again"] += 1
                await self.nodes.start_node(node)

    def _node(self) -> str:
        return self.chance.choice(sorted(self.nodes.stores()))

    async def _kill(self) -> None:
        for victim in self.chance.choice(VICTIMS):
            self.done[f"kill {victim}"] += 1
            await self.nodes.kill(victim)
            if victim.endswith("-agency"):
                await self.nodes.start_agency(victim.removesuffix("-agency"))
            else:
                await self.nodes.start_node(victim)
        self.done["kills"] += 1

    async def _weather(self) -> None:
        weather = self.chance.choice(list(Weather))
        lines = list(self.network.lines.values())
        for line in lines if self.chance.random() < 0.5 else [self.chance.choice(lines)]:
            line.weather = weather
        await asyncio.sleep(self.chance.uniform(0.2, 2.0))
        self.network.all(Weather.CLEAR)
        self.done[weather.name.lower()] += 1

    async def _pause(self) -> None:
        process = self.nodes.processes[self._node()]
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(self.chance.uniform(0.2, 2.0))
            process.send_signal(signal.SIGCONT)
            self.done["pause"] += 1

    async def _roll(self) -> None:
        """A node that may be down just now gets new keys."""
        verb = self.chance.choice(("rotate-log", "rotate-cosigning", "rotate-sealing"))
        code, _ = await command("keys", verb, self.nodes.keys(self._node()))
        assert code == 0
        self.done[verb] += 1

    async def _clock(self) -> None:
        shim = Shim.of(self.nodes.store(self._node()))
        shim.wrong_by(self.chance.uniform(-CLOCK_OFF_S, CLOCK_OFF_S))
        self.done["clock"] += 1

    async def _disk(self) -> None:
        ways: tuple[Literal["write", "sync"], ...] = ("write", "sync")
        what = self.chance.choice(ways)
        with Shim.of(self.nodes.store(self._node())).failing(what):
            await asyncio.sleep(self.chance.uniform(0.1, 1.0))
        self.done[f"no {what}"] += 1


@pytest.mark.timeout(120 + 3 * SECONDS + 5 * KILLS)
async def test_nothing_is_lost_doubled_or_unexplained(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance, laid = random.Random(SEED), list[Network]()

    def prepare(nodes: Processes) -> None:
        with_held(nodes)
        laid.append(lay(nodes, chance))
        for node in nodes.stores() if SHIMMED else ():
            nodes.shim(node, shadow=False)

    async with cluster(tmp_path, prepare) as nodes, laid[0].open() as network:
        async with callers(nodes) as people, deciding(nodes):
            storm = Storm(nodes, network, people, chance)
            async with people.load(LOAD, pause_s=0.03), held_load(people, 2, pause_s=0.1):
                await _rages(storm)
                await storm.whole()
            await asked_again(people, chance.sample(people.asked, min(100, len(people.asked))))
        report, ends = await agree(nodes, people)
        ends |= check_holds(nodes, people.asked, report.outcomes)
        record_property("soak", f"{dict(storm.done)}, {report.entries} entries, {ends}")
        assert ends["answered"] > KILLS
        assert ends["approved"] > 0
        assert ends["rejected"] > 0


async def _rages(storm: Storm) -> None:
    """For the time that was asked for, and until enough processes died."""
    clock = asyncio.get_running_loop().time
    until = clock() + SECONDS
    while clock() < until or storm.done["kills"] < KILLS:
        # Mostly once work goes on, at times before the last victim is up again.
        if storm.chance.random() < 0.6:
            await storm.whole()
            await storm.people.more_answers(len(LOAD), 60)
        await asyncio.sleep(storm.chance.random() * 0.4)
        await storm.strike()
