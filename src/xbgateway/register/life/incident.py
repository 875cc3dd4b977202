"""Security incidents: opened, reported, closed. While one is open nothing new moves where it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

from xbgateway.register.instruments import Incident
from xbgateway.register.life.machine import Event, Guard, Machine, not_before
from xbgateway.register.life.terms import Due, Terms, reached

ROLES = ("compliance", "pi_protection_officer", "mo_data_controller")
_LAW = "PIPL Art 57; GBA Standard Contract Guidelines Art 10"
_REPORT = "National Cybersecurity Incident Reporting Measures Art 4"
_WHERE = ("datasets", "parties", "mechanisms")
_LOCAL = timezone(timedelta(hours=8))  # both sides

_STATES = {
    "ahead": "Registered for a day that has not come",
    "open": "Open: nothing new moves where it strikes",
    "reported": "Open, and reported to the authority",
    "closed": "Closed",
}


def _state(one: Incident, today: str, _: Terms) -> str:
    if one.opened_on > today:
        return "ahead"
    if reached(one.closed_on, today):
        return "closed"
    return "reported" if reached(one.reported_on, today) else "open"


def _deadlines(one: Incident, today: str, terms: Terms) -> Iterator[Due]:
    now = _state(one, today, terms)
    due = partial(Due, one.kind, one.id)
    if now == "open" and one.severity != "ordinary":
        yield _report(one, terms)
    if now in ("open", "reported") and not reached(one.informed_on, today):
        yield due("informing", one.opened_on, role="pi_protection_officer", statute=_LAW)


def _report(one: Incident, terms: Terms) -> Due:
    """From a relatively major one on, within hours of finding it; without the hour, that day."""
    hours = terms.thresholds.get(f"incident_{one.operator}_hours")
    due = partial(Due, one.kind, one.id, "report", role="compliance", statute=_REPORT)
    if one.opened_at is None or hours is None:
        return due(one.opened_on)
    at = datetime.fromisoformat(one.opened_at) + timedelta(hours=hours)
    instant = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return due(at.astimezone(_LOCAL).date().isoformat(), due_at=instant)


_event = partial(Event, roles=ROLES, statute=_LAW)
_EVENTS = (
    _event(
        "open",
        "An incident is found",
        (),
        ("open",),
        must=("id", "severity"),
        may=("opened_at", "operator", *_WHERE),
        on="opened_on",
    ),
    _event(
        "reassess",
        "Its severity, or where it strikes, is seen differently",
        ("open", "reported"),
        (),
        may=("severity", *_WHERE),
    ),
    Event(
        "report",
        "The authority is told",
        ("open",),
        ("reported",),
        ROLES,
        _REPORT,
        on="reported_on",
        guards=(not_before("reported_on", "opened_on"),),
    ),
    _event(
        "inform",
        "The persons concerned are told",
        ("open", "reported"),
        (),
        on="informed_on",
        guards=(not_before("informed_on", "opened_on"),),
    ),
    _event(
        "close",
        "It is put right",
        ("open", "reported"),
        ("closed",),
        on="closed_on",
        guards=(
            not_before("closed_on", "opened_on"),
            Guard(
                "reported",
                "reported_on",
                "from a relatively major one on, the authority was told",
                lambda step: step.after.severity == "ordinary" or bool(step.after.reported_on),
            ),
        ),
    ),
    _event(
        "reopen",
        "It was not put right",
        ("closed",),
        ("open", "reported"),
        clears=("closed_on",),
    ),
)

MACHINE = Machine(
    "incident",
    "Security incident",
    Incident,
    _STATES,
    _state,
    _EVENTS,
    _deadlines,
    {
        "report": "The authority is told within the hours of the operator (incident_*_hours)",
        "informing": "The persons concerned are told, at once",
    },
    {"kind": "incident"},
)
