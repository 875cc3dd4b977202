"""The hard cases of the population: each makes one person (twins: two) and tags them.

They are what real registers disagree about: names in four spellings, documents that were issued
twice, birthdays one day apart, months just below and just at a threshold.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from xbgateway.demo import names
from xbgateway.demo.making import Maker, settled, years_before
from xbgateway.demo.people import Names, Period, Person, month_number, month_text

Case = Callable[[Maker, str], tuple[Person, ...]]


def _resident(
    maker: Maker,
    tag: str,
    *,
    birth_on: date | None = None,
    months: int | None = None,
    name: Names | None = None,
) -> Person:
    born = birth_on or maker.birthday(25, 80)
    person = maker.macao_resident(group="edge", birth_on=born, months=months, name=name)
    return replace(person, tags=(tag,))


def _named(make: Callable[[Maker], Names]) -> Case:
    return lambda maker, tag: (_resident(maker, tag, name=make(maker)),)


def _months(months: int) -> Case:
    """A Macao resident of 66 with exactly so many months."""
    return lambda maker, tag: (
        _resident(maker, tag, birth_on=maker.birthday(66, 70), months=months),
    )


def _mainland_months(months: int) -> Case:
    return lambda maker, tag: (
        replace(maker.mainland_pensioner(group="edge", months=months), tags=(tag,)),
    )


def _born(years: int, days: int) -> Case:
    """A Macao resident whose ``years``-th birthday is ``days`` after the clock."""

    def make(maker: Maker, tag: str) -> tuple[Person, ...]:
        born = years_before(maker.clock, years) + timedelta(days=days)
        return (_resident(maker, tag, birth_on=born),)

    return make


def _twins(maker: Maker, tag: str) -> tuple[Person, ...]:
    surname, born = maker.random.choice(names.SURNAMES), maker.birthday(16, 70)
    first, second = maker.random.sample(names.GIVEN, 2)
    return tuple(
        _resident(maker, tag, birth_on=born, name=names.joined(surname, given))
        for given in (first, second)
    )


def _changed_name(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag)
    return (replace(person, former_names=person.names, names=names.married(maker.random)),)


def _permit_reissued(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag)
    fresh = maker.citizen("829900", person.birth_on, person.sex)
    return (replace(person, former_permit_no=person.res_permit_no, res_permit_no=fresh),)


def _permit_ends_in_x(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag)
    number = maker.citizen("829900", person.birth_on, person.sex, check="X")
    return (replace(person, res_permit_no=number),)


def _birth_dates_differ(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag)
    return (replace(person, birth_on_other_side=person.birth_on + timedelta(days=1)),)


def _leap_day(maker: Maker, tag: str) -> tuple[Person, ...]:
    return (_resident(maker, tag, birth_on=date(4 * maker.random.randint(483, 500), 2, 29)),)


def _deceased(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag, birth_on=maker.birthday(66, 95))
    died = maker.clock - timedelta(days=maker.random.randint(1, 300))
    return (settled(replace(person, died_on=died), maker.clock),)


def _stay_before_the_rule(maker: Maker, tag: str) -> tuple[Person, ...]:
    """Lives in Hengqin since before 2023-03-01, from when such days count in Macao."""
    start = date(2023, 2, maker.random.randint(1, 28))
    return (replace(_resident(maker, tag), stay_from=start),)


def _overlap_of_one_month(maker: Maker, tag: str) -> tuple[Person, ...]:
    person = _resident(maker, tag, birth_on=maker.birthday(30, 60), months=24)
    start = month_number(person.periods[-1].last)
    mainland = Period("CN_PENSION_EMP", month_text(start), month_text(start), "employed", "B")
    both = replace(person, periods=(*person.periods, mainland))
    return (settled(both, maker.clock),)


CASES: dict[str, Case] = {
    "married_two_surnames": _named(lambda maker: names.married(maker.random)),
    "no_chinese_name": _named(lambda maker: names.portuguese(maker.random)),
    "thirty_letter_name": _named(lambda _: names.thirty_letters()),
    "rare_characters": _named(lambda maker: names.rare(maker.random)),
    "four_spellings": _named(lambda _: names.joined(names.SURNAMES[0], names.GIVEN[0])),
    "twins": _twins,
    "changed_name": _changed_name,
    "permit_reissued": _permit_reissued,
    "permit_ends_in_x": _permit_ends_in_x,
    "birth_dates_differ": _birth_dates_differ,
    "leap_day": _leap_day,
    "turns_fourteen_tomorrow": _born(14, 1),
    "turned_fourteen_today": _born(14, 0),
    "deceased": _deceased,
    "stay_before_the_rule": _stay_before_the_rule,
    "months_59": _months(59),
    "months_60": _months(60),
    "months_179": _mainland_months(179),
    "months_180": _mainland_months(180),
    "overlap_of_one_month": _overlap_of_one_month,
}
