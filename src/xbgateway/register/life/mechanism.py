"""Transfer mechanisms: contracts and their filing clock, assessments, certificates, exemptions."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from xbgateway.register.instruments import Mechanism
from xbgateway.register.life.machine import Event, Guard, Machine, Step, given, withdrawal
from xbgateway.register.life.terms import Due, Terms, reached

CONTRACTS = ("gba_sc", "cn_sc")
ASSESSED = {"security_assessment": "assessment_years", "certification": "certification_years"}
ROLES = ("compliance", "mo_data_controller")
_ASSESSMENT = "CBDF Provisions Art 9; PI Export Certification Measures"
_CONTRACT = "GBA Standard Contract Guidelines; Standard Contract Measures Art 7"
_SCOPE = ("purposes", "parties", "kinds", "modes", "storage", "max_subjects", "pipia_ref")

_STATES = {
    "drafted": "In preparation; nothing rests on it",
    "claimed": "An exemption is claimed; the rules ask for its facts",
    "signed": "Signed; its first day has not come",
    "unfiled": "In effect, to be filed within the window",
    "overdue": "In effect, and the window to file is over: nothing moves until it is filed",
    "filed": "In effect and filed",
    "approved": "The assessment was passed, or the certificate given",
    "expired": "Its last day, or the years that the law gives it, are over",
    "terminated": "Ended early",
}


def _state(one: Mechanism, today: str, terms: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "terminated"
    end = _end(one, terms)
    if end is not None and end < today:
        return "expired"
    if one.type == "exempt":
        return "claimed"
    if one.type in CONTRACTS:
        return _contract(one, today, terms)
    return "approved" if reached(one.approved_on, today) else "drafted"


def _contract(one: Mechanism, today: str, terms: Terms) -> str:
    if not one.signed:
        return "drafted"
    if not reached(one.effective_on, today):
        return "signed"
    if one.filing_no and (one.filed_on is None or reached(one.filed_on, today)):
        return "filed"
    return "unfiled" if today <= _filing_ends(one, terms) else "overdue"


def _end(one: Mechanism, terms: Terms) -> str | None:
    """The last day: its own, or that of the years that an assessment or certificate lasts."""
    ends = [one.expires_on] if one.expires_on else []
    if one.type in ASSESSED and one.approved_on:
        ends.append(terms.last(one.approved_on, ASSESSED[one.type]))
    return min(ends, default=None)


def _filing_ends(one: Mechanism, terms: Terms) -> str:
    """By the calendar of the authority named; of both, the earlier, where none is."""
    assert one.effective_on is not None
    if one.type == "cn_sc":
        return terms.last(one.effective_on, "cn_filing_working_days", "CN")
    sides = ("CN", "MO") if one.authority is None else (one.authority,)
    return min(terms.last(one.effective_on, "filing_working_days", side) for side in sides)


def _deadlines(one: Mechanism, today: str, terms: Terms) -> Iterator[Due]:
    now, end = _state(one, today, terms), _end(one, terms)
    role = "mo_data_controller" if one.authority == "MO" else "compliance"
    due = partial(Due, one.kind, one.id, role=role)
    if now in ("unfiled", "overdue"):
        yield due("filing", _filing_ends(one, terms), statute=_CONTRACT)
    if end is None or now in ("expired", "terminated", "drafted"):
        return
    yield due("expiry", end, statute="PIPL Art 38")
    if one.type == "security_assessment" and not reached(one.extension_filed_on, today):
        opens = terms.first(end, "assessment_extension_working_days")
        if today < opens:
            yield due("extension_opens", opens, statute="CBDF Provisions Art 9")
        yield due("extension", end, statute="CBDF Provisions Art 9")


def _type_in(types: Any, says: str) -> Guard:
    return Guard("type", "type", says, lambda step: step.after.type in types)


_IS_CONTRACT = _type_in(CONTRACTS, "it is a standard contract")
_IS_ASSESSED = _type_in(ASSESSED, "it is an assessment or a certificate")
_DRAFTABLE = _type_in((*CONTRACTS, *ASSESSED), "an exemption is claimed, not drafted")
_ENDS_LATER = Guard(
    "expires_on_order",
    "expires_on",
    "it does not end before it begins",
    lambda step: step.after.effective_on <= step.after.expires_on,
)


def _lasts(step: Step) -> bool:
    one = step.after
    return bool(one.expires_on <= step.terms.last(one.approved_on, ASSESSED[one.type]))


_VALIDITY = Guard(
    "validity",
    "expires_on",
    "it lasts no longer than the table's years (assessment_years, certification_years)",
    _lasts,
)


def _extension_is_open(step: Step) -> bool:
    end = _end(step.after, step.terms)
    opens = step.terms.first(end, "assessment_extension_working_days") if end else ""
    return bool(opens) and opens <= step.after.extension_filed_on


_EVENTS = (
    Event(
        "draft",
        "A contract, assessment or certification is prepared",
        (),
        ("drafted",),
        ROLES,
        "PIPL Art 38",
        must=("id", "type", "purposes", "parties"),
        may=("kinds", "modes", "storage", "max_subjects", "pipia_ref", "authority"),
        guards=(_DRAFTABLE,),
        sets={"signed": False},
    ),
    Event(
        "claim_exemption",
        "An exemption is claimed",
        (),
        ("claimed",),
        ROLES,
        "CBDF Provisions Arts 3-6; NDSR Art 35",
        must=("id", "exempt_art", "purposes", "parties"),
        may=("evidence_ref", "effective_on", "expires_on", "kinds"),
        sets={"signed": False, "type": "exempt"},
    ),
    Event(
        "sign",
        "A standard contract is signed",
        ("drafted",),
        ("signed", "unfiled", "overdue"),
        ROLES,
        _CONTRACT,
        must=("effective_on", "expires_on"),
        may=("pipia_ref", "authority"),
        guards=(
            _IS_CONTRACT,
            given("pipia_ref", "there is an impact assessment before the transfer"),
            _ENDS_LATER,
        ),
        sets={"signed": True},
    ),
    Event(
        "file",
        "A contract is filed with the authority",
        ("unfiled", "overdue"),
        ("filed",),
        ROLES,
        _CONTRACT,
        must=("filing_no",),
        on="filed_on",
    ),
    Event(
        "supplement",
        "A contract's scope changes: it counts from its new first day and is filed again",
        ("signed", "unfiled", "overdue", "filed"),
        ("signed", "unfiled", "overdue"),
        ROLES,
        "GBA Standard Contract Guidelines",
        must=("effective_on",),
        may=(*_SCOPE, "expires_on"),
        guards=(_ENDS_LATER,),
        clears=("filed_on", "filing_no"),
    ),
    Event(
        "approve",
        "The assessment is passed, or the certificate given",
        ("drafted",),
        ("approved",),
        ROLES,
        _ASSESSMENT,
        must=("expires_on",),
        may=("filing_no", *_SCOPE),
        on="approved_on",
        guards=(_IS_ASSESSED, _VALIDITY),
        sets={"signed": True},
        fills={"effective_on": lambda values, _: str(values["approved_on"])},
    ),
    Event(
        "file_extension",
        "More years are applied for",
        ("approved",),
        (),
        ROLES,
        "CBDF Provisions Art 9",
        on="extension_filed_on",
        guards=(
            _type_in(("security_assessment",), "it is a security assessment"),
            Guard(
                "window",
                "extension_filed_on",
                "the working days before its end have begun (assessment_extension_working_days)",
                _extension_is_open,
            ),
        ),
    ),
    Event(
        "extend",
        "More years are given",
        ("approved",),
        ("approved",),
        ROLES,
        "CBDF Provisions Art 9",
        must=("expires_on",),
        on="approved_on",
        guards=(
            Guard(
                "extension_filed",
                "extension_filed_on",
                "the extension was applied for",
                lambda step: reached(step.before.extension_filed_on, step.today),
            ),
            _VALIDITY,
        ),
        clears=("extension_filed_on",),
    ),
    withdrawal(
        ("drafted", "claimed", "signed", "unfiled", "overdue", "filed", "approved"),
        ROLES,
        "PIPL Art 38",
        name="terminate",
        to="terminated",
        title="It ends early, and from that day on is as none",
    ),
)

MACHINE = Machine(
    "mechanism",
    "Transfer mechanism",
    Mechanism,
    _STATES,
    _state,
    _EVENTS,
    _deadlines,
    {
        "filing": "The last day of the filing window, by the calendar of the authority",
        "expiry": "The last day of the mechanism",
        "extension_opens": "The first day to apply for more years of an assessment",
        "extension": "The last day to apply for them",
    },
    {"kind": "mechanism"},
)
