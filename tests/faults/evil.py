"""An evil peer's hand: groups changed on the wire, entries forged into its own, rightly signed log."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from tests.harness.simulator import SimNode, Wire, World
from xbgateway.core import Core
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.entry import Entry, Sealed
from xbgateway.model.record import Append, Beside, Group, MirrorGroup, Record
from xbgateway.tlog import Checkpoint, Frontier, NoteSigner, leaf_hash, sign_checkpoint

DIGEST = "0" * 64
SEALED = Sealed(DIGEST, DIGEST, DIGEST, 1, "XBG-1", "0" * 32, DIGEST)


def now() -> str:
    return instant(SystemClock().now())


def signer(node: SimNode, origin: str) -> NoteSigner:
    """The evil node's own key: it may sign whatever it likes, under any origin."""
    return NoteSigner(origin, node.secrets.log)


def checkpoint(node: SimNode, origin: str, entries: list[bytes]) -> bytes:
    """A rightly signed checkpoint over any entries."""
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in entries])
    made = Checkpoint(origin, frontier.size, frontier.root())
    return sign_checkpoint(made, signer(node, origin))


def resigned(node: SimNode, mirror: Core, group: MirrorGroup) -> MirrorGroup:
    """The group as it is now, under a checkpoint that fits what the mirror has and the group."""
    before = mirror.store.reader.entries(group.origin, 0, group.start)
    entries = [*before, *(item.entry for item in group.items)]
    return replace(group, checkpoint=checkpoint(node, group.origin, entries))


async def write(
    core: Core, origin: str, entry: Entry | bytes, beside: Beside | None = None
) -> None:
    """Into the evil node's own log, whatever it is; it will be signed and replicated."""
    raw = entry if isinstance(entry, bytes) else entry.encode()
    exchange: Any = getattr(entry, "exchange", None) or str(uuid4())
    await core.store.record(Record((Append(origin, raw, exchange, beside),)))


def once(wire: Wire, change: Any) -> None:
    """Change the next group on a wire that has entries, and no other."""

    def tamper(group: MirrorGroup) -> MirrorGroup:
        wire.tamper = None
        changed: MirrorGroup = change(group)
        return changed

    wire.tamper = tamper


def carried(group: Group) -> MirrorGroup:
    """A committed group as the link would bring it."""
    return MirrorGroup(group.origin, group.start, group.items, group.checkpoint, group.wraps)


def id_in_lane(w: World, node: str, party: str, lane: int) -> str:
    """A fresh request id whose exchange goes through one lane."""
    topology = w.nodes[node].core.topology
    while True:
        made = str(uuid4())
        if topology.lane(party, made) == lane:
            return made


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that has to come soon."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - tests only
            await asyncio.sleep(0.005)
