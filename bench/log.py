"""The log alone: appending to a store, mirroring into another, and the tree without a store."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.load import folder
from bench.result import Figures, Spread, number, say, table
from xbgateway.model import origins
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.entry import Accepted, Verdict
from xbgateway.model.limits import GROUP_ENTRIES_MAX, LINK_GROUPS_IN_FLIGHT_MAX
from xbgateway.model.record import Append, Group, MirrorGroup, Record
from xbgateway.store import LogSpec, SqliteStore
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    Keys,
    NoteSigner,
    Turn,
    extend_mirror,
    leaf_hash,
    sign_checkpoint,
)

ORIGIN = origins.data("bench.test", "a", "b", 0)
_ROUNDS = 3


def entry(exchange: str) -> bytes:
    """An entry as they are: some 600 bytes."""
    some = "ab" * 32
    return Accepted(
        at=instant(SystemClock().now()),
        exchange=exchange,
        request=some,
        control=7,
        verdict=Verdict(some, some, some, some),
    ).encode()


def _appends(count: int) -> list[Append]:
    return [Append(ORIGIN, entry(name), name) for name in (str(uuid4()) for _ in range(count))]


async def append(store: SqliteStore, appends: list[Append], concurrency: int) -> float:
    """Entries a second, ``concurrency`` waiting at a time, each in a record of its own."""
    left = iter(appends)

    async def work() -> None:
        for one in left:
            await store.record(Record((one,)))

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return len(appends) / (time.perf_counter() - begin)


async def mirror(store: SqliteStore, groups: list[Group]) -> float:
    """Entries a second, verified and made durable, as many groups in flight as the link has."""
    left = iter(groups)

    async def work() -> None:
        for one in left:
            await store.extend(
                MirrorGroup(one.origin, one.start, one.items, one.checkpoint, one.wraps)
            )

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(LINK_GROUPS_IN_FLIGHT_MAX)))
    return sum(len(one.items) for one in groups) / (time.perf_counter() - begin)


async def measure(at: Path, count: int, concurrency: int) -> Figures:
    """Rates of one fresh pair of stores."""
    signer = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    first = Turn(0, signer.verifier.public_key, bytes(32))
    groups: list[Group] = []
    own = SqliteStore(at / "own.db", [LogSpec(ORIGIN, first, Keys(signer))])
    own.start(groups.append)
    rate = await append(own, _appends(count), concurrency)
    counts = own.counts
    await own.stop()
    other = SqliteStore(at / "mirror.db", [LogSpec(ORIGIN, first)])
    other.start(lambda _group: None)
    mirrored = await mirror(other, groups)
    assert other.size(ORIGIN) == count
    assert other.root(ORIGIN) == own.root(ORIGIN)
    await other.stop()
    return {
        "append_per_second": rate,
        "mirror_per_second": mirrored,
        "entries_per_group": counts.entries / counts.groups,
        "fsyncs_per_entry": counts.fsyncs / counts.entries,
    }


def tree(count: int) -> Figures:
    """The tree alone, no store: appending leaves, and verifying groups of a peer."""
    signer = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    raw = [one.entry for one in _appends(count)]

    def grow() -> None:
        frontier = Frontier()
        for one in raw:
            frontier.append(leaf_hash(one))

    def group(size: int) -> Callable[[], None]:
        notes = []
        frontier = Frontier()
        for start in range(0, count, size):
            part = raw[start : start + size]
            for one in part:
                frontier.append(leaf_hash(one))
            text = Checkpoint(ORIGIN, frontier.size, frontier.root())
            notes.append((start, part, sign_checkpoint(text, signer)))

        def verify() -> None:
            at, last = Frontier(), None
            for start, part, note in notes:
                step = extend_mirror(at, start, part, note, signer.verifier, ORIGIN, last)
                at, last = step.frontier, step.checkpoint

        return verify

    return {
        "append_per_second": _rate(grow, count),
        **{
            f"verify_per_second_groups_of_{size}": _rate(group(size), count)
            for size in (1, 16, GROUP_ENTRIES_MAX)
        },
    }


def _rate(work: Callable[[], None], count: int) -> float:
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def run(count: int, concurrency: int = 64) -> Figures:
    """The section; prints its table."""
    say(f"log: {count} entries, {concurrency} waiting at a time, {_ROUNDS} rounds")
    rounds: list[Figures] = []
    for _ in range(_ROUNDS):
        at = folder("log")
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir(parents=True)
        try:
            stores = asyncio.run(measure(at, count, concurrency))
        finally:
            shutil.rmtree(at, ignore_errors=True)
        trees = {f"tree_{name}": value for name, value in tree(min(count, 20_000)).items()}
        rounds.append({**stores, **trees})
    spreads = {name: Spread.of([one[name] for one in rounds]) for name in rounds[0]}
    table(
        "The log alone, entries",
        ("figure", "median (low..high)"),
        [
            (name.replace("_", " "), str(s) if "per_second" in name else number(s.median))
            for name, s in spreads.items()
        ],
    )
    return {"entries": count, "rounds": _ROUNDS, **{n: s.figures() for n, s in spreads.items()}}
