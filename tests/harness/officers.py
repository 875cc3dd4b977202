"""Transfers that law holds, in the cluster's processes, and the officer who decides on them.

The scenario is one for which nobody approved an application, so that the chief data officer of the
sender's side decides (ZH-CAT-2).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from dataclasses import replace
from typing import Any

import yaml
from tests.harness.callers import AGAIN, PROOF, Asked, Callers, at_work
from tests.harness.cluster import Processes

from xbgateway.client import GatewayCallError
from xbgateway.demo.register import ZHUHAI
from xbgateway.model.entry import Approval
from xbgateway.model.outcome import Outcome, State

HELD = replace(PROOF, name="held proof of life", scenario="SC-POL-UNAPPLIED")
OFFICER = {"roles": ("cdo",), "system": "officer-1"}


def with_held(nodes: Processes) -> None:
    """Add the scenario of :data:`HELD` to the register; its answers were applied for."""
    document = yaml.safe_load(nodes.register.read_text())
    like = next(one for one in document["scenarios"] if one["id"] == PROOF.scenario)
    document["scenarios"].append({**deepcopy(like), "id": HELD.scenario})
    document["instruments"].append(answers_applied_for(document, PROOF.scenario, HELD.scenario))
    nodes.register.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


def answers_applied_for(document: Any, like: str, scenario: str) -> Any:
    """The application of the Mainland's parties alone, after the one for a scenario like it."""
    paper = next(one for one in document["instruments"] if one.get("scenario") == like)
    parties = [one for one in paper["recipients"] if one.startswith("cn.")]
    return {**paper, "id": f"{paper['id']}-CN", "scenario": scenario, "recipients": parties}


def says_yes(exchange: str) -> bool:
    """What the officer thinks of an exchange, whenever asked: no to every fourth."""
    return int(exchange.replace("-", "")[:-2], 16) % 4 != 0


@asynccontextmanager
async def deciding(nodes: Processes) -> AsyncIterator[None]:
    """An officer at work, for as long as the block runs."""

    async def work() -> None:
        async with nodes.connect(ZHUHAI, **OFFICER) as gateway:
            while True:
                try:
                    async for hold in gateway.holds.list():
                        if says_yes(hold.exchange_id):
                            await gateway.holds.approve(hold.exchange_id, "as applied for")
                        else:
                            await gateway.holds.reject(hold.exchange_id, "not applied for")
                except GatewayCallError as error:
                    # Its answer may be on record although nobody could say so.
                    if error.code not in AGAIN and error.reason != "HOLD_ANSWERED":
                        raise
                await asyncio.sleep(0.1)

    working = asyncio.create_task(work())
    try:
        yield
        assert not working.done(), working.exception()
    finally:
        working.cancel()
        await asyncio.wait([working])


@asynccontextmanager
async def held_load(people: Callers, callers: int, pause_s: float) -> AsyncIterator[None]:
    """Callers who ask what is held and come again until it is decided."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            asked = await people.call(HELD, None)
            while asked.error is not None and asked.error.reason == "POLICY_HOLD":
                await asyncio.sleep(pause_s)
                await people.done(asked, None)

    async with at_work([run] * callers, timeout_s=120):
        yield


def rejected(asked: Asked) -> bool:
    """Whether its caller was told of the officer's no."""
    return asked.error is not None and asked.error.reason == "HOLD_REJECTED"


def check_holds(
    nodes: Processes, asked: Sequence[Asked], outcomes: Mapping[str, State]
) -> dict[str, int]:
    """Each held exchange has one hold, one answer, the officer's, and the end that follows.

    Services are looked at by ``check_effects``. Returns how often which answer came.
    """
    held = {one.exchange: one for one in asked if one.kind is HELD}
    with closing(sqlite3.connect(nodes.store("zhuhai"))) as store:
        sql = "SELECT exchange, state, here, decision IS NOT NULL FROM holds"
        rows = store.execute(sql).fetchall()
    assert sorted(row[0] for row in rows) == sorted(bytes.fromhex(e.replace("-", "")) for e in held)
    assert {row[1:] for row in rows} <= {("done", 1, 1)}
    with closing(sqlite3.connect(nodes.store("macao"))) as store:
        assert not store.execute("SELECT * FROM holds").fetchall()  # it never heard of any
    for exchange, one in held.items():
        yes, state = says_yes(exchange), outcomes[exchange]
        answers = [p.entry for p in state.evidence if isinstance(p.entry, Approval)]
        assert [answer.approved for answer in answers] == ["yes" if yes else "no"], exchange
        done = yes and not one.unreached
        assert state.outcome is (Outcome.EXECUTED if done else Outcome.REFUSED), exchange
        assert rejected(one) is not yes, f"{exchange}: {one.error}"
    approved = sum(says_yes(exchange) for exchange in held)
    return {"approved": approved, "rejected": len(held) - approved}
