"""A provider that pulls: leases, acknowledgements, poison, and two words for one exchange."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.evil import until
from tests.harness.corridors import query
from tests.harness.inbox import FUND, acknowledge, answered, delivered, inbox, row, waiting
from tests.harness.parts import Later
from tests.harness.simulator import World

from xbgateway.exchange.ports import Answered
from xbgateway.model.entry import Accepted
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import ACKNOWLEDGED_KEPT_DAYS, EXCHANGE_TTL_S
from xbgateway.model.outcome import Outcome

PULL = {"mode": "pull", "visibility_s": 30, "attempts_max": 2}


async def test_pulled_acknowledged_and_answered(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PULL, later) as w:
        pulling = asyncio.create_task(inbox(w).pull(FUND, 10, 10))
        running, exchange = await waiting(w, query(case_id="CASE-1"))
        [handed] = await pulling
        found = w.nodes["macao"].core.store.reader.placed(exchange)
        assert any(isinstance(p.entry, Accepted) for p in found)  # on record before it is seen
        assert (handed.row.exchange, handed.row.attempts) == (exchange, 1)
        assert (handed.sender, handed.purpose, handed.case_id) == (
            "cn.hengqin.window", "CONTRIB_QUERY", "CASE-1",
        )  # fmt: skip
        assert await inbox(w).pull(FUND, 10, 0) == []  # under a lease
        await acknowledge(w, handed)
        finished = await running
        assert finished.outcome is Outcome.EXECUTED
        assert finished.payload
        await acknowledge(w, handed)  # the same word again
        with pytest.raises(Refused) as told:
            await acknowledge(w, handed, Answered(b"", 5, "no such person"))
        assert told.value.reason is Reason.ANSWERED_OTHERWISE
        with pytest.raises(Refused) as told:
            await inbox(w).acknowledge("mo.ias", exchange, handed.row.lease, answered(handed))
        assert told.value.reason is Reason.EXCHANGE_UNKNOWN
        await w.settle()
        assert not w.nodes["macao"].service.asked
        w.agree()
        later.by += timedelta(days=ACKNOWLEDGED_KEPT_DAYS, minutes=1)
        await w.nodes["macao"].core.gateway.queue.tidy()
        assert row(w, exchange) is None


async def test_a_services_own_error_is_its_answer(tmp_path: Path) -> None:
    async with delivered(tmp_path, PULL) as w:
        running, _exchange = await waiting(w, query())
        [handed] = await inbox(w).pull(FUND, 1, 5)
        await acknowledge(w, handed, Answered(b"", 5, "no such record"))
        finished = await running
        assert (finished.outcome, finished.service_code) == (Outcome.EXECUTED, 5)


async def test_leases_run_out_are_extended_and_given_back(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PULL | {"attempts_max": 9}, later) as w:
        running, exchange = await waiting(w, query())
        [first] = await inbox(w).pull(FUND, 1, 5)
        later.by += timedelta(seconds=29)
        assert await inbox(w).pull(FUND, 1, 0) == []
        await inbox(w).extend(FUND, exchange, first.row.lease, 60)
        later.by += timedelta(seconds=31)
        assert await inbox(w).pull(FUND, 1, 0) == []
        later.by += timedelta(seconds=30)
        [second] = await inbox(w).pull(FUND, 1, 0)
        assert second.row.attempts == 2
        for late in (
            inbox(w).extend(FUND, exchange, first.row.lease, 60),
            inbox(w).release(FUND, exchange, first.row.lease),
            acknowledge(w, first),
        ):
            with pytest.raises(Refused) as told:
                await late
            assert told.value.reason is Reason.LEASE_OVER
        await inbox(w).release(FUND, exchange, second.row.lease)
        [third] = await inbox(w).pull(FUND, 1, 0)
        later.by += timedelta(seconds=31)
        await acknowledge(w, third)  # ran out, but nobody else has it
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_many_pullers_get_each_message_once_for_each_lease(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PULL, later) as w:
        begun = await asyncio.gather(*(waiting(w, query(fss_no=f"SYN{n:06}")) for n in range(40)))
        for attempt in (1, 2):
            handed = await asyncio.gather(*(inbox(w).pull(FUND, 3, 0) for _ in range(64)))
            seen = Counter(one.row.exchange for page in handed for one in page)
            assert seen == Counter({exchange: 1 for _running, exchange in begun})
            assert {one.row.attempts for page in handed for one in page} == {attempt}
            assert all(len(page) <= 3 for page in handed)
            later.by += timedelta(seconds=31)
        taken = [one for page in handed for one in page]
        await asyncio.gather(*(acknowledge(w, one) for one in taken))
        finished = await asyncio.gather(*(running for running, _exchange in begun))
        assert {one.outcome for one in finished} == {Outcome.EXECUTED}
        await w.settle()
        w.agree()


async def test_poison_is_parked_requeued_and_delivered(tmp_path: Path) -> None:
    later = Later()
    async with delivered(tmp_path, PULL, later) as w:
        running, exchange = await waiting(w, query())
        attention = w.nodes["macao"].core.attention
        for _attempt in range(2):
            assert len(await inbox(w).pull(FUND, 1, 0)) == 1
            later.by += timedelta(seconds=31)
        await parked(w, exchange)
        assert await inbox(w).pull(FUND, 1, 0) == []
        [item] = await attention.listed(FUND, None, 10)
        assert (item.row.reason, item.row.attempts) == ("ATTEMPTS_EXHAUSTED", 2)
        assert await attention.listed("mo.ias", None, 10) == []
        assert [i.row.exchange for i in await attention.listed(None, None, 10)] == [exchange]
        await attention.requeue(FUND, exchange)
        with pytest.raises(Refused):
            await attention.requeue(FUND, exchange)
        [handed] = await inbox(w).pull(FUND, 1, 0)
        assert handed.row.attempts == 1
        await acknowledge(w, handed)
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def parked(w: World, exchange: str) -> None:
    await until(lambda: (found := row(w, exchange)) is not None and found.state == "dead")


@pytest.mark.parametrize(
    ("found", "outcome"), [("not_executed", Outcome.NOT_EXECUTED), ("unknown", Outcome.UNKNOWN)]
)
async def test_a_person_says_what_became_of_a_dead_letter(
    tmp_path: Path, found: str, outcome: Outcome
) -> None:
    later = Later()
    async with delivered(tmp_path, PULL | {"attempts_max": 1, "at_end": "park"}, later) as w:
        running, exchange = await waiting(w, query())
        attention = w.nodes["macao"].core.attention
        assert len(await inbox(w).pull(FUND, 1, 0)) == 1
        later.by += timedelta(seconds=EXCHANGE_TTL_S + 1)
        await parked(w, exchange)
        with pytest.raises(Refused) as told:
            await attention.requeue(FUND, exchange)
        assert told.value.reason is Reason.EXCHANGE_EXPIRED
        settled = await attention.resolve(FUND, exchange, "mo.fss/o-1", "journal 7", found)  # type: ignore[arg-type]
        assert settled.remark is not None
        assert settled.remark.note == "journal 7"
        finished = await running
        reasons = {"not_executed": "RESOLVED_NOT_EXECUTED", "unknown": "EXCHANGE_UNKNOWN_EFFECT"}
        assert (finished.outcome, finished.reason) == (outcome, reasons[found])
        assert await attention.listed(None, None, 10) == []
        await w.settle()
        w.agree()
        # Whoever asked has an item of its own where nobody knows.
        theirs = await w.nodes["zhuhai"].core.attention.listed("cn.hengqin.window", None, 10)
        assert [i.row.exchange for i in theirs] == ([exchange] if found == "unknown" else [])


@pytest.mark.parametrize("pulled", [True, False])
async def test_the_last_moment_of_what_nobody_acknowledged(tmp_path: Path, pulled: bool) -> None:
    later = Later()
    async with delivered(tmp_path, PULL, later) as w:
        running, exchange = await waiting(w, query())
        taken = await inbox(w).pull(FUND, 1, 0) if pulled else []
        later.by += timedelta(seconds=EXCHANGE_TTL_S + 1)
        finished = await running
        assert finished.outcome is (Outcome.UNKNOWN if pulled else Outcome.NOT_EXECUTED)
        await w.settle()
        w.agree()
        for node, party in (("macao", FUND), ("zhuhai", "cn.hengqin.window")):
            attention = w.nodes[node].core.attention
            items = await attention.listed(party, None, 10)
            assert [i.row.state for i in items] == (["unknown"] if pulled else [])
            if pulled:
                item = await attention.close(party, exchange, f"{party}/o-1", "asked by phone")
                assert item.row.state == "closed"
                assert await attention.listed(None, None, 10) == []
                with pytest.raises(Refused):
                    await attention.close(party, exchange, f"{party}/o-1", "again")
        for handed in taken:
            with pytest.raises(Refused) as told:
                await acknowledge(w, handed)
            assert told.value.reason is Reason.LEASE_OVER
        assert w.agree().outcomes[exchange].outcome is finished.outcome  # closing changed nothing


async def test_who_pulls_nothing_is_told_so(tmp_path: Path) -> None:
    async with delivered(tmp_path, {"mode": "push"}) as w:
        with pytest.raises(Refused) as told:
            await inbox(w).pull(FUND, 1, 0)
        assert told.value.reason is Reason.SERVICE_UNKNOWN
