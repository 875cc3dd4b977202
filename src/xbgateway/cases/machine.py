"""The step machine of cases: ``(state, event) → state, wanted exchange, deadlines``. Pure.

Both nodes read a case from the entries of the one that opened it, with this one function, so they
always agree (REQ-CASE-2). What stands out of order, or does what its type does not allow, is an
anomaly: it is listed and changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from xbgateway.model.clock import LOCAL, instant, parse_instant
from xbgateway.model.entry import Case
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import Placed

from .filling import at
from .types import LATE, OPEN, REMIND, Act, CaseType, Ending, Send, State, Term

# The last day of so many working days after a day, by an authority's calendar.
DueDay = Callable[[str, date, int], date]


@dataclass(frozen=True, slots=True)
class Moved:
    """One step that a case took."""

    step: int
    at: str
    event: str
    party: str
    state: str  # where it led
    concluded: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands."""

    id: str
    type: CaseType
    parties: Mapping[str, str]  # role → party
    history: tuple[Moved, ...]
    since: Moved  # the step that led into its state
    reminded: bool  # since then
    late: bool
    anomalies: int = 0

    @property
    def step(self) -> int:
        """Number of its newest step."""
        return self.history[-1].step

    @property
    def state(self) -> State:
        """Its state."""
        return self.type.states[self.since.state]

    @property
    def ending(self) -> Ending | None:
        """How it ended, if it has."""
        return self.state.ending

    @property
    def opened_at(self) -> str:
        """When it was opened."""
        return self.history[0].at

    def roles(self, party: str) -> frozenset[str]:
        """The roles that a party has in it."""
        return frozenset(role for role, each in self.parties.items() if each == party)


def opened(entry: Case, types: Mapping[str, CaseType]) -> Standing:
    """A case as its first step leaves it.

    Raises ``Refused``: ``CASE_TYPE_UNKNOWN``, or ``CASE_ILLEGAL`` where the step is no opening.
    """
    kind = types.get(entry.case_type)
    if kind is None:
        raise Refused(Reason.CASE_TYPE_UNKNOWN, "no declaration here has this digest")
    parties = dict(pair.split("=", 1) for pair in entry.parties if "=" in pair)
    if (entry.step, entry.event) != (0, OPEN) or parties.keys() != kind.roles.keys():
        raise _illegal("this step opens no case of its type")
    if parties[kind.opens] != entry.party:
        raise _illegal("only who may open it opens a case")
    first = Moved(0, entry.at, OPEN, entry.party, kind.start, None)
    return Standing(entry.case, kind, parties, (first,), first, reminded=False, late=False)


def moved(case: Standing, entry: Case) -> Standing:
    """A case after one more step. Raises ``Refused(CASE_ILLEGAL)`` and changes nothing."""
    if (entry.case, entry.case_type) != (case.id, case.type.digest):
        raise _illegal("the step is of another case")
    if entry.step != case.step + 1 or entry.parties:
        raise _illegal("the step does not follow the one before it")
    to = _to(case, entry)
    step = Moved(entry.step, entry.at, entry.event, entry.party, to, entry.concluded)
    history = (*case.history, step)
    if entry.event == REMIND:
        return replace(case, history=history, reminded=True)
    if entry.event == LATE and to == case.since.state:
        return replace(case, history=history, late=True)
    return replace(case, history=history, since=step, reminded=False, late=False)


def checked(case: Standing, name: str, party: str, offices: frozenset[str]) -> Act:
    """The act that a party may do now. Raises ``Refused``: ``CASE_ILLEGAL``, ``CASE_ROLE``."""
    act = next((a for a in case.state.acts if a.name == name), None)
    if act is None:
        possible = ", ".join(sorted(a.name for a in case.state.acts))
        raise Refused(
            Reason.CASE_ILLEGAL,
            f"A case in the state {case.state.name} has no act {name}.",
            state=case.state.name,
            possible=possible,
        )
    if case.parties[act.role] != party:
        raise Refused(Reason.CASE_ROLE, f"Only the {act.role} may {name}.", role=act.role)
    if act.office is not None and act.office not in offices:
        raise Refused(
            Reason.CASE_ROLE, f"Only a {act.office} of the {act.role} may {name}.", role=act.office
        )
    return act


def _to(case: Standing, entry: Case) -> str:
    """Where an event leads."""
    state, event = case.state, entry.event
    if state.ending is not None:
        raise _illegal("the case has ended")
    for act in state.acts:
        if act.name == event:
            if entry.concluded is not None or case.parties[act.role] != entry.party:
                raise _illegal(f"only the {act.role} may {event}")
            return act.to
    if event in (REMIND, LATE) and state.term is not None and not entry.concluded:
        if case.late or (event == REMIND and case.reminded):
            raise _illegal("the case was reminded of already")
        return state.name if event == REMIND else state.term.late or state.name
    to = None
    if state.send is not None and entry.party == case.parties[state.send.sender]:
        to = _answered(state.send, event, concluded=entry.concluded is not None)
    if to is None:
        raise _illegal(f"the state {state.name} knows no event {event}")
    return to


def _answered(send: Send, event: str, *, concluded: bool) -> str | None:
    """Where the end of the exchange leads that a state wanted; an answer is of an exchange."""
    for branch in send.answers:
        if branch.event == event and concluded:
            return branch.to
    return send.ends.get(event)


def read(entries: Iterable[Placed], origin: str, types: Mapping[str, CaseType]) -> Standing | None:
    """The case that the entries of one log tell; ``None`` where they open none that is known here.

    Total: whatever a peer wrote gives a case or none, and anomalies are counted.
    """
    case: Standing | None = None
    placed = [p for p in entries if isinstance(p.entry, Case) and p.position.origin == origin]
    for each in sorted(placed, key=lambda p: p.position.index):
        assert isinstance(each.entry, Case)
        try:
            case = opened(each.entry, types) if case is None else moved(case, each.entry)
        except Refused:
            if case is not None:
                case = replace(case, anomalies=case.anomalies + 1)
    return case


def wanted(case: Standing) -> Send | None:
    """The exchange that a case waits for."""
    return case.state.send


@dataclass(frozen=True, slots=True)
class Deadline:
    """What time brings, and when."""

    event: Literal["remind", "late"]
    at: str  # the first instant after the last day inside


def deadlines(case: Standing, application: Mapping[str, Any], due: DueDay) -> tuple[Deadline, ...]:
    """A reminder half-way, and the end of the term; what has happened already is left out.

    Terms are whole local days, last day inside.
    """
    term = case.state.term
    if term is None or case.late:
        return ()
    since = parse_instant(case.since.at)
    last = _last_day(term, since.astimezone(LOCAL).date(), application, due)
    if last is None:
        return ()
    end = datetime.combine(last + timedelta(days=1), time.min, LOCAL)
    found = [Deadline("late", instant(end.astimezone(since.tzinfo)))]
    half = since + (end - since) / 2
    if not case.reminded and half > since:
        found.insert(0, Deadline("remind", instant(half)))
    return tuple(found)


def _last_day(term: Term, begun: date, application: Mapping[str, Any], due: DueDay) -> date | None:
    if term.working_days is not None:
        return due(term.calendar, begun, term.working_days)
    year = at(application, term.year or "")
    if term.month_day is None or not isinstance(year, int):
        return None
    month, day = term.month_day
    try:
        return date(year, month, day)
    except ValueError:  # 29 February of a year that has none: the day before
        return date(year, month, day - 1)


def _illegal(why: str) -> Refused:
    return Refused(Reason.CASE_ILLEGAL, why)
