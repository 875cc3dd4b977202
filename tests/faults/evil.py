"""An evil peer's hand: groups changed on the wire, entries forged into its own signed log."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.harness.corridors import fund, query
from tests.harness.simulator import SimNode, World, world
from tests.harness.wire import Wire

from xbgateway.core import Core
from xbgateway.exchange.stages import Declaration
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.entry import Answer, Entry, Refused_, Request, Sealed, Verdict, decode
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Beside, Group, MirrorGroup, Record
from xbgateway.tlog import Checkpoint, Frontier, NoteSigner, leaf_hash, sign_checkpoint

DIGEST = "0" * 64
SEALED = Sealed(DIGEST, DIGEST, DIGEST, 1, "XBG-1", "0" * 32, DIGEST)


def now() -> str:
    return instant(SystemClock().now())


def signer(node: SimNode, origin: str) -> NoteSigner:
    """The evil node's own key: it may sign whatever it likes, under any origin."""
    return NoteSigner(origin, node.secrets.logs[0])


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


VERDICT = Verdict(DIGEST, DIGEST, DIGEST, DIGEST)
STRANGE = "01890000-0000-7000-8000-000000000000"


@asynccontextmanager
async def two(folder: Path, **options: Any) -> AsyncIterator[World]:
    async with world(folder, {"macao": fund}, **options) as w:
        yield w


def meddle(core: Core, change: Callable[[Append], Append], kind: type = Request) -> None:
    """Change the next entry of a kind that a node records, with what goes beside it."""
    store: Any = core.store
    record = core.store.record

    async def meddling(wanted: Record) -> Any:
        found = [isinstance(decode(a.entry), kind) for a in wanted.appends]
        if any(found):
            del store.record  # the class's own again
            appends = tuple(
                change(a) if f else a for a, f in zip(wanted.appends, found, strict=True)
            )
            return await record(replace(wanted, appends=appends))
        return await record(wanted)

    store.record = meddling


async def honest_goes_on(w: World, *strange: str) -> None:
    """Good exchanges go through in both lanes' order, and the oracle has nothing to say."""
    for _ in range(2):
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
    await w.settle()
    assert not [p for n in w.nodes.values() for p in n.core.store.reader.pending()]
    for wire in w.wires.values():
        assert wire.error is None
    w.agree(strange)


def refusals(w: World, node: str, leaf: str) -> list[str]:
    """Reasons under which a node refused an entry in its own logs."""
    store = w.nodes[node].core.store
    found = []
    for origin, head in store.heads.items():
        if head.role == "own":
            entries = [decode(raw) for raw in store.reader.entries(origin, 0, head.size)]
            found += [e.reason for e in entries if isinstance(e, Refused_) and e.request == leaf]
    return found


def entries(w: World, node: str, origin: str) -> list[bytes]:
    store = w.nodes[node].core.store
    return store.reader.entries(origin, 0, store.size(origin))


def changed(**fields: Any) -> Callable[[Append], Append]:
    def change(append: Append) -> Append:
        entry: Any = decode(append.entry)
        return replace(append, entry=replace(entry, **fields).encode())

    return change


def resealed(**parts: Any) -> Callable[[Append], Append]:
    def change(append: Append) -> Append:
        entry = decode(append.entry)
        assert isinstance(entry, Request | Answer)
        assert entry.sealed is not None
        return replace(append, entry=replace(entry, sealed=replace(entry.sealed, **parts)).encode())

    return change


def other_declaration(**fields: Any) -> Callable[[Append], Append]:
    """Another declaration, rightly named by the entry's digest: the seal no longer fits it."""

    def change(append: Append) -> Append:
        assert append.beside is not None
        raw = append.beside.declaration
        made = (
            fields["raw"]
            if "raw" in fields
            else replace(Declaration.decode(raw), **fields).encode()
        )
        digest = hashlib.sha256(made).hexdigest()
        beside = replace(append.beside, declaration=made)
        return replace(resealed(declaration=digest)(append), beside=beside)

    return change


def not_sealed(append: Append) -> Append:
    assert append.beside is not None
    junk = b"\x01" + b"0" * 60
    digest = hashlib.sha256(junk).hexdigest()
    made = resealed(sealed=digest, sealed_bytes=len(junk))(append)
    return replace(made, beside=replace(append.beside, sealed=junk))
