"""Worlds in which the Macao fund is given its exchanges on other terms than the default."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.harness.corridors import fund
from tests.harness.parts import Later
from tests.harness.simulator import API, World, world

from xbgateway.exchange import Finished, Submission
from xbgateway.exchange.inbox import Handed, Inbox
from xbgateway.exchange.ports import Answered, NotReached
from xbgateway.model.delivery import DeliveryRow

FUND = "mo.fss"
PUSH = {"mode": "push", "horizon_s": 3 * 86_400, "backoff_s_min": 20, "backoff_s_max": 40}


def on_terms(terms: Mapping[str, object], service: str = "") -> Callable[[dict[str, Any]], None]:
    """Alters a register: the services of the fund, or one of them, are delivered on these terms."""

    def alter(document: dict[str, Any]) -> None:
        for offer in document["services"]:
            if offer["provider"] == FUND and service in offer["service"]:
                offer["delivery"] = dict(terms)

    return alter


@asynccontextmanager
async def delivered(
    folder: Path, terms: Mapping[str, object], later: Later | None = None, service: str = ""
) -> AsyncIterator[World]:
    """A world on these terms, at both nodes."""
    altered = dict.fromkeys(("zhuhai", "macao"), on_terms(terms, service))
    clock = (later or Later()).clock
    async with world(folder, {"macao": fund}, registers=altered, clock=clock) as made:
        yield made


def waits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not reached waits in the store at once, and not after some seconds."""
    monkeypatch.setattr("xbgateway.exchange.calls.SERVICE_TASK_S_MAX", 0.1)


def away(w: World, error: type[Exception] = NotReached) -> None:
    """The fund's services cannot be reached, or break off."""

    async def raising() -> None:
        raise error

    w.nodes["macao"].service.before = raising


def back(w: World) -> None:
    """They can be reached again."""
    w.nodes["macao"].service.before = None


def inbox(w: World) -> Inbox:
    return w.nodes["macao"].core.inbox


def row(w: World, exchange: str, node: str = "macao") -> DeliveryRow | None:
    return w.nodes[node].core.gateway.queue.rows.row(exchange)


async def waiting(w: World, asked: Submission) -> tuple[asyncio.Task[Finished], str]:
    """Submit, and wait until the exchange has a row at the receiver."""
    running = asyncio.create_task(w.submit("zhuhai", asked))
    async with asyncio.timeout(10):
        while True:
            found = w.nodes["zhuhai"].core.gateway.exchange_of(asked.party, asked.request_id)
            if found and row(w, found) is not None:
                return running, found
            await asyncio.sleep(0.01)


def answered(handed: Handed) -> Answered:
    """What the fund says to a message."""
    return Answered(fund(f"/{handed.row.service}/{handed.row.method}", handed.payload))


async def acknowledge(w: World, handed: Handed, answer: Answered | None = None) -> None:
    row = handed.row
    await inbox(w).acknowledge(FUND, row.exchange, row.lease, answer or answered(handed))


__all__ = [
    "API",
    "FUND",
    "PUSH",
    "acknowledge",
    "answered",
    "away",
    "back",
    "delivered",
    "inbox",
    "row",
    "waiting",
    "waits_at_once",
]
