"""Notices and assessments: what persons are told, and what is examined before data move."""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.instruments import Notice, Pipia, RiskAssessment, StateAssessment
from xbgateway.register.life.machine import Event, Guard, Machine, Step, nothing_due, withdrawal
from xbgateway.register.life.terms import Due, Terms, reached

PROTECTION = ("pi_protection_officer",)
COMPLIANCE = ("compliance",)
TELLING = ("pi_protection_officer", "mo_data_controller")
_NOTICE = "PIPL Arts 17, 30 and 39; Law 8/2005 Art 10"
_SCOPE = ("purposes", "recipients", "kinds")


# ---- notice


def _notice(one: Notice, today: str, _: Terms) -> str:
    return "withdrawn" if reached(one.withdrawn_on, today) else "issued"


def _tells_something(step: Step) -> bool:
    one = step.after
    return bool(one.items or one.exempt_cn_ref or one.exempt_mo_ref)


_TELLS = Guard(
    "tells", "items", "it tells something, or names the law that spares it", _tells_something
)
NOTICE = Machine(
    "notice",
    "Notice to the persons concerned",
    Notice,
    {"issued": "In use", "withdrawn": "No longer in use"},
    _notice,
    (
        Event(
            "issue",
            "A notice is issued, or the provision that spares it is cited",
            (),
            ("issued",),
            TELLING,
            _NOTICE,
            must=("id", "items"),
            may=("exempt_cn_ref", "exempt_mo_ref"),
            on="issued_on",
            guards=(_TELLS,),
        ),
        Event(
            "amend",
            "What is told changes",
            ("issued",),
            (),
            TELLING,
            _NOTICE,
            may=("items", "exempt_cn_ref", "exempt_mo_ref"),
            guards=(_TELLS,),
        ),
        withdrawal(("issued",), TELLING, _NOTICE),
    ),
    nothing_due,
    {},
    {"kind": "notice"},
)


# ---- impact assessment


def _pipia(one: Pipia, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        kept = one.keep_until is None or today <= one.keep_until
        return "withdrawn" if kept else "disposable"
    return "approved" if reached(one.approved_on, today) else "drafted"


def _pipia_deadlines(one: Pipia, today: str, terms: Terms) -> Iterator[Due]:
    kept = _pipia(one, today, terms) in ("approved", "withdrawn")
    if kept and one.keep_until is not None and today <= one.keep_until:
        yield Due(one.kind, one.id, "keeping", one.keep_until, PROTECTION[0], "PIPL Art 56")


def _keeps(step: Step) -> bool:
    least = step.terms.last(step.after.approved_on, "pipia_keep_years")
    return bool(least) and least <= step.after.keep_until


PIPIA = Machine(
    "pipia",
    "Impact assessment on personal information",
    Pipia,
    {
        "drafted": "In preparation, or changed and not approved again; for the law there is none",
        "approved": "Approved",
        "withdrawn": "No longer in use; it is kept",
        "disposable": "The time to keep it is over",
    },
    _pipia,
    (
        Event(
            "draft",
            "An assessment is prepared",
            (),
            ("drafted",),
            PROTECTION,
            "PIPL Art 55",
            must=("id", "purposes", "recipients"),
            may=("kinds",),
        ),
        Event(
            "approve",
            "It is approved",
            ("drafted",),
            ("approved",),
            PROTECTION,
            "PIPL Arts 55 and 56",
            on="approved_on",
            guards=(
                Guard(
                    "kept",
                    "keep_until",
                    "it is kept for at least the table's years (pipia_keep_years)",
                    _keeps,
                ),
            ),
            fills={
                "keep_until": lambda values, terms: terms.last(
                    values["approved_on"], "pipia_keep_years"
                )
            },
        ),
        Event(
            "revise",
            "Its scope changes; it has to be approved again",
            ("drafted", "approved"),
            ("drafted",),
            PROTECTION,
            "PIPL Art 55",
            may=_SCOPE,
            clears=("approved_on", "keep_until"),
        ),
        withdrawal(("drafted", "approved"), PROTECTION, "PIPL Art 55"),
    ),
    _pipia_deadlines,
    {"keeping": "The last day on which it has to be kept"},
    {"kind": "pipia"},
)


# ---- assessment of a state organ


def _own(one: StateAssessment, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if one.valid_until is None:
        return "drafted"
    return "expired" if one.valid_until < today else "approved"


def _own_deadlines(one: StateAssessment, today: str, terms: Terms) -> Iterator[Due]:
    if _own(one, today, terms) == "approved" and one.valid_until is not None:
        yield Due(one.kind, one.id, "expiry", one.valid_until, COMPLIANCE[0], "PIPL Art 36")


_own_event = partial(Event, roles=COMPLIANCE, statute="PIPL Art 36")
STATE_ASSESSMENT = Machine(
    "state_assessment",
    "Security assessment of a state organ",
    StateAssessment,
    {
        "drafted": "In preparation; for the law there is none",
        "approved": "In force",
        "expired": "Its last day is over",
        "withdrawn": "No longer in use",
    },
    _own,
    (
        _own_event(
            "draft",
            "An assessment is prepared",
            (),
            ("drafted",),
            must=("id", "purposes", "recipients"),
            may=("kinds",),
        ),
        _own_event("approve", "It is approved", ("drafted",), ("approved",), must=("valid_until",)),
        _own_event(
            "renew",
            "It is made again",
            ("approved", "expired"),
            ("approved",),
            must=("valid_until",),
        ),
        _own_event(
            "revise",
            "Its scope changes; it has to be approved again",
            ("drafted", "approved", "expired"),
            ("drafted",),
            may=_SCOPE,
            clears=("valid_until",),
        ),
        withdrawal(("drafted", "approved", "expired"), COMPLIANCE, "PIPL Art 36"),
    ),
    _own_deadlines,
    {"expiry": "The last day of the assessment"},
    {"kind": "state_assessment"},
)


# ---- risk assessment


def _risk(one: RiskAssessment, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    return "assessed" if one.assessed_on <= today else "ahead"


RISK_ASSESSMENT = Machine(
    "risk_assessment",
    "Risk assessment on important data",
    RiskAssessment,
    {
        "ahead": "Registered for a day that has not come",
        "assessed": "Made",
        "withdrawn": "No longer in use",
    },
    _risk,
    (
        Event(
            "assess",
            "The risk is assessed",
            (),
            ("assessed",),
            COMPLIANCE,
            "NDSR Art 31",
            must=("id",),
            on="assessed_on",
        ),
        Event(
            "repeat",
            "It is made again",
            ("assessed",),
            ("assessed",),
            COMPLIANCE,
            "NDSR Art 31",
            on="assessed_on",
        ),
        withdrawal(("ahead", "assessed"), COMPLIANCE, "NDSR Art 31"),
    ),
    nothing_due,
    {},
    {"kind": "risk_assessment"},
)
