"""The line between two nodes, and what happens to lines: a TCP proxy on loopback per direction.

What a network does to packets — losing, doubling and reordering them — TCP turns into delay, stalls
and torn connections before a node sees it, so these are the faults here. What a hostile peer does
to entries and groups is in ``tests/faults``.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

import yaml
from tests.harness.cluster import Processes, quiet_ports

CHUNK_BYTES = 16_384
TRICKLE_BYTES = 2_000
TRICKLE_S = 0.02


class Weather(Enum):
    """What a line does with the bytes that are given to it."""

    CLEAR = auto()
    DELAY = auto()  # every chunk waits, each for another time, in order
    TRICKLE = auto()  # little at a time, as where most packets are lost
    CUT = auto()  # connections are reset, new ones refused
    HALF_OPEN = auto()  # bytes vanish in both directions, connections stay and are made
    DEAF = auto()  # bytes towards the listener vanish, its own arrive
    FLAPPING = auto()  # connections are reset soon after they were made


@dataclass(slots=True)
class Line:
    """The way to one node's peer port. Set ``weather`` at any time."""

    port: int
    target: int
    chance: random.Random
    delay_s: float = 0.15
    bytes_lost: int = 0
    resets: int = 0
    _weather: Weather = Weather.CLEAR
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, now: Weather) -> None:
        healed = self._weather in {Weather.HALF_OPEN, Weather.DEAF}
        self._weather = now
        # TCP would have gone on where bytes were lost; this line cannot, so it tears instead.
        if now is Weather.CUT or (healed and self.bytes_lost):
            self._reset()

    def _reset(self) -> None:
        for writer in tuple(self._open):
            self.resets += 1
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            self._reset()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather is Weather.CUT:
            return writer.transport.abort()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return writer.transport.abort()
        both = {writer, far_writer}
        self._open |= both
        flows = (self._flow(reader, far_writer, inward=True),
                 self._flow(far_reader, writer, inward=False))  # fmt: skip
        tasks = {asyncio.create_task(flow) for flow in flows}
        if self._weather is Weather.FLAPPING:
            tasks.add(asyncio.create_task(self._torn()))
        self._tasks |= tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in both:
            each.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._open -= both
        self._tasks -= tasks
        return None

    async def _torn(self) -> None:
        """A connection ends with the first of its tasks."""
        await asyncio.sleep(self.chance.uniform(0.05, 0.6))
        self.resets += 1

    async def _flow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, inward: bool
    ) -> None:
        with suppress(OSError):
            while True:
                few = self._weather is Weather.TRICKLE
                if not (chunk := await reader.read(TRICKLE_BYTES if few else CHUNK_BYTES)):
                    return
                if self._weather is Weather.DELAY:
                    await asyncio.sleep(self.chance.uniform(0, 2 * self.delay_s))
                if few:
                    await asyncio.sleep(TRICKLE_S)
                lost = self._weather is Weather.HALF_OPEN
                if lost or (inward and self._weather is Weather.DEAF):
                    self.bytes_lost += len(chunk)
                    continue
                writer.write(chunk)
                await writer.drain()


@dataclass(frozen=True, slots=True)
class Network:
    """The lines of a cluster, by the node they lead to."""

    lines: Mapping[str, Line]

    def all(self, weather: Weather) -> None:
        """The same weather on every line."""
        for line in self.lines.values():
            line.weather = weather

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Network"]:
        """Every line serves while the block runs."""
        async with AsyncExitStack() as until:
            for line in self.lines.values():
                await until.enter_async_context(line.open())
            yield self


def lay(nodes: Processes, chance: random.Random) -> Network:
    """Lines between the nodes of a prepared cluster: its register names them as addresses."""
    ports = dict(zip(nodes.ports, quiet_ports(len(nodes.ports)), strict=True))
    made = {name: Line(ports[name], of.peer, chance) for name, of in nodes.ports.items()}
    document = yaml.safe_load(nodes.register.read_text(encoding="utf-8"))
    for node in document["nodes"]:
        node["address"] = f"localhost:{made[node['id']].port}"
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    nodes.register.write_text(text, encoding="utf-8")
    return Network(made)
