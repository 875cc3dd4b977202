"""Terms in calendar time: months, years, and the last day of a term whose name says its unit.

Days are local days. The day a term begins on does not count, its last day is inside. Months and
years end on the same day of the month, or on the month's last one where it has no such day. What a
working day is stands in the officers' tables, so whoever asks brings it along.
"""

import calendar
from collections.abc import Callable
from datetime import date, timedelta

_YEAR_MONTHS = 12

DueWorkingDay = Callable[[date, int], date]


def months_later(day: date, months: int) -> date:
    """The last day of a term of ``months`` (negative: before), clamped to the month's end."""
    years, month = divmod(day.month - 1 + months, _YEAR_MONTHS)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def years_later(day: date, years: int) -> date:
    """The last day of a term of ``years``; 29 February ends on the 28th."""
    return months_later(day, years * _YEAR_MONTHS)


def last_day(begun: date, name: str, count: int, due: DueWorkingDay) -> date:
    """The last day of the term ``name`` (a row of the table thresholds), ``count`` units long.

    The end of the name is the unit: ``_working_days``, ``_days``, ``_months`` or ``_years``.
    ``due`` gives the last day of so many working days after a day.
    """
    if name.endswith("_working_days"):
        return due(begun, count)
    if name.endswith("_days"):
        return begun + timedelta(days=count)
    if name.endswith("_months"):
        return months_later(begun, count)
    assert name.endswith("_years"), name
    return years_later(begun, count)


def years_over(begun: date, step: int, today: date) -> int:
    """How many terms of ``step`` years since ``begun`` are over; a last day is not over."""
    over = 0
    while years_later(begun, step * (over + 1)) < today:
        over += 1
    return over
