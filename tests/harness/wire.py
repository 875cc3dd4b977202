"""The link between simulated nodes: one log's way to its mirror, in memory, for tampering."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from xbgateway.core import Core
from xbgateway.model.errors import Unavailable
from xbgateway.model.record import Group, MirrorGroup
from xbgateway.tlog import Checkpoint, add_signatures, verify_cosignature_line

if TYPE_CHECKING:
    from tests.harness.simulator import World

Tamper = Callable[[MirrorGroup], MirrorGroup | None]


class Wire:
    """One log's way from its writer to its mirror. Delivers in order until cut."""

    def __init__(self, world: "World", origin: str, writer: str, reader: str) -> None:
        self.world, self.origin, self.writer, self.reader = world, origin, writer, reader
        self.grown = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.tamper: Tamper | None = None
        self.error: Exception | None = None
        self.delivered = 0

    async def run(self) -> None:
        writer, reader = self.world.nodes[self.writer], self.world.nodes[self.reader]
        while True:
            self.grown.clear()
            await self.open.wait()
            try:
                group = self._next(writer.core, reader.core)
                if group is None:
                    await self.grown.wait()
                    continue
                await self._deliver(writer.core, reader.core, group)
            except asyncio.CancelledError:
                raise
            except Unavailable as error:
                if reader.core.store.stopped(self.origin) is not None:
                    self.error = error
                    return
                await asyncio.sleep(0.02)  # full, read-only: the mirror takes it later
            except Exception as error:  # noqa: BLE001 - tests look at it
                if error is not reader.core.store.broken:  # a killed node is no fault of the wire
                    self.error = error
                return

    def _next(self, writer: Core, reader: Core) -> Group | None:
        start = reader.store.size(self.origin)
        found = writer.store.tail_group(self.origin, start)
        return found or writer.store.read_group(self.origin, start)

    async def _deliver(self, writer: Core, reader: Core, group: Group) -> None:
        carried: MirrorGroup | None = MirrorGroup(
            self.origin, group.start, group.items, group.checkpoint, group.wraps
        )
        if self.tamper is not None:
            assert carried is not None
            carried = self.tamper(carried)
            if carried is None:
                await asyncio.sleep(0.01)
                return
        assert carried is not None
        extending = asyncio.ensure_future(reader.store.extend(carried))
        try:
            mirrored = await asyncio.shield(extending)
        except asyncio.CancelledError:
            # As the link does (REQ-LINK-2): whatever has gone to a store that lives is waited for.
            if reader.store.broken is None:
                await asyncio.gather(extending, return_exceptions=True)
            raise
        self.delivered += len(carried.items)
        async with self.world.arrived:
            self.world.arrived.notify_all()
        text = mirrored.checkpoint.partition(b"\n\n")[0] + b"\n"
        line = reader.signing.cosigner(writer.node).cosign(text, int(time.time()))
        verify_cosignature_line(text, line, writer.signing.cosigned_by(reader.node))
        if mirrored.size == group.end:
            note = add_signatures(group.checkpoint, line)
            assert Checkpoint.parse(text).size == group.end
            writer.store.keep_held(self.origin, group.end, note)
