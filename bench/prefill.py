"""Past exchanges for a store, made by its own API in large groups: as many as are asked for.

Each has what a real one leaves behind: request and final in A's lane, acceptance and answer in B's,
both mirrored, with the rows beside them on either side. Parts at rest are smaller than real ones,
so that a million entries fit a test machine.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from tests.harness.simulator import World
from tests.harness.whole import embedded

from xbgateway.core import Core
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.entry import Accepted, Answer, Final, Request, Sealed, Verdict, leaf_hex
from xbgateway.model.limits import GROUP_ENTRIES_MAX
from xbgateway.model.origins import exchange_id
from xbgateway.model.outcome import Position
from xbgateway.model.record import (
    Append,
    Effect,
    KeepFacts,
    KeepKey,
    KeepPart,
    MirrorGroup,
    MovePending,
    OpenExchange,
    Record,
    Until,
)
from xbgateway.store import SqliteStore

# Exchanges per round: two entries of each in B's lane are one full group.
_BATCH = GROUP_ENTRIES_MAX // 2
_ENTRIES_PER_EXCHANGE = 4
_REST = secrets.token_bytes(64)
_UNTIL = Until("2031-01-02", "2026-01-31")
_HASH = "ab" * 32
_VERDICT = Verdict(_HASH, _HASH, _HASH, _HASH)
_SEALED = Sealed(_HASH, _HASH, _HASH, 1100, "suite", "key", _HASH)


@dataclass(frozen=True, slots=True)
class _Past:
    """One exchange that is over."""

    exchange: str
    request: bytes
    accepted: bytes
    answer: bytes
    final: bytes


def _past() -> Iterator[_Past]:
    """Exchanges, one after the other. Encoding is the slow part: one set of bytes is filled in."""
    now = SystemClock().now()
    at, blank, leaf = instant(now), exchange_id(now, os.urandom(10), 0), "cd" * 32
    party = ("cn.hengqin.window", "mo.fss", "service", "Method", "CONTRIB_QUERY")
    request = Request(at, blank, *party, 1, at, _SEALED, _VERDICT).encode()
    accepted = Accepted(at, blank, leaf, 1, _VERDICT).encode()
    answer = Answer(at, blank, leaf, "answered", 1, sealed=_SEALED, verdict=_VERDICT).encode()
    final = Final(at, blank, leaf, "released", verdict=_VERDICT).encode()
    old, old_leaf = blank.encode(), leaf.encode()
    while True:
        exchange = exchange_id(SystemClock().now(), os.urandom(10), 0)
        new = exchange.encode()
        first = request.replace(old, new)
        asked = leaf_hex(first).encode()
        second = answer.replace(old, new).replace(old_leaf, asked)
        yield _Past(
            exchange,
            first,
            accepted.replace(old, new).replace(old_leaf, asked),
            second,
            final.replace(old, new).replace(old_leaf, leaf_hex(second).encode()),
        )


async def fill(world: World, entries: int) -> None:
    """Let both nodes have ``entries`` more entries behind them. The wires have to be idle."""
    a, b = world.nodes["zhuhai"].core, world.nodes["macao"].core
    there, back = a.topology.data_out("macao", 0), b.topology.data_out("zhuhai", 0)
    for wire in world.wires.values():
        wire.open.clear()
    _durable((embedded(a.store), embedded(b.store)), "OFF")
    # What is made up here is past: nobody is to act on it.
    acting = [(core.store, core.store._on_mirrored) for core in (a, b)]  # noqa: SLF001
    for store, _ in acting:
        store._on_mirrored = lambda _mirrored: None  # noqa: SLF001
    past = _past()
    left = entries // _ENTRIES_PER_EXCHANGE
    while left:
        batch = [next(past) for _ in range(min(left, _BATCH))]
        left -= len(batch)
        await _transaction(a, b, there, back, batch)
    _durable((embedded(a.store), embedded(b.store)), "FULL")
    for store, act in acting:
        store._on_mirrored = act  # noqa: SLF001
    for origin in (there, back):
        assert a.store.root(origin) == b.store.root(origin)
    for wire in world.wires.values():
        wire.open.set()
        wire.grown.set()


def _durable(stores: tuple[SqliteStore, ...], synchronous: str) -> None:
    """Filling needs no syncs. Called while the writers are idle."""
    for store in stores:
        store._connection.pragma("synchronous", synchronous)  # noqa: SLF001 - for this only


async def _transaction(a: Core, b: Core, there: str, back: str, batch: list[_Past]) -> None:
    """Request, acceptance and answer, final: each log grows and is mirrored in turn."""
    first = a.store.size(there)
    opened: list[Effect] = []
    for one in batch:
        who = (
            "cn.hengqin.window",
            one.exchange,
            _REST[:32],
            _REST,
            "2026-01-01T00:00:00.000Z",
            _UNTIL,
        )
        opened.append(OpenExchange(one.exchange, *who))
        opened.append(_facts(one.exchange, a.revision.id))
    await _grow(a, b, there, [(p.request, p.exchange) for p in batch], opened)
    answered: list[Effect] = []
    second = b.store.size(back)
    for offset, one in enumerate(batch):
        answered.append(KeepKey(one.exchange, _REST, "2026-01-01T00:00:00.000Z", _UNTIL))
        answered += [KeepPart(one.exchange, part, _REST * 4) for part in ("request", "declaration")]
        answered += [_facts(one.exchange, a.revision.id), _facts(one.exchange, a.revision.id)]
        answered.append(MovePending(Position(there, "zhuhai", first + offset), None))
    said = [(raw, p.exchange) for p in batch for raw in (p.accepted, p.answer)]
    await _grow(b, a, back, said, answered)
    ended: list[Effect] = []
    for offset, one in enumerate(batch):
        ended += [KeepPart(one.exchange, "result", _REST * 4), _facts(one.exchange, a.revision.id)]
        ended.append(MovePending(Position(back, "macao", second + 2 * offset + 1), None))
    await _grow(a, b, there, [(p.final, p.exchange) for p in batch], ended)


def _facts(exchange: str, revision: str) -> KeepFacts:
    return KeepFacts(secrets.token_hex(32), exchange, _REST * 4, revision)


async def _grow(
    writer: Core, reader: Core, origin: str, entries: list[tuple[bytes, str]], effects: list[Effect]
) -> None:
    """One record, and its groups carried to the mirror as the link would carry them."""
    start = writer.store.size(origin)
    appends = tuple(Append(origin, raw, exchange) for raw, exchange in entries)
    await writer.store.record(Record(appends, tuple(effects)))
    group = writer.store.tail_group(origin, start)
    assert group is not None
    carried = MirrorGroup(origin, group.start, group.items, group.checkpoint, group.wraps)
    await reader.store.extend(carried)
