"""Parties: registration, powers, offices, the restricted list, suspension."""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.entries import Party
from xbgateway.register.life.machine import Event, Machine, not_before, withdrawal
from xbgateway.register.life.scenario import is_stopped
from xbgateway.register.life.terms import Due, Terms, reached

REGISTRAR = ("data_authority", "mo_data_controller")
COMPLIANCE = ("compliance",)
REPORTING = ("data_officer", "mo_data_controller")
_LAW = "PIPL Arts 33 and 34; Law 8/2005 Art 5"
_DESCRIPTION = (
    *("name", "region", "kind", "role", "registered_in_gba", "state_organ", "ciio"),
    *("central_organ", "persons_held", "security_officer", "designated_on", "child_rules_ref"),
    *("controls", "subprocessors", "free_trade_zone", "on_platform", "auditor"),
)
_NEEDED = ("name", "region", "kind", "role", "registered_in_gba", "state_organ", "ciio")
_IN_USE = ("registered", "restricted")

_STATES = {
    "registered": "In use",
    "restricted": "On the restricted list: no personal information is provided to it",
    "suspended": "It takes part in nothing until it is resumed",
    "withdrawn": "No longer in use; its id is not given again",
}


def _state(one: Party, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if is_stopped(one, today):
        return "suspended"
    return "restricted" if one.restricted_list else "registered"


def _deadlines(one: Party, today: str, terms: Terms) -> Iterator[Due]:
    """The annual report follows the last one: whoever never gave one has none to follow."""
    if _state(one, today, terms) in _IN_USE and reached(one.annual_report_on, today):
        assert one.annual_report_on is not None
        last = terms.last(one.annual_report_on, "report_months")
        role = "mo_data_controller" if one.jurisdiction == "MO" else "data_officer"
        yield Due("party", one.id, "annual_report", last, role, "NDSR Art 33; Law 13/2019")


_event = partial(Event, statute=_LAW)
_EVENTS = (
    _event(
        "register",
        "An institution is registered",
        (),
        ("registered",),
        REGISTRAR,
        must=("id", "node", "jurisdiction", *_NEEDED),
        may=("powers", *(one for one in _DESCRIPTION if one not in _NEEDED)),
        sets={"restricted_list": False},
    ),
    _event(
        "set_powers",
        "Its statutory powers change: all purposes that it has from now on",
        _IN_USE,
        (),
        REGISTRAR,
        must=("powers",),
    ),
    _event(
        "set_offices",
        "The offices change that its tokens may claim",
        _IN_USE,
        (),
        ("cdo", "mo_data_controller"),
        must=("officer_roles",),
    ),
    _event(
        "amend",
        "Its description changes",
        (*_IN_USE, "suspended"),
        (),
        REGISTRAR,
        may=_DESCRIPTION,
    ),
    Event(
        "report_year",
        "The annual report",
        _IN_USE,
        (),
        REPORTING,
        "NDSR Art 33; Law 13/2019",
        on="annual_report_on",
    ),
    Event(
        "restrict",
        "It is put on the restricted list",
        ("registered", "suspended"),
        ("restricted", "suspended"),
        COMPLIANCE,
        "PIPL Art 42",
        sets={"restricted_list": True},
    ),
    Event(
        "lift_restriction",
        "It is taken off the restricted list",
        ("restricted", "suspended"),
        ("registered", "suspended"),
        COMPLIANCE,
        "PIPL Art 42",
        sets={"restricted_list": False},
    ),
    _event(
        "suspend",
        "It is suspended",
        _IN_USE,
        ("suspended",),
        REGISTRAR,
        on="suspended_on",
        clears=("resumed_on",),
    ),
    _event(
        "resume",
        "It takes part again",
        ("suspended",),
        _IN_USE,
        REGISTRAR,
        on="resumed_on",
        guards=(not_before("resumed_on", "suspended_on"),),
    ),
    withdrawal((*_IN_USE, "suspended"), REGISTRAR, _LAW),
)

MACHINE = Machine(
    "party",
    "Party",
    Party,
    _STATES,
    _state,
    _EVENTS,
    _deadlines,
    {"annual_report": "Report, report_months after the last one"},
)
