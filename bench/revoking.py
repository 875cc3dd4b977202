"""From an officer's change to the end of what it forbids, on both nodes.

Requests are accepted by the receiver and wait there to be pulled. An officer of one side suspends
the party that provides, or the one that asked; the clock runs from the moment the officer is told
that the change is on record until each caller is told that law forbids its request.
"""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

import yaml
from tests.harness.callers import QUERY, Callers, callers
from tests.harness.cluster import Processes, cluster, eventually

from bench.result import Figures, percentiles, say, table
from xbgateway.client import Gateway
from xbgateway.demo.register import FUND, HENGQIN

# Who is suspended, by whose officer.
_CHANGES = {
    "zhuhai": (HENGQIN, "cn.zhuhai.data", "data_authority"),
    "macao": (FUND, FUND, "mo_data_controller"),
}
_PULL = {"mode": "pull", "horizon_s": 86_400}
_TOLD_S_MAX = 60.0


def run(rounds: int, waiting: int) -> Figures:
    """The section; prints its table. ``waiting`` requests are there at each change."""
    say(f"revoking: {waiting} requests wait for their provider, {rounds} changes on each side")
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(_measured(Path(folder), rounds, waiting))
    found = {node: _figures(seconds) for node, seconds in taken.items()}
    table(
        "From a change to the end of what waits, seconds",
        ("changed at", "p50", "p99", "last"),
        [(node, one["p50_s"], one["p99_s"], one["last_s"]) for node, one in found.items()],
    )
    return {"rounds": rounds, "waiting": waiting, "changed_at": found}


def _figures(seconds: list[float]) -> Figures:
    p50, p99 = percentiles(seconds)
    return {
        "p50_s": round(p50, 3),
        "p99_s": round(p99, 3),
        "last_s": round(max(seconds), 3),
    }


def _pulled(nodes: Processes) -> None:
    """Prepare a cluster in which the fund fetches its messages; nobody does here."""
    document = yaml.safe_load(nodes.register.read_text())
    for offer in document["services"]:
        if offer["provider"] == FUND:
            offer["delivery"] = dict(_PULL)
    nodes.register.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


async def _measured(folder: Path, rounds: int, waiting: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {node: [] for node in _CHANGES}
    async with cluster(folder, _pulled) as nodes, AsyncExitStack() as opened:
        people = await opened.enter_async_context(callers(nodes))
        officers = {
            node: await opened.enter_async_context(
                nodes.connect(office, roles=(role,), system="officer-1")
            )
            for node, (_party, office, role) in _CHANGES.items()
        }
        for _ in range(rounds):
            for node, officer in officers.items():
                taken[node] += await _revoked(nodes, people, officer, _CHANGES[node][0], waiting)
    return taken


async def _revoked(
    nodes: Processes, people: Callers, officer: Gateway, party: str, waiting: int
) -> list[float]:
    """One change while so many wait; seconds until each was told. The party is resumed then."""
    before = _waiting(nodes)  # what asked whether the last round is over waits too
    told = [asyncio.create_task(_told(people)) for _ in range(waiting)]
    await eventually(lambda: _waiting(nodes) == before + waiting, _TOLD_S_MAX)
    etag = (await officer.registers.get("party", party)).etag
    after = await officer.registers.apply("party", party, "suspend", etag=etag)
    changed = time.monotonic()
    seconds = [at - changed for at in await asyncio.gather(*told)]
    await officer.registers.apply("party", party, "resume", etag=after.etag)
    await eventually(lambda: _allowed(people), _TOLD_S_MAX)
    return seconds


async def _told(people: Callers) -> float:
    """When a caller was told of the refusal."""
    asked = await people.done(people.new(QUERY), _TOLD_S_MAX)
    if asked.error is None or asked.error.reason != "POLICY_DENIED":
        raise RuntimeError(f"expected a denial by law, got {asked.error or 'an answer'}")
    return time.monotonic()


async def _allowed(people: Callers) -> bool:
    """Whether both sides would let the request go again."""
    asked = people.new(QUERY)
    await people.once(asked, timeout_s=0.5)
    return asked.error is not None and asked.error.reason != "POLICY_DENIED"


def _waiting(nodes: Processes) -> int:
    with closing(sqlite3.connect(nodes.store("macao"), timeout=10)) as store:
        sql = "SELECT count(*) FROM deliveries WHERE state = 'waiting'"
        return int(store.execute(sql).fetchone()[0])
