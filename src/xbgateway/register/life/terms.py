"""What time means to a register record: the numbers of the officers' tables and their calendars.

The law's numbers and holidays belong to a revision of the policies; they are handed in, so that
this room knows none of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from xbgateway.model.days import last_day

# A term whose length no table knows is over before it begins: what needs it is refused.
NEVER = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one edition of the tables.

    ``thresholds`` has the rows of the table of that name; ``working_day_after`` gives the last day
    of a number of working days after a day, by the calendar of the Mainland (CN) or Macao (MO).
    """

    thresholds: Mapping[str, int]
    working_day_after: Callable[[date, int, str], date]

    def last(self, begun: str, name: str, calendar: str = "CN") -> str:
        """The last day of the term ``name`` that began on a day; ``NEVER`` without such a row."""
        count = self.thresholds.get(name)
        if count is None:
            return NEVER

        def due(day: date, days: int) -> date:
            return self.working_day_after(day, days, calendar)

        return last_day(date.fromisoformat(begun), name, count, due).isoformat()

    def first(self, end: str, name: str, calendar: str = "CN") -> str:
        """The first day of the term ``name`` that ends on a day; ``NEVER`` without such a row."""
        count = self.thresholds.get(name)
        if count is None:
            return NEVER

        def opening(end: date, days: int) -> date:
            # So many working days are at least so many days; days before that are too early.
            day = end - timedelta(days=-days)
            while self.working_day_after(day, -days, calendar) >= end:
                day -= timedelta(days=1)
            return day + timedelta(days=1)

        return last_day(date.fromisoformat(end), name, -count, opening).isoformat()


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is still to be done about a record, and by when.

    ``what`` names it within its kind (``docs/registers.md``); ``due_on`` is the last good day, for
    what opens the first. ``due_at`` is the instant where the law counts hours. ``role`` is an
    office of the table roles.
    """

    kind: str
    id: str
    what: str
    due_on: str
    role: str
    statute: str
    due_at: str | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands in a list: by day, then by what it is."""
        return self.due_on, f"{self.kind} {self.id} {self.what}"


def reached(day: str | None, today: str) -> bool:
    """Whether ``day`` is given, and is today or past."""
    return day is not None and day <= today


def day_before(day: str) -> str:
    """The day before."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def day_after(day: str) -> str:
    """The day after."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
