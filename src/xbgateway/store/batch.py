"""What the writer works on: who waits, what became of it, and what a commit hands to the link."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xbgateway.model.case import CaseTaken
from xbgateway.model.errors import GatewayError
from xbgateway.model.record import AlreadyOpen, Group, MirrorItem, Stale

from .logs import LogHead
from .transaction import Operation, Transaction


@dataclass(slots=True)
class StoreCounts:
    """What the writer did, for metrics and benchmarks."""

    groups: int = 0
    records: int = 0
    entries: int = 0
    mirrored: int = 0
    fsyncs: int = 0


@dataclass(slots=True)
class Waiting:
    """An operation in the queue, and whoever hears of it."""

    operation: Operation
    future: asyncio.Future[Any]
    appends: int
    size: int


@dataclass(slots=True)
class Done:
    """What became of it: its result, or the error."""

    waiting: Waiting
    result: Any


@dataclass(slots=True)
class Committed:
    """One transaction that is over."""

    done: list[Done]
    groups: list[Group] = field(default_factory=list)


def result_of(operation: Operation, tx: Transaction) -> Any:
    """An operation's result, or the refusal it raised before writing anything."""
    try:
        return operation.apply(tx)
    except (AlreadyOpen, CaseTaken, Stale, GatewayError) as refusal:
        return refusal


def group_of(head: LogHead, start: int, rows: Sequence[tuple[Any, ...]]) -> Group:
    """A committed group for the link, from the rows as they stand."""
    assert head.checkpoint is not None
    return Group(
        head.origin,
        start,
        tuple(
            MirrorItem(entry, declaration or b"", sealed or b"")
            for entry, declaration, sealed, _wrap in rows
        ),
        head.checkpoint,
        tuple(dict.fromkeys(row[3] for row in rows if row[3] is not None)),
    )
