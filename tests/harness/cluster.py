"""The demo's processes as tests use them."""

import asyncio
import os
import random
import signal
import socket
import sqlite3
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
)
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.shim import Shim
from tests.harness.verify import sizes, waiting

from xbgateway.demo.cluster import PARTIES, Cluster, Ports

ROOT = Path(__file__).resolve().parents[2]


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]], timeout_s: float | None, every_s: float = 0.05
) -> None:
    """Wait until something outside this process holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(every_s)


async def command(*arguments: object) -> tuple[int, str]:
    """A command as an operator types it; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xbgateway", *map(str, arguments)),
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@dataclass
class Processes(Cluster):
    """A cluster whose processes may have an environment of their own, or another way to start."""

    environment: dict[str, dict[str, str]] = field(default_factory=dict)  # by process
    instead: dict[str, tuple[str, ...]] = field(default_factory=dict)  # arguments, by node
    more: dict[str, tuple[str, ...]] = field(default_factory=dict)  # arguments besides, by process

    async def start_node(self, name: str) -> None:
        given = self.instead.get(name, ("-m", "xbgateway", "serve"))
        await self._spawn(name, *given, str(self.config(name)))

    async def _spawn(self, name: str, *arguments: str) -> None:
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.extra = {"PYTHONPATH": paths, **self.environment.get(name, {})}
        await Cluster._spawn(self, name, *arguments, *self.more.get(name, ()))

    def lower(self, name: str, synchronous: str) -> None:
        """Start this node with a store that does not sync as it should."""
        script = ROOT / "tests" / "process" / "lowered_store.py"
        self.instead[name] = (str(script), synchronous)

    def shim(self, name: str, *, shadow: bool = True) -> Shim:
        """Watch the syncs of this node from its next start on; see :meth:`Shim.environment`."""
        made = Shim.of(self.store(name))
        self.environment[name] = made.environment(shadow=shadow)
        return made

    def keys(self, node: str) -> Path:
        """The folder of a node's keys."""
        return self.certificates / node / "nodes" / node

    def stores(self) -> dict[str, Path]:
        return {name: self.store(name) for name in PARTIES}

    async def terminate(self, name: str) -> int:
        """SIGTERM one process; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), 40)

    async def slow_agency(self, node: str, delay_s: float) -> None:
        """Start a node's agency again; it answers that much after it acted."""
        self.more[f"{node}-agency"] = ("--answer-delay", str(delay_s)) if delay_s else ()
        await self.kill(f"{node}-agency")
        await self.start_agency(node)

    async def restart(self, name: str) -> None:
        await self.start_node(name)
        await self.ready(name)

    async def settle(self, timeout_s: float = 30.0) -> None:
        """Until both mirrors are complete and nothing waits at either node."""
        await eventually(self._settled, timeout_s)

    def _settled(self) -> bool:
        seen = [sizes(path) for path in self.stores().values()]
        shared = set(seen[0]) & set(seen[1])
        return all(seen[0][o] == seen[1][o] for o in shared) and not any(
            waiting(path) for path in self.stores().values()
        )

    def effects(self, node: str) -> dict[str, tuple[str, int, int]]:
        """Of an agency: by exchange the method, how often it was asked, how often it acted."""
        path = self.folder / node / "agency.db"
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            rows = connection.execute(
                "SELECT exchange_id, method, count_asked, count_done FROM effects"
            ).fetchall()
        found = {exchange: (method, asked, done) for exchange, method, asked, done in rows}
        assert len(found) == len(rows)
        return found


def quiet_ports(count: int) -> list[int]:
    """Ports below the range that outgoing connections take theirs from.

    A node that is down for a second would else now and then find its port taken by a client that
    tried to reach it.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def watched(nodes: Processes) -> None:
    """Prepare a cluster whose nodes all have their shim."""
    for node in nodes.stores():
        nodes.shim(node)


@asynccontextmanager
async def cluster(
    folder: Path, prepare: Callable[[Processes], None] | None = None
) -> AsyncIterator[Processes]:
    """A running cluster in ``folder``; its processes end with the block."""
    made = Processes(folder / "cluster", folder / "certs")
    made.ports = {name: Ports(*quiet_ports(4)) for name in PARTIES}
    made.prepare()
    if prepare is not None:
        prepare(made)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
