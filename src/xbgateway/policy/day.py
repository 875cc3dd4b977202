"""One local day under one edition of the tables: what a term that began some day comes to.

The length of a term is a row of the table ``thresholds``; the end of its name says the unit.
Days are ISO text, so earlier is smaller; the last day of a term is inside.
"""

from dataclasses import dataclass, field
from datetime import date

from xbgateway.model.days import last_day
from xbgateway.policy.tables import Cuts

# Before every day: a term whose length no table says is over.
NEVER = ""


@dataclass(frozen=True, slots=True)
class Day:
    """A day to ask about. ``iso`` is the day as text."""

    today: date
    cuts: Cuts
    iso: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "iso", self.today.isoformat())

    def last(self, start: str, threshold: str, calendar: str = "CN") -> str:
        """The last day of a term that began on ``start``; ``NEVER`` where no table knows it."""
        count = self.cuts.thresholds.get(threshold)
        if count is None:
            return NEVER
        due = self.cuts.calendars[calendar].due
        return last_day(date.fromisoformat(start), threshold, count, due).isoformat()

    def within(self, start: str, threshold: str, calendar: str = "CN") -> bool:
        """Whether the term that began on ``start`` is not over."""
        return self.iso <= self.last(start, threshold, calendar)

    def reached(self, day: str | None) -> bool:
        """Whether ``day`` is given, and is today or past."""
        return day is not None and day <= self.iso

    def state(self, since: str, until: str | None) -> str:
        """``not_yet``, ``valid`` up to the last day, ``ended``."""
        if self.iso < since:
            return "not_yet"
        return "ended" if until is not None and until < self.iso else "valid"
