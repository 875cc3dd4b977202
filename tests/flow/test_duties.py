"""Duties of decisions: one row with its entry, closed by the right officer, overdue when it is."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.harness.corridors import fund, query
from tests.harness.parts import Later
from tests.harness.simulator import World, today, world

from xbgateway.exchange import Duties
from xbgateway.model.duty import DutyState, TrackedDuty
from xbgateway.model.entry import Accepted, Final
from xbgateway.model.errors import GatewayError, Reason
from xbgateway.observe import Metrics
from xbgateway.store import DutyRows

BOTH = ("zhuhai", "macao")


async def listed(w: World, node: str, state: DutyState = "open") -> list[TrackedDuty]:
    return await w.nodes[node].core.gateway.duties.list(None, state, None, 100, None)


async def reason_of(duties: Duties, *said: str) -> Reason | None:
    try:
        await duties.confirm(*said)
    except GatewayError as error:
        return error.reason
    return None


async def test_a_deletion_is_owed_by_each_recipient_until_its_officer_confirms_it(
    tmp_path: Path,
) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        finished = await w.submit("zhuhai", query())
        await w.settle()
        for node, party in (("zhuhai", "cn.hengqin.window"), ("macao", "mo.fss")):
            [one] = await listed(w, node)
            assert (one.exchange, one.verb, one.party) == (
                *(finished.exchange, "delete_confirm", party),
            )
        duties, said = (
            w.nodes["macao"].core.gateway.duties,
            ("fss_data_officer", "o-1", "done", "F-9"),
        )
        assert await reason_of(duties, "mo.other", one.duty, *said) is Reason.DUTY_UNKNOWN
        assert await reason_of(duties, "mo.fss", "0" * 64, *said) is Reason.DUTY_UNKNOWN
        assert await reason_of(duties, "mo.fss", "x", *said) is Reason.DUTY_UNKNOWN
        wrong = await reason_of(duties, "mo.fss", one.duty, "cdo", *said[1:])
        assert wrong is Reason.ROLE_REQUIRED
        # Two officers at once: one of them confirms it, and the word of the same one again stands.
        second = ("fss_data_officer", "o-2", "done", "F-9")
        told = await asyncio.gather(
            *(reason_of(duties, "mo.fss", one.duty, *each) for each in (said, second, said))
        )
        assert told == [None, Reason.DUTY_CONFIRMED, None]
        [closed] = await listed(w, "macao", "confirmed")
        assert (closed.officer, closed.note, closed.evidence) == ("o-1", "done", "F-9")
        assert await listed(w, "macao") == []
        # What the other side owes stays open there, past its day and past the erasing here.
        later.by = timedelta(days=1100)
        assert await w.nodes["zhuhai"].core.gateway._erasing.due() == 1
        assert [d.duty[:32] for d in await listed(w, "zhuhai", "overdue")] == [one.duty[:32]]


async def test_open_and_overdue_duties_show_in_the_metrics(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        await w.submit("zhuhai", query())
        await w.settle()
        core, metrics = w.nodes["macao"].core, Metrics()
        duties = Duties(DutyRows(core.store.reader), core.store, w.clock, metrics)
        [one] = await listed(w, "macao")

        async def shown() -> list[float | None]:
            await duties.tell()
            labels = {"verb": "delete_confirm"}
            names = ("xbgateway_duties_open", "xbgateway_duties_overdue")
            return [metrics.registry.get_sample_value(name, labels) for name in names]

        assert await shown() == [1, 0]
        later.by = timedelta(days=32)
        assert await shown() == [1, 1]
        await duties.confirm("mo.fss", one.duty, "fss_data_officer", "o-1", "", "")
        assert await shown() == [0, 0]


async def test_a_contract_is_filed_once_however_many_transfers_ask(tmp_path: Path) -> None:
    def unfiled(document: dict[str, Any]) -> None:
        for paper in document["instruments"]:
            if paper.get("filing_no"):
                del paper["filing_no"], paper["filed_on"]
                paper["effective_on"] = today().isoformat()

    async with world(tmp_path, {"macao": fund}, registers=dict.fromkeys(BOTH, unfiled)) as w:
        # A dry run first: 64 at once would all wait for the engine, and it has its deadline.
        await w.submit("zhuhai", query(validate_only=True))
        await asyncio.gather(*(w.submit("zhuhai", query()) for _ in range(64)))
        await w.settle()
        for node in BOTH:
            found = await listed(w, node)
            assert sum(one.verb == "delete_confirm" for one in found) == 64
            filed = [one for one in found if one.verb == "file"]
            # Each leg has its own sender, and each side files its own copy.
            assert [one.exchange for one in filed] == [None]
        # A start forgets what it had on record; the row is found again all the same.
        await w.crash("zhuhai")
        await w.start("zhuhai")
        await w.submit("zhuhai", query())
        await w.settle()
        assert sum(one.verb == "file" for one in await listed(w, "zhuhai")) == 1


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("node", BOTH)
async def test_a_crash_leaves_a_duty_if_and_only_if_it_leaves_its_entry(
    tmp_path: Path, node: str, side: Side
) -> None:
    asks = {"macao": Accepted, "zhuhai": Final}[node]
    async with world(tmp_path, {"macao": fund}) as w:
        for number in (1, 2, 3):
            crash = Crash(number, side)
            crash.arm(w.nodes[node].core)
            running = asyncio.create_task(w.submit("zhuhai", query()))
            await either(running, crash)
            await w.crash(node)
            reader = w.nodes[node].core.store.reader
            sql = "SELECT DISTINCT exchange FROM entries WHERE exchange NOT NULL"
            for exchange in [str(UUID(bytes=e)) for (e,) in reader.connection().execute(sql)]:
                entries = [p for p in reader.placed(exchange) if isinstance(p.entry, asks)]
                owed = [one for one in await listed(w, node) if one.exchange == exchange]
                assert len(owed) == len(entries)
            await w.start(node)
            await asyncio.gather(running, return_exceptions=True)
            await w.settle()
        w.agree()
        for each in BOTH:
            assert await listed(w, each)
