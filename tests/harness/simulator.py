"""Nodes in memory: real registers, policy, keys, stores and paths; only the wires are simulated.

``World`` makes nodes that share a register. A :class:`Wire` carries the groups of one log from
its writer to its mirror and the cosignatures back; a test may cut it, or put an evil peer's hand
in between (``tamper``). ``World.agree`` is the oracle of every flow and fault test.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.harness.engines import CompilingOnce
from tests.harness.oracle import Report, examine
from tests.harness.parts import Secrets, Service
from tests.harness.wire import Wire

from xbgateway.casework import case_types
from xbgateway.core import Core, Place, compose
from xbgateway.demo.register import NodeKeys as RegisterKeys
from xbgateway.demo.register import demo_register
from xbgateway.exchange import Finished, Submission
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.model.record import Group, Pending
from xbgateway.policy.engine.port import Engine
from xbgateway.policy.revision import Revision, load_directory, load_revision
from xbgateway.policy.source import default_policy_directory, read_policy_directory
from xbgateway.register import Register, load_register

API = "xbgateway.api.socialsecurity.v1"
_engine = CompilingOnce()


@cache
def revision(**limits: int) -> Revision:
    """The policies of this tree, loaded once for the whole test run; with other thresholds."""
    if not limits:
        return load_directory()
    files = dict(read_policy_directory(default_policy_directory()))
    table = yaml.safe_load(files["tables/thresholds.yaml"])
    for row in (row for group in table["groups"] for row in group["rows"]):
        row["value"] = limits.get(row["name"], row["value"])
    files["tables/thresholds.yaml"] = yaml.safe_dump(table).encode()
    return load_revision(files)


def _raw(key: Ed25519PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        .hex()
    )


class SimPeers:
    """The link's part that the paths ask of it."""

    def __init__(self, world: "World", node: str) -> None:
        self._world, self._node = world, node

    async def want(self, pending: Pending) -> Pending | None:
        writer = self._world.nodes[pending.position.writer].core
        self._world.wanted += 1
        if self._world.lost_for_good:
            return None
        group = writer.store.read_group(pending.position.origin, pending.position.index)
        if group is None:
            return None
        mine = self._world.nodes[self._node].core
        item = group.items[0]
        await mine.store.replace_payload(
            pending.position, item.declaration, item.sealed, group.wraps
        )
        return replace(pending, declaration=item.declaration, sealed=item.sealed)

    async def control_reached(self, node: str, size: int, timeout_s: float) -> bool:
        core = self._world.nodes[self._node].core
        origin = core.topology.control_in(node)
        try:
            async with asyncio.timeout(timeout_s), self._world.arrived:
                await self._world.arrived.wait_for(lambda: core.store.size(origin) >= size)
        except TimeoutError:
            return False
        return True

    async def fetch(self, peer: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        self._world.fetches.append(start)
        sender = self._world.nodes[peer]
        if not sender.up:
            raise Unavailable(Reason.PEER_UNREACHABLE, "the sender is down")
        core = sender.core
        served = core.attachments.uploads.served(self._node, exchange, start)
        async with aclosing(served) as segments:
            async for sealed in self._world.segments(segments):
                if sender.core is not core or not sender.up:
                    raise Unavailable(Reason.PEER_UNREACHABLE, "the sender was killed")
                yield sealed


async def _untouched(segments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for one in segments:
        yield one


@dataclass
class SimNode:
    name: str
    folder: Path
    secrets: Secrets
    service: Service
    core: Core = None  # type: ignore[assignment] # set by start
    up: bool = False


class World:
    """Nodes, wires and the register they share."""

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        services: dict[str, Callable[[str, bytes], bytes]],
        *,
        lanes: int = 1,
        clock: SystemClock | None = None,
        memo: bool = True,
        engine: Engine = _engine,
        registers: Mapping[str, Callable[[dict[str, Any]], None]] | None = None,
        limits: Mapping[str, Mapping[str, int]] | None = None,
        **options: Any,
    ) -> None:
        """``registers`` alters what single nodes have in their register; all else is shared.

        ``limits`` are values for rows of the table ``thresholds`` at single nodes.
        """
        self.limits = limits or {}
        self.options = options  # of each core
        self.fetches: list[int] = []  # from which segment on attachments were asked for
        self.segments: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]] = _untouched
        self.lanes, self.memo, self.engine = lanes, memo, engine
        self.clock = clock or SystemClock()
        self.arrived = asyncio.Condition()
        self.wanted = 0
        self.lost_for_good = False
        self.nodes = {
            name: SimNode(
                name,
                folder / name,
                Secrets(),
                Service(services.get(name, lambda path, _payload: _unserved(path))),
            )
            for name in names
        }
        self.registers = {name: self._register((registers or {}).get(name)) for name in names}
        self.wires: dict[str, Wire] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def _register(self, alter: Callable[[dict[str, Any]], None] | None) -> Register:
        keys = [
            RegisterKeys(
                name,
                f"{name}.xbg.test",
                "localhost:1",
                _raw(node.secrets.logs[0]),
                _raw(node.secrets.cosigns[0]),
            )
            for name, node in self.nodes.items()
        ]
        document = demo_register(keys, self.clock.now().date())
        if alter is not None:
            alter(document)
            # A scenario that was taken out takes the papers made for it along.
            left = {None, *(scenario["id"] for scenario in document["scenarios"])}
            papers = document["instruments"]
            document["instruments"] = [p for p in papers if p.get("scenario") in left]
        return load_register(json.dumps(document, default=str).encode(), None)  # YAML as well

    async def start(self, name: str, prepare: Callable[[Core], None] | None = None) -> Core:
        """Start (again) a node on what its store holds, and the wires to and from it.

        ``prepare`` sees the core before anything is written.
        """
        node = self.nodes[name]
        node.core = compose(
            self.registers[name],
            name,
            revision(**self.limits.get(name, {})),
            self.engine,
            node.secrets.keys(f"{name}.xbg.test", name),
            Place.file(node.folder / "store.db"),
            node.service,
            SimPeers(self, name),
            self.clock,
            lanes=self.lanes,
            timeout_ms=2_000,  # both nodes and the tests beside them share the cores
            memo=self.memo,
            case_types=case_types(),
            **self.options,
        )
        if prepare is not None:
            prepare(node.core)
        node.core.store.start(self._grown, node.core.gateway.mirrored)
        node.up = True
        await node.core.recover()
        self._run_wires()
        return node.core

    async def crash(self, name: str) -> None:
        """End a node at once: what is not committed is lost, nobody is told anything."""
        node = self.nodes[name]
        node.up = False
        store, gateway = node.core.store, node.core.gateway
        gateway.queue.close()
        node.core.cases.runner.close()
        store._broken = store._broken or Fatal(Reason.INTERNAL, "the node was killed")
        mine = [o for o, wire in self.wires.items() if name in (wire.writer, wire.reader)]
        tasks = [self._tasks.pop(o) for o in mine if o in self._tasks]
        outbound = gateway._outbound
        tasks += [*gateway.holds.running(), *node.core.cases.runner.running]
        tasks += [*gateway._acting.values(), *(task for _, task in outbound._beginning.values())]  # type: ignore[list-item]
        for task in tasks:
            task.cancel()
        for waiting in outbound._flights._waiting.values():
            for caller in waiting:
                caller.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.stop()
        node.core.snapshot.close()

    def _grown(self, group: Group) -> None:
        wire = self.wires.get(group.origin)
        if wire is not None:
            wire.grown.set()

    async def connect(self) -> None:
        """Wires for every pairwise log."""
        for node in self.nodes.values():
            topology = node.core.topology
            for origin in topology.own():
                if origin == topology.home:
                    continue
                reader = origin.split("/")[2]
                self.wires[origin] = Wire(self, origin, node.name, reader)
        self._run_wires()

    def _run_wires(self) -> None:
        for origin, wire in self.wires.items():
            ends = (self.nodes[wire.writer].up, self.nodes[wire.reader].up)
            if all(ends) and wire.error is None and origin not in self._tasks:
                self._tasks[origin] = asyncio.create_task(wire.run())

    def wire(self, writer: str, reader: str, lane: int | None = 0) -> Wire:
        """The wire of a data lane, or with ``lane=None`` of the control lane."""
        topology = self.nodes[writer].core.topology
        if lane is None:
            return self.wires[topology.control_out(reader)]
        return self.wires[topology.data_out(reader, lane)]

    async def wait_ready(self) -> None:
        """Until every node knows a sealing key of each peer."""
        async with asyncio.timeout(10):
            while any(  # noqa: ASYNC110 - tests only
                peer._sending is None
                for node in self.nodes.values()
                for peer in node.core.gateway._legs.peers.values()
            ):
                await asyncio.sleep(0.005)

    async def settle(self, timeout_s: float = 20.0) -> None:
        """Until nothing is on a wire and nothing waits at a node.

        Seen twice: a writer's rows can be read a moment before its log has grown.
        """
        seen = 0
        async with asyncio.timeout(timeout_s):
            while seen < 2:
                seen = seen + 1 if self._settled() else 0
                await asyncio.sleep(0.01)

    def _settled(self) -> bool:
        for wire in self.wires.values():
            if wire.error is None and wire.tamper is None:
                writer, reader = self.nodes[wire.writer].core, self.nodes[wire.reader].core
                if writer.store.size(wire.origin) != reader.store.size(wire.origin):
                    return False
        stores = [node.core.store for node in self.nodes.values() if node.up]
        nodes = [node.core.gateway for node in self.nodes.values() if node.up]
        return all(
            s.quiet
            and all(step in ("held", "queued") for _position, step in s.reader.waiting())
            and not s.reader.holds_in("approved", "rejected")
            for s in stores
        ) and not any(gateway.holds.running() for gateway in nodes)

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for node in self.nodes.values():
            if node.up:
                node.core.cases.runner.close()
                await node.core.gateway.drain(0.2)
                await node.core.store.stop()
                node.core.snapshot.close()

    def agree(self, strange: Collection[str] = ()) -> Report:
        """The oracle over every node's store. Raises ``AssertionError`` where they disagree.

        ``strange`` are exchanges that an evil peer wrote about: their entries may be anomalies.
        """
        for node in self.nodes.values():
            twice = {e for e, n in node.service.count.items() if n > 1}
            assert not twice, f"{node.name}: done more than once: {twice}"
        return examine([node.core for node in self.nodes.values()], strange)

    async def submit(self, node: str, submission: Submission) -> Finished:
        """A call to its end. A world that stands still says so, and what its wires died of."""
        try:
            async with asyncio.timeout(60):
                return await self.nodes[node].core.gateway.call(submission)
        except TimeoutError:
            errors = {o: wire.error for o, wire in self.wires.items() if wire.error is not None}
            raise AssertionError(f"no end of the call within a minute; wires: {errors}") from None


def _unserved(path: str) -> bytes:
    raise AssertionError(f"nobody serves {path}")


@asynccontextmanager
async def world(
    folder: Path,
    services: dict[str, Callable[[str, bytes], bytes]],
    names: Sequence[str] = ("zhuhai", "macao"),
    **options: object,
) -> AsyncIterator[World]:
    """A running world."""
    made = World(folder, names, services, **options)  # type: ignore[arg-type]
    try:
        for name in names:
            await made.start(name)
        await made.connect()
        await made.wait_ready()
        yield made
    finally:
        await made.stop()


def submission(
    payload: bytes,
    *,
    service: str = "ContributionService",
    method: str = "QueryContributions",
    party: str = "cn.hengqin.window",
    purpose: str = "CONTRIB_QUERY",
    scenario: str = "SC-CQ",
    request_id: str | None = None,
    sent_at: str | None = None,
    **more: object,
) -> Submission:
    """A submission as the edge would make it."""
    return Submission(
        party=party,
        subject="counter-7",
        request_id=request_id or str(uuid4()),
        service=f"{API}.{service}",
        method=method,
        payload=payload,
        purpose=purpose,
        scenario=scenario,
        references=more.pop("references", ()),  # type: ignore[arg-type]
        recipient=more.pop("recipient", None),  # type: ignore[arg-type]
        case_id=more.pop("case_id", None),  # type: ignore[arg-type]
        sent_at=sent_at or instant(SystemClock().now()),
        tls="TLSv1.3",
        **more,  # type: ignore[arg-type]
    )


def today() -> date:
    return SystemClock().now().date()
