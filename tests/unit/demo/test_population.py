"""The population: repeatable, consistent, and made of documents that belong to nobody."""

import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import orjson
import pytest

from xbgateway.demo import identifiers as ids
from xbgateway.demo.hard_cases import CASES
from xbgateway.demo.making import years_before
from xbgateway.demo.names import MARK
from xbgateway.demo.people import Person, month_number
from xbgateway.demo.population import CLOCK, SHARES, age, cached, generate

POPULATION = cached()
LATIN = r"[A-ZÀ-Ý' -]{1,40}, [A-ZÀ-Ý' -]{1,40}"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again = generate(7, 300), generate(7, 300)
    assert first.document() == again.document()
    other = generate(8, 300)
    tokens = {p.pid_token for p in first.persons}
    assert tokens.isdisjoint(p.pid_token for p in other.persons)


def test_every_document_file_says_that_it_is_synthetic() -> None:
    document = orjson.loads(generate(3, 40).document())
    assert document["synthetic"] is True
    assert (document["seed"], document["generator_version"]) == (3, 1)
    assert document["clock"] == "2026-03-16"
    assert len(document["persons"]) == 40


def test_groups_have_their_shares() -> None:
    counted = Counter(p.group for p in POPULATION.persons)
    assert counted == {group: 5000 * share // 100 for group, share in SHARES}


def test_every_document_passes_its_checks_in_the_synthetic_range() -> None:
    for person in POPULATION.persons:
        ids.check_pid_token(person.pid_token)
        ids.check_phone(person.mobile, "test")
        for number in (person.res_permit_no, person.former_permit_no):
            if number is not None:
                ids.check_residence_permit(number, "test")
                assert number[6:14] == f"{person.birth_on:%Y%m%d}"
                assert int(number[16]) % 2 == (person.sex == "M")
        if person.prc_id_no is not None:
            ids.check_prc_id(person.prc_id_no, "test")
        if person.bir_no is not None:
            ids.check_bir(person.bir_no, "test")
        if person.hrp_no is not None:
            ids.check_home_return_permit(person.hrp_no, "test")
        if person.fss_no is not None:
            ids.check_fss_no(person.fss_no, "test")
        assert not re.search(r"\d", person.address)


@pytest.mark.parametrize(
    "document",
    ["pid_token", "bir_no", "res_permit_no", "prc_id_no", "hrp_no", "fss_no", "mobile"],
)
def test_no_document_is_given_twice(document: str) -> None:
    values = [v for p in POPULATION.persons if (v := getattr(p, document)) is not None]
    assert len(values) > 500
    assert len(set(values)) == len(values)


def test_names_have_their_form_and_portuguese_ones_their_mark() -> None:
    for person in POPULATION.persons:
        assert re.fullmatch(LATIN, person.names.latin)
        if not person.names.hant:
            assert MARK in person.names.latin
            assert person.names.pinyin == ""
        else:
            assert re.fullmatch(r"[A-Z]+ [A-Z' ]+", person.names.pinyin)


def test_lives_are_consistent() -> None:
    this_month = month_number(CLOCK.isoformat())
    for person in POPULATION.persons:
        assert 0 <= age(person, CLOCK) <= 100
        assert person.stay_from is None or person.birth_on <= person.stay_from <= CLOCK
        end = month_number((person.died_on or CLOCK).isoformat())
        by_scheme: dict[str, list[tuple[int, int]]] = {}
        for period in person.periods:
            first, last = month_number(period.first), month_number(period.last)
            assert first - month_number(person.birth_on.isoformat()) >= 16 * 12
            assert 1 <= period.months == last - first + 1 <= 720
            assert last <= min(end, this_month)
            by_scheme.setdefault(period.scheme, []).append((first, last))
        for runs in by_scheme.values():
            assert all(a[1] < b[0] for a, b in pairwise(runs))
        assert {p.scheme for p in person.participations} == set(by_scheme)


def test_pensions_follow_from_age_months_and_life() -> None:
    for person in POPULATION.persons:
        assert person.macao_pension == (
            person.died_on is None
            and years_before(CLOCK, 65) >= person.birth_on
            and person.months_in("MO_") >= 60
        )
        assert person.mainland_pension <= (person.months_in("CN_PENSION") >= 180)
        for part in person.participations:
            assert not (person.died_on and part.status != "ended")
            assert (part.end_on is not None) == (part.status == "ended")


def test_there_is_somebody_for_every_demo_case() -> None:
    assert sum(1 for _ in POPULATION.contributors()) > 1000
    assert sum(1 for _ in POPULATION.macao_pensioners()) > 200
    assert sum(1 for _ in POPULATION.mainland_pensioners()) > 500


@pytest.mark.parametrize("tag", CASES)
def test_every_hard_case_is_there(tag: str) -> None:
    assert sum(1 for _ in POPULATION.tagged(tag)) >= 20


def one(tag: str) -> list[Person]:
    return list(POPULATION.tagged(tag))


def test_hard_cases_are_what_they_say() -> None:
    assert all(p.names.hant == "陳嘉欣" and p.names.hans == "陈嘉欣" for p in one("four_spellings"))
    assert all(p.names.latin == "CHAN, KA IAN" for p in one("four_spellings"))
    assert all(len(p.names.latin) == 30 for p in one("thirty_letter_name"))
    assert all(not p.names.hant for p in one("no_chinese_name"))
    assert all(" DE " in p.names.latin and p.names.hant for p in one("married_two_surnames"))
    assert any(ord(c) > 0xFFFF for p in one("rare_characters") for c in p.names.hant)
    assert any(p.names.hant != p.names.hans for p in one("rare_characters"))
    assert all(p.former_names and p.former_names != p.names for p in one("changed_name"))
    assert all(p.former_permit_no != p.res_permit_no for p in one("permit_reissued"))
    assert all((p.res_permit_no or "").endswith("X") for p in one("permit_ends_in_x"))
    assert all(
        p.birth_on_other_side - p.birth_on == timedelta(days=1) for p in one("birth_dates_differ")
    )
    assert all((p.birth_on.month, p.birth_on.day) == (2, 29) for p in one("leap_day"))
    assert {age(p, CLOCK) for p in one("turns_fourteen_tomorrow")} == {13}
    assert {age(p, CLOCK) for p in one("turned_fourteen_today")} == {14}
    assert all(p.died_on and not p.macao_pension for p in one("deceased"))
    assert all(p.stay_from and p.stay_from < date(2023, 3, 1) for p in one("stay_before_the_rule"))


def test_months_stand_on_both_sides_of_the_thresholds() -> None:
    assert {(p.months_in("MO_"), p.macao_pension) for p in one("months_59")} == {(59, False)}
    assert {(p.months_in("MO_"), p.macao_pension) for p in one("months_60")} == {(60, True)}
    assert {p.months_in("CN_") for p in one("months_179")} == {179}
    assert not any(p.mainland_pension for p in one("months_179"))
    assert {(p.months_in("CN_"), p.mainland_pension) for p in one("months_180")} == {(180, True)}


def test_twins_share_birthday_and_surname_only() -> None:
    twins = one("twins")
    for first, second in zip(twins[::2], twins[1::2], strict=True):
        assert first.birth_on == second.birth_on
        assert first.names.latin.split(",")[0] == second.names.latin.split(",")[0]
        assert first.names.latin != second.names.latin
        assert first.bir_no != second.bir_no


def test_one_month_counts_on_both_sides() -> None:
    for person in one("overlap_of_one_month"):
        months: Counter[int] = Counter()
        for period in person.periods:
            first = month_number(period.first)
            months.update(range(first, first + period.months))
        assert sum(1 for count in months.values() if count == 2) == 1
