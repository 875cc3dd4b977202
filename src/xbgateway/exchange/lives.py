"""The lives of register records under the terms of this node's tables: what the registrar asks.

``register/life`` knows no number of any law; here it gets those of the active revision, as of the
day that is asked about.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from xbgateway.register import life
from xbgateway.register.values import Record


class Lives:
    """``register/life`` bound to the terms of the revision in use, which ``terms`` gives."""

    def __init__(self, terms: Callable[[date], life.Terms]) -> None:
        self.terms = terms

    def roles(self, kind: str, event: str) -> tuple[str, ...]:
        """The offices of which one may cause an event; none: there is no such event."""
        return next((one.roles for one in life.events(kind) if one.name == event), ())

    def advance(
        self, kind: str, record: Record | None, event: str, given: Mapping[str, Any], day: date
    ) -> Record:
        """The record after an event; raises as ``life.advance``."""
        return life.advance(kind, record, event, given, day, self.terms(day))

    def state(self, record: Record, day: date) -> str:
        """The state that a record has on a day."""
        return life.state_of(record, day, self.terms(day))

    def legal(self, record: Record | None, kind: str, day: date) -> tuple[life.Event, ...]:
        """What can happen to a record on a day; for ``None``, what makes one."""
        events = life.events(kind)
        if record is None:
            return tuple(one for one in events if not one.sources)
        names = life.legal(record, day, self.terms(day))
        return tuple(one for one in events if one.name in names)

    def deadlines(self, record: Record, day: date) -> tuple[life.Due, ...]:
        """What is still to be done about a record, the earliest first."""
        return life.deadlines(record, day, self.terms(day))
