"""Scenarios (one scenario, one list, one review) and applications for data in them."""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.entries import Scenario
from xbgateway.register.instruments import Application
from xbgateway.register.life.machine import (
    Event,
    Guard,
    Machine,
    Step,
    not_before,
    nothing_due,
    withdrawal,
)
from xbgateway.register.life.terms import Due, Terms, reached

ASKING = ("data_officer", "fss_data_officer")
DECIDING = ("cdo", "mo_data_controller")
REVIEWING = ("expert_committee", "mo_data_controller")
_LAW = "Zhuhai: authorise by application and by scenario"
_CONTENT = ("purposes", "datasets", "services", "callers", "providers", "request", "answer")


def is_stopped(one: object, today: str) -> bool:
    """Whether a record with the fields of a suspension is suspended on a day."""
    suspended, resumed = getattr(one, "suspended_on", None), getattr(one, "resumed_on", None)
    return reached(suspended, today) and not reached(resumed, today)


def _scenario(one: Scenario, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if one.applied_on is not None and not reached(one.listed_on, today):
        return "reviewed" if reached(one.reviewed_on, today) else "applied"
    return "suspended" if is_stopped(one, today) else "listed"


def _has_list(step: Step) -> bool:
    one = step.after
    return all((one.purposes, one.datasets, one.services, one.callers, one.providers))


_ONE_LIST = Guard(
    "one_list", "datasets", "it lists purposes, datasets, services and both sides", _has_list
)
_scenario_event = partial(Event, statute=_LAW)
SCENARIO = Machine(
    "scenario",
    "Scenario",
    Scenario,
    {
        "applied": "Applied for, or changed: not reviewed yet, and nothing moves",
        "reviewed": "Reviewed; nothing moves until it is listed",
        "listed": "In use",
        "suspended": "Nothing moves until it is resumed",
        "withdrawn": "No longer in use",
    },
    _scenario,
    (
        _scenario_event(
            "apply",
            "A scenario is applied for",
            (),
            ("applied",),
            ASKING,
            must=("id", "title", *_CONTENT),
            may=("priority",),
            on="applied_on",
        ),
        _scenario_event(
            "review",
            "Its list is reviewed",
            ("applied",),
            ("reviewed",),
            REVIEWING,
            on="reviewed_on",
            guards=(_ONE_LIST, not_before("reviewed_on", "applied_on")),
        ),
        _scenario_event(
            "list",
            "It is listed",
            ("reviewed",),
            ("listed",),
            DECIDING,
            on="listed_on",
            clears=("suspended_on", "resumed_on"),
            guards=(not_before("listed_on", "reviewed_on"),),
        ),
        _scenario_event(
            "amend",
            "It changes: reviewed and listed anew",
            ("applied", "reviewed", "listed"),
            ("applied",),
            ASKING,
            may=("title", "priority", *_CONTENT),
            on="applied_on",
            clears=("reviewed_on", "listed_on"),
        ),
        _scenario_event(
            "suspend",
            "It is suspended",
            ("listed",),
            ("suspended",),
            DECIDING,
            on="suspended_on",
            clears=("resumed_on",),
        ),
        _scenario_event(
            "resume",
            "It is resumed",
            ("suspended",),
            ("listed",),
            DECIDING,
            on="resumed_on",
            guards=(not_before("resumed_on", "suspended_on"),),
        ),
        withdrawal(("applied", "reviewed", "listed", "suspended"), DECIDING, _LAW),
    ),
    nothing_due,
)


def _application(one: Application, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "revoked"
    if reached(one.approved_on, today):
        over = one.valid_until is not None and one.valid_until < today
        return "expired" if over else "approved"
    return "rejected" if reached(one.rejected_on, today) else "applied"


def _application_deadlines(one: Application, today: str, terms: Terms) -> Iterator[Due]:
    now = _application(one, today, terms)
    due = partial(Due, one.kind, one.id, statute=_LAW)
    if now == "applied" and one.applied_on is not None:
        yield due("decision", terms.last(one.applied_on, "case_working_days"), role="cdo")
    if now == "approved" and one.valid_until is not None:
        yield due("expiry", one.valid_until, role="data_officer")


_application_event = partial(Event, statute=_LAW)
APPLICATION = Machine(
    "application",
    "Application for data in a scenario",
    Application,
    {
        "applied": "To be decided",
        "rejected": "Rejected",
        "approved": "Approved: these recipients may have these datasets in this scenario",
        "expired": "Its last day is over",
        "revoked": "The approval was taken back",
    },
    _application,
    (
        _application_event(
            "apply",
            "Data are applied for",
            (),
            ("applied",),
            ASKING,
            must=("id", "scenario", "datasets", "recipients"),
            on="applied_on",
        ),
        _application_event(
            "approve",
            "It is approved",
            ("applied",),
            ("approved",),
            DECIDING,
            may=("valid_until",),
            on="approved_on",
            guards=(not_before("approved_on", "applied_on"),),
        ),
        _application_event(
            "reject",
            "It is rejected",
            ("applied",),
            ("rejected",),
            DECIDING,
            on="rejected_on",
            guards=(not_before("rejected_on", "applied_on"),),
        ),
        _application_event(
            "renew",
            "The approval is given for longer",
            ("approved", "expired"),
            ("approved",),
            DECIDING,
            must=("valid_until",),
        ),
        withdrawal(
            ("approved", "expired"),
            DECIDING,
            _LAW,
            name="revoke",
            to="revoked",
            title="The approval is taken back, and from that day on is as none",
        ),
    ),
    _application_deadlines,
    {
        "decision": "The last day to decide, case_working_days after the application",
        "expiry": "The last day of the approval",
    },
    {"kind": "application"},
)
