"""Working days of one authority: Monday to Friday, but for the rows of the table ``holidays``.

Days are local days; the day a period starts on does not count, its last day is inside.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta

_SATURDAY = 5


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
