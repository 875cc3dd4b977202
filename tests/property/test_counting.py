"""Counters of distinct persons against sets kept by hand: random transfers, days, crashes."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.facts import make_facts
from tests.harness.scale import scaled
from tests.harness.simulator import revision

from xbgateway.exchange.counting import Carried, Counting
from xbgateway.model.clock import LOCAL
from xbgateway.model.facts import UNCOUNTED, Counts, MechanismFacts, Standing
from xbgateway.model.record import CountSubjects, Record, Stale
from xbgateway.store import SqliteStore

KEY = bytes(32)
PERSONS = [("bir", f"900000{n}(0)") for n in range(6)]
FACTS = make_facts()
PLAIN, SENSITIVE = "attestation.year", "attestation.name_hant"
_GBA = FACTS.standing.mechanism
assert _GBA is not None
MECHANISMS: dict[str, MechanismFacts | None] = {
    "contract": _GBA,
    "cn_sc": replace(_GBA, type="cn_sc"),
    "assessed": replace(
        _GBA,
        type="security_assessment",
        ref="CAC-1",
        max_subjects=3,
        approved_on="2026-11-20",
    ),
    "for the contract": replace(_GBA, type="exempt", exempt_art="CBDF5-1"),
    "small numbers": replace(_GBA, type="exempt", exempt_art="CBDF5-4"),
    "duty": replace(_GBA, type="exempt", exempt_art="NDSR35-6"),
    "none": None,
}
EXEMPT = "for the contract"
BY_VOLUME = ("cn_sc", "small numbers")


def standing(
    mechanism: str = "contract", sender: str = "cn.a", recipient: str = "mo.a", **more: Any
) -> Standing:
    facts = FACTS.standing
    return replace(
        facts,
        sender=replace(facts.sender, org=sender),
        recipient=replace(facts.recipient, org=recipient),
        mechanism=MECHANISMS[mechanism],
        fields=tuple(replace(f, sens_cn=f.path == SENSITIVE) for f in facts.fields),
        **more,
    )


def counting(store: SqliteStore, **limits: int) -> Counting:
    """The numbers of a store, under the tables of this tree with some limits of the test's own."""
    tables = revision().tables
    cuts = tuple(replace(c, thresholds={**c.thresholds, **limits}) for c in tables.cuts)
    active: Any = SimpleNamespace(tables=replace(tables, cuts=cuts))
    return Counting(active, store.reader, KEY)


def carried(number: int, now: datetime, *persons: tuple[str, str], **more: Any) -> Carried:
    return Carried(f"exchange-{number}", now, persons, more.pop("fields", (PLAIN,)), **more)


def rows(store: SqliteStore, table: str) -> list[tuple[Any, ...]]:
    return store.reader.connection().execute(f"SELECT * FROM {table}").fetchall()


async def running(store: SqliteStore) -> SqliteStore:
    store.start(lambda _group: None)
    return store


@dataclass
class Oracle:
    """Who was counted when, by set."""

    seen: dict[tuple[str, ...], dict[str, set[object]]] = field(default_factory=dict)

    def after(self, since: date, members: set[Any], *name: str) -> int:
        days = self.seen.get(name, {})
        return len(members.union(*(m for d, m in days.items() if d >= since.isoformat())))

    def join(self, day: date, members: set[Any], *name: str) -> None:
        self.seen.setdefault(name, {}).setdefault(day.isoformat(), set()).update(members)

    def transfer(self, leg: Standing, how: str, who: set[Any], leaf: Carried) -> Counts:
        """The numbers after a transfer, which is counted."""
        if how == EXEMPT:
            return UNCOUNTED
        day, sender = leaf.now.astimezone(LOCAL).date(), leg.sender.org
        sensitive = who if SENSITIVE in leaf.fields else set()
        year, window = date(day.year, 1, 1), day - timedelta(days=29)
        corridor = (sender, leg.recipient.org)
        wanted: list[tuple[date, set[Any], tuple[str, ...]]] = [
            (year, who, ("pi_year", sender)),
            (year, sensitive, ("spi_year", sender)),
        ]
        if how == "assessed":
            wanted.append((date(2026, 11, 20), who, ("assessed",)))
        if how in BY_VOLUME:
            wanted += [
                (window, who, ("pi_window", *corridor)),
                (window, sensitive, ("spi_window", *corridor)),
                (window, {leaf.exchange}, ("batches_window", *corridor)),
            ]
        found = {}
        for since, members, name in wanted:
            found[name[0]] = self.after(since, members, *name)
            self.join(day, members, *name)
        return Counts(**found)


transfers = st.tuples(
    st.sampled_from(sorted(MECHANISMS)),
    st.sampled_from(["cn.a", "cn.b"]),
    st.sampled_from(["mo.a", "mo.b"]),
    st.sets(st.sampled_from(PERSONS), max_size=4),
    st.booleans(),  # sensitive
    st.sampled_from([0, 0, 1, 20, 40]),  # days that pass before
    st.sampled_from(["", "", "restart", "forget"]),
)


@given(st.lists(transfers, max_size=14))
@settings(max_examples=scaled(15), deadline=None)
def test_numbers_are_those_of_sets_kept_by_hand(plan: list[Any]) -> None:
    asyncio.run(_numbers(plan))


async def _numbers(plan: list[Any]) -> None:
    oracle, now = Oracle(), datetime(2026, 11, 25, 15, 59, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store = await running(SqliteStore(path, [], group_wait_s=0))
        numbers = counting(store)
        for number, (how, sender, recipient, who, sensitive, days, then) in enumerate(plan):
            now += timedelta(days=days, seconds=number)
            leg = standing(how, sender, recipient)
            fields = (PLAIN, SENSITIVE) if sensitive else (PLAIN,)
            leaf = carried(number, now, *who, fields=fields)
            tally = numbers.tally(leg, leaf)
            # Who names nobody is somebody.
            assert tally.counts == oracle.transfer(leg, how, who or {leaf.exchange}, leaf)
            await store.record(Record((), tally.effects))
            if then == "restart":
                await store.stop()
                store = await running(SqliteStore(path, [], group_wait_s=0))
                numbers = counting(store)
            if then == "forget":
                await numbers.forget(store, now)
        by_day: dict[tuple[Any, ...], int] = {}
        for kind, scope, _subject, day in rows(store, "subjects"):
            by_day[kind, scope, day] = by_day.get((kind, scope, day), 0) + 1
        assert by_day == {row[:3]: row[3] for row in rows(store, "subject_days")}
        # A year later nothing of it is asked for, but for what an assessment in force covers.
        await numbers.forget(store, now + timedelta(days=366))
        assert {row[0] for row in rows(store, "subjects")} <= {"assessed"}
        await store.stop()


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], Any]:
    return lambda: running(SqliteStore(tmp_path / "store.db", [], group_wait_s=0))


async def test_of_64_at_once_below_a_limit_one_passes_and_a_person_counts_once(
    store: Callable[[], Any],
) -> None:
    s = await store()
    numbers, now = counting(s, pi_contract_from=3), datetime(2026, 11, 25, tzinfo=UTC)
    first = numbers.tally(standing(), carried(0, now, PERSONS[0]))
    await s.record(Record((), first.effects))
    many = [
        numbers.tally(standing(), carried(n, now, ("bir", f"{9100000 + n}(0)")))
        for n in range(1, 65)
    ]
    same = numbers.tally(standing(), carried(65, now, PERSONS[0]))
    assert {t.counts.pi_year for t in many} == {2}
    ends = await asyncio.gather(
        *(s.record(Record((), t.effects)) for t in many), return_exceptions=True
    )
    assert sum(not isinstance(end, Exception) for end in ends) == 1
    assert sum(isinstance(end, Stale) for end in ends) == 63
    await s.record(Record((), same.effects))  # who is counted already adds nothing
    assert numbers.tally(standing(), carried(66, now, PERSONS[0])).counts.pi_year == 2
    await s.stop()


async def test_a_year_ends_at_midnight_in_zhuhai_and_macao(store: Callable[[], Any]) -> None:
    s = await store()
    numbers, midnight = counting(s), datetime(2026, 12, 31, 16, tzinfo=UTC)
    before = midnight - timedelta(seconds=1)
    for number, person in enumerate(PERSONS[:2]):
        tally = numbers.tally(standing(), carried(number, before, person))
        assert tally.counts.pi_year == number + 1
        await s.record(Record((), tally.effects))
    assert numbers.tally(standing(), carried(2, midnight, PERSONS[0])).counts.pi_year == 1
    await s.stop()


async def test_what_needs_no_counting_is_not_counted(store: Callable[[], Any]) -> None:
    s = await store()
    numbers, leaf = counting(s), carried(0, datetime(2026, 11, 25, tzinfo=UTC), PERSONS[0])
    back = standing(direction="MO2CN")
    assert numbers.tally(back, leaf).effects == ()
    assert numbers.tally(back, leaf).counts is UNCOUNTED
    impersonal = replace(
        standing(mode="aggregate"),
        fields=(replace(FACTS.standing.fields[0], path=PLAIN, level="L1", identifier=None),),
    )
    assert numbers.tally(impersonal, replace(leaf, persons=())).counts is UNCOUNTED
    # Data of Macao that go back from the offshore zone (CBDF Provisions Art 4).
    offshore = replace(FACTS.standing.dataset, offshore=True, origin="MO", sources=())
    assert numbers.tally(standing(dataset=offshore), leaf).counts is UNCOUNTED
    # Who asks what the numbers are, and sends nobody, gets them as they are.
    await s.record(Record((), numbers.tally(standing(), leaf).effects))
    assert numbers.tally(standing(), replace(leaf, persons=None)).counts.pi_year == 1
    await s.stop()


async def test_requests_on_one_person_count_in_their_case(store: Callable[[], Any]) -> None:
    s = await store()
    numbers, now = counting(s), datetime(2026, 11, 25, tzinfo=UTC)
    asked = [carried(n, now, PERSONS[n % 2], PERSONS[2], case_id="C09-1") for n in range(4)]
    found = []
    for leaf in asked:
        tally = numbers.tally(standing(), leaf)
        found.append(tally.counts.requests_window)
        [*_, last] = tally.effects
        assert isinstance(last, CountSubjects)
        assert last.most >= (tally.counts.requests_window or 0)
        await s.record(Record((), tally.effects))
    assert found == [1, 2, 3, 4]
    other = replace(asked[0], exchange="other", case_id="C09-2")
    assert numbers.tally(standing(), other).counts.requests_window == 1
    assert numbers.tally(standing(), replace(other, case_id=None)).counts.requests_window is None
    await s.stop()
