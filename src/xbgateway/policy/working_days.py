"""Terms in calendar time: working days of one authority, months and years.

Days are local days; the day a period starts on does not count, its last day is inside. Working days
are Monday to Friday, but for the rows of the table. Months and years end on the same day of the
month, or on the month's last one where it has no such day.
"""

import calendar
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta

_SATURDAY = 5
_YEAR_MONTHS = 12


def months_later(day: date, months: int) -> date:
    """The last day of a term of ``months`` (negative: before), clamped to the month's end."""
    years, month = divmod(day.month - 1 + months, _YEAR_MONTHS)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def years_later(day: date, years: int) -> date:
    """The last day of a term of ``years``; 29 February ends on the 28th."""
    return months_later(day, years * _YEAR_MONTHS)


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """``rest``: weekdays off; ``work``: weekend days that are worked."""

    rest: AbstractSet[date] = field(default_factory=frozenset)
    work: AbstractSet[date] = field(default_factory=frozenset)

    def is_working(self, day: date) -> bool:
        """Whether the authority works on ``day``."""
        if day in self.work:
            return True
        return day.weekday() < _SATURDAY and day not in self.rest

    def due(self, start: date, count: int) -> date:
        """The last day of a period of ``count`` working days after ``start``."""
        day = start
        while count > 0:
            day += timedelta(days=1)
            if self.is_working(day):
                count -= 1
        return day
