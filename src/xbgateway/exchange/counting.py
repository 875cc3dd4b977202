"""What law counts: distinct persons per sender and corridor, batches, requests, queries.

A leg's :class:`Tally` has the numbers *after* this leg for the facts, and the effects that count it
in the same transaction as its entry. Each effect carries how far its number may have grown by then
without another decision; past that the record is stale, and the facts are gathered again.

Readings, where the law leaves one: only what goes from the Mainland to Macao counts (CBDF
Provisions Arts 5, 7, 8), by the node that sends it, once it is logged, whatever the other side then
says. What is exempt under Arts 3 to 6 does not count, but for Art 5(4), whose own limit is this
number. Persons count as sensitive for every field present, also one that is then taken out. The
numbers of split volumes (CN-CERT-2) are kept where the mechanism hangs on them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from xbgateway.model.clock import LOCAL
from xbgateway.model.days import years_later
from xbgateway.model.facts import UNCOUNTED, UNREAD, ContentFacts, Counts, Standing
from xbgateway.model.limits import SUBJECTS_FORGOTTEN_MAX
from xbgateway.model.quick import quick
from xbgateway.model.record import Count, CountSubjects, Effect, ForgetSubjects, Record
from xbgateway.policy.active import Active
from xbgateway.policy.papers import adds_mainland
from xbgateway.seal import keyed_hash

from .ports import Ledger, Records

PERSON_DAY = "queries_person_day"
REQUESTER_HOUR = "queries_requester_hour"
_RATES = {PERSON_DAY: "rate_person_day", REQUESTER_HOUR: "rate_requester_hour"}
_NO_END = 2**53
# The numbers from which on the law asks for more, by kind. One batch alone is never split.
_EDGES = {
    "pi_year": ("pi_contract_from", "pi_assessment_from"),
    "spi_year": ("spi_contract_from", "spi_assessment_from"),
    "pi_window": ("pi_assessment_from",),
    "spi_window": ("spi_assessment_from",),
}
_SECOND_BATCH = 2
# An assessment and its extension (CBDF Provisions Art 9).
_ASSESSMENT_TERMS = 2
_EXEMPT = frozenset({"CBDF3", "CBDF4", "CBDF5-1", "CBDF5-2", "CBDF5-3", "CBDF6"})
_SMALL_NUMBERS = "CBDF5-4"
_BOUND_BY_VOLUME = frozenset({"cn_sc", "certification"})
_HASH_BYTES = 16


@quick
@dataclass(frozen=True, slots=True)
class Carried:
    """What one leg carries, as far as it matters to counting."""

    exchange: str
    now: datetime
    # Kind and value of what names each, distinct. None: nobody goes, the numbers stay as they are.
    persons: tuple[tuple[str, str], ...] | None
    fields: tuple[str, ...]  # paths present
    said: ContentFacts = UNREAD
    case_id: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers with a leg in them, and the effects that count it."""

    counts: Counts
    effects: tuple[Effect, ...]


UNTOLD = Tally(UNCOUNTED, ())


@quick
@dataclass(frozen=True, slots=True)
class _Set:
    """One set that a leg is looked at in; ``edges`` are the first numbers of another band."""

    kind: str
    scope: tuple[str, ...]
    # A number that begins anew is looked at as a whole, so its days need not be told apart: who
    # was counted already costs no write, and a year is one row to add up.
    day: str
    since: str
    subjects: tuple[bytes, ...]
    edges: tuple[int | None, ...]


class Counting:
    """The numbers of one node: read for facts, recorded with entries, forgotten in time."""

    def __init__(self, active: Active, records: Records, key: bytes) -> None:
        self._active = active
        self._records = records
        self._key = key
        self._forgotten: date | None = None

    # ---- distinct persons --------------------------------------------------------------------

    def tally(self, standing: Standing, carried: Carried) -> Tally:
        """The numbers after a leg that this node is about to send, and what counts it."""
        today = carried.now.astimezone(LOCAL).date()
        found: dict[str, int] = {}
        effects: list[Effect] = []
        for each in self._sets(standing, carried, today):
            scope = self._hash(*each.scope)
            after = self._records.subjects_after(each.kind, scope, each.since, each.subjects)
            most = _most(after, each.edges)
            effects.append(
                CountSubjects(each.kind, scope, each.day, each.since, each.subjects, most)
            )
            # Of the persons whom a request asks about, the one who was asked about most.
            found[each.kind] = max(after, found.get(each.kind, 0))
        return Tally(Counts(**found), tuple(effects)) if effects else UNTOLD

    def _sets(self, standing: Standing, carried: Carried, today: date) -> Iterator[_Set]:
        limits = self._thresholds(today)
        if (
            standing.direction == "CN2MO"
            and _personal(standing, carried)
            and not exempt(standing, carried.fields)
        ):
            yield from self._leaving(standing, carried, today, limits)
        window = limits.get("repeat_window_days")
        if standing.leg == "request" and carried.case_id and window is not None:
            asked = (standing.sender.org, standing.service, standing.method, standing.purpose)
            first, exchange = _first(today, window), (self._hash(carried.exchange),)
            edge = _beyond(limits.get("repeat_requests"))
            for person in carried.persons or ():
                scope = (*asked, carried.case_id, *person)
                yield _Set("requests_window", scope, today.isoformat(), first, exchange, (edge,))

    def _leaving(
        self, standing: Standing, carried: Carried, today: date, limits: Mapping[str, int]
    ) -> Iterator[_Set]:
        """The sets that personal information counts in when it leaves the Mainland."""
        batch: tuple[bytes, ...] = ()
        persons: tuple[bytes, ...] = ()
        if carried.persons is not None:
            # Who is not named is one person, and nobody who was counted before.
            named = carried.persons or (("exchange", carried.exchange),)
            persons = tuple(self._hash(*person) for person in named)
            batch = (self._hash(carried.exchange),)
        joining = {"pi": persons, "spi": persons if _sensitive(standing, carried, limits) else ()}
        sender, year = standing.sender.org, _new_year(today)
        for what, who in joining.items():
            kind = f"{what}_year"
            yield _Set(kind, (sender,), year, year, who, _edges(kind, limits))
        mechanism = standing.mechanism
        if mechanism is None:
            return
        since = mechanism.approved_on or mechanism.effective_on
        if mechanism.max_subjects is not None and since is not None:
            edges = (_beyond(mechanism.max_subjects),)
            yield _Set("assessed", (mechanism.ref,), since, since, persons, edges)
        window = limits.get("batch_window_days")
        by_volume = mechanism.type in _BOUND_BY_VOLUME or mechanism.exempt_art == _SMALL_NUMBERS
        if by_volume and window is not None:
            corridor = (sender, standing.recipient.org, standing.purpose)
            days = (today.isoformat(), _first(today, window))
            yield _Set("batches_window", corridor, *days, batch, (_SECOND_BATCH,))
            for what, who in joining.items():
                kind = f"{what}_window"
                yield _Set(kind, corridor, *days, who, _edges(kind, limits))

    # ---- predicate queries -------------------------------------------------------------------

    def queries(
        self, party: str, persons: Iterable[str], now: datetime
    ) -> tuple[tuple[int, int], tuple[Effect, ...]]:
        """Queries with this one: on the person most asked about today, by this hour; effects."""
        local = now.astimezone(LOCAL)
        limits = self._thresholds(local.date())
        asked: list[tuple[str, tuple[str, ...], str]] = [
            *((PERSON_DAY, (party, person), f"{local:%Y-%m-%d}") for person in persons),
            (REQUESTER_HOUR, (party,), f"{local:%Y-%m-%dT%H}"),
        ]
        highest, effects = dict.fromkeys(_RATES, 0), list[Effect]()
        for kind, of, window in asked:
            key = keyed_hash(self._key, *(part.encode() for part in of))
            after = self._records.counter(kind, key, window) + 1
            highest[kind] = max(highest[kind], after)
            limit = limits.get(_RATES[kind])
            edges = () if limit is None else (limit // 2 + 1, limit + 1)
            effects.append(Count(kind, key, window, 1, (0, _most(after, edges))))
        return (highest[PERSON_DAY], highest[REQUESTER_HOUR]), tuple(effects)

    # ---- forgetting --------------------------------------------------------------------------

    async def forget(self, ledger: Ledger, now: datetime) -> None:
        """Once a local day: what no number of this day or a later one asks for goes."""
        today = now.astimezone(LOCAL).date()
        if self._forgotten == today:
            return
        for kind, before in self._needed_from(today).items():
            while self._records.subjects_due(kind, before):
                await ledger.record(
                    Record((), (ForgetSubjects(kind, before, SUBJECTS_FORGOTTEN_MAX),))
                )
        self._forgotten = today

    def _needed_from(self, today: date) -> dict[str, str]:
        """By kind, the first day that may still be asked about; all days where no table says."""
        limits = self._thresholds(today)
        needed = dict.fromkeys(("pi_year", "spi_year"), _new_year(today))
        for term, kinds in (
            ("batch_window_days", ("batches_window", "pi_window", "spi_window")),
            ("repeat_window_days", ("requests_window",)),
        ):
            if (window := limits.get(term)) is not None:
                needed |= dict.fromkeys(kinds, _first(today, window))
        if (years := limits.get("assessment_years")) is not None:
            needed["assessed"] = years_later(today, -_ASSESSMENT_TERMS * years).isoformat()
        return needed

    def _thresholds(self, today: date) -> Mapping[str, int]:
        tables = self._active.tables
        return tables.cuts[tables.edition(today)].thresholds

    def _hash(self, *parts: str) -> bytes:
        return keyed_hash(self._key, *(part.encode() for part in parts))[:_HASH_BYTES]


def exempt(standing: Standing, present: tuple[str, ...]) -> bool:
    """Whether a transfer does not count: CBDF Provisions Arts 3 to 6, without Art 5(4).

    Art 4 needs no claim (``policies/lib/leaving``). What claims an exemption in vain is denied, and
    so never counted.
    """
    mechanism, dataset = standing.mechanism, standing.dataset
    if mechanism is not None and mechanism.type == "exempt" and mechanism.exempt_art in _EXEMPT:
        return True
    return (
        dataset.offshore
        and dataset.origin == "MO"
        and not adds_mainland(dataset)
        and all(f.data_class == "general" for f in standing.fields if f.path in present)
    )


def _personal(standing: Standing, carried: Carried) -> bool:
    """Whether a leg carries personal information, as the rules see it (``policies/lib/fields``)."""
    if carried.persons != ():
        return True
    present = [field for field in standing.fields if field.path in carried.fields]
    return bool(present) and not (
        standing.mode == "aggregate"
        and all(
            field.level in {"L1", "L2"}
            and field.identifier is None
            and not (field.sens_cn or field.sens_mo)
            for field in present
        )
    )


def _sensitive(standing: Standing, carried: Carried, limits: Mapping[str, int]) -> bool:
    """Whether sensitive information goes; all of it is where a person under 14 is concerned."""
    said = carried.said.min_age
    age = standing.dataset.min_age if said is None else said
    if age is not None and age < limits.get("child_age", 0):
        return True
    sensitive = {field.path for field in standing.fields if field.sens_cn}
    return not sensitive.isdisjoint(carried.fields)


def _most(after: int, edges: Iterable[int | None]) -> int:
    """The highest number for which a decision on ``after`` stays the same."""
    return min((e for e in edges if e is not None and e > after), default=_NO_END) - 1


def _edges(kind: str, limits: Mapping[str, int]) -> tuple[int | None, ...]:
    return tuple(limits.get(name) for name in _EDGES[kind])


def _beyond(limit: int | None) -> int | None:
    return None if limit is None else limit + 1


def _first(today: date, days: int) -> str:
    """The first of so many days, today among them."""
    return (today - timedelta(days=days - 1)).isoformat()


def _new_year(today: date) -> str:
    return f"{today.year:04}-01-01"
