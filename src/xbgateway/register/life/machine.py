"""What a life is made of: events between states, what an officer must give, what must hold.

A machine is data with small pure functions in it. ``advance.py`` runs one, the pages of each kind
declare them, ``docs/registers.md`` is written from them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xbgateway.register.life.terms import Due, Terms
from xbgateway.register.values import Record


@dataclass(frozen=True, slots=True)
class Step:
    """One event as it would be: the record before (``None``: a new one) and after it, the day."""

    before: Any
    after: Any
    today: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold for an event; ``field`` is what an officer would have to give otherwise."""

    name: str
    field: str
    says: str
    holds: Callable[[Step], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that can happen to a record.

    ``sources`` are the states in which it can (none: it makes a new record), ``to`` those it leads
    to (none: the state stays). ``roles`` are the offices of which one may do it. ``must`` and
    ``may`` are fields of the record; ``on`` is the field of the day on which it happened, the day
    of recording where none is given.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    to: tuple[str, ...]
    roles: tuple[str, ...]
    statute: str
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    on: str | None = None
    guards: tuple[Guard, ...] = ()
    clears: tuple[str, ...] = ()
    sets: Mapping[str, object] = field(default_factory=dict)
    fills: Mapping[str, Callable[[Mapping[str, Any], Terms], str]] = field(default_factory=dict)

    @property
    def optional(self) -> tuple[str, ...]:
        """Every field that may be given: ``may``, what is filled in otherwise, and the day."""
        named = (*self.may, *self.fills, *((self.on,) if self.on else ()))
        return tuple(one for one in dict.fromkeys(named) if one not in self.must)


@dataclass(frozen=True, slots=True)
class Machine:
    """The life of one kind of record.

    ``states`` and ``due`` explain what ``state`` and ``deadlines`` tell of a day.

    The state is a function of the record's fields and the day: what lies ahead has not happened,
    and time alone leads on where a term ends.
    """

    kind: str
    title: str
    model: type[Record]
    states: Mapping[str, str]
    state: Callable[[Any, str, Terms], str]
    events: tuple[Event, ...]
    deadlines: Callable[[Any, str, Terms], Iterator[Due]]
    due: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)

    def event(self, name: str) -> Event | None:
        """The event of that name, if there is one."""
        return next((one for one in self.events if one.name == name), None)

    def legal(self, state: str | None) -> tuple[str, ...]:
        """Names of what can happen in a state; ``None``: before there is a record."""
        if state is None:
            return tuple(one.name for one in self.events if not one.sources)
        return tuple(one.name for one in self.events if state in one.sources)


def not_before(field_name: str, earlier: str) -> Guard:
    """That the day of an event is not before another one of the record."""
    return Guard(
        f"{field_name}_order",
        field_name,
        f"{field_name} is not before {earlier}",
        lambda step: (getattr(step.after, earlier) or "") <= (getattr(step.after, field_name)),
    )


def given(field_name: str, says: str) -> Guard:
    """That the record has a field by now."""
    return Guard(
        f"{field_name}_given", field_name, says, lambda step: bool(getattr(step.after, field_name))
    )


def within(name: str, end: str, begun: str, threshold: str, says: str) -> Guard:
    """That the record's day ``end`` lies in the term that its day ``begun`` opened."""
    return Guard(
        name,
        end,
        says,
        lambda step: (
            getattr(step.after, end) <= step.terms.last(getattr(step.after, begun), threshold)
        ),
    )


def withdrawal(
    sources: tuple[str, ...],
    roles: tuple[str, ...],
    statute: str,
    *,
    name: str = "withdraw",
    to: str = "withdrawn",
    title: str = "It is withdrawn, and from that day on as none",
) -> Event:
    """The event after which a record no longer counts, from its very day on."""
    return Event(name, title, sources, (to,), roles, statute, on="withdrawn_on")


def nothing_due(_record: object, _today: str, _terms: Terms) -> Iterator[Due]:
    """For kinds of which nothing is ever due."""
    return iter(())
