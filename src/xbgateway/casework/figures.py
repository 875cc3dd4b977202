"""The numbers that managers look at: how many cases, how old, how they ended. Reads rows only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from xbgateway.model.clock import parse_instant


@dataclass(slots=True)
class Figures:
    """Cases of one type since a day."""

    type: str
    opened: int = 0
    waiting: Counter[str] = field(default_factory=Counter)  # by state
    ended: Counter[str] = field(default_factory=Counter)  # by outcome
    late: int = 0  # of those that go on
    hours: list[float] = field(default_factory=list)  # from opening to the end

    @property
    def median_hours(self) -> float:
        """Half of the ended cases took no longer; 0 where none has ended."""
        return median(self.hours) if self.hours else 0.0

    @property
    def p90_hours(self) -> float:
        """Nine of ten of the ended cases took no longer; 0 where none has ended."""
        if len(self.hours) < 2:  # noqa: PLR2004 - quantiles needs two
            return self.median_hours
        return quantiles(self.hours, n=10, method="inclusive")[-1]


def figures(rows: Sequence[tuple[str, str, str, bool, str, str]]) -> list[Figures]:
    """By type, in order, of ``(type, state, outcome, late, opened_at, moved_at)``."""
    found: dict[str, Figures] = {}
    for name, state, ended, late, opened_at, moved_at in rows:
        one = found.setdefault(name, Figures(name))
        one.opened += 1
        if ended:
            one.ended[ended] += 1
            took = parse_instant(moved_at) - parse_instant(opened_at)
            one.hours.append(took.total_seconds() / 3600)
        else:
            one.waiting[state] += 1
            one.late += bool(late)
    return [found[name] for name in sorted(found)]
