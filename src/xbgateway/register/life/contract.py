"""Contracts on provision and entrusting, and what proves an exemption."""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.instruments import Contract, Evidence
from xbgateway.register.life.machine import Event, Guard, Machine, Step, not_before, withdrawal
from xbgateway.register.life.terms import Due, Terms, reached

ROLES = ("compliance", "mo_data_controller")
_LAW = "PIPL Arts 21 and 23; NDSR Art 12; Law 8/2005 Art 15"
_SCOPE = ("purposes", "parties", "kinds", "terms", "subprocessors")


def _contract(one: Contract, today: str, _: Terms) -> str:
    terminated = reached(one.withdrawn_on, today)
    if terminated or (one.signed and one.expires_on is not None and one.expires_on < today):
        if reached(one.deletion_confirmed_on, today):
            return "returned"
        return "terminated" if terminated else "expired"
    if not one.signed:
        return "drafted"
    return "ahead" if one.effective_on > today else "in_force"


def _contract_deadlines(one: Contract, today: str, terms: Terms) -> Iterator[Due]:
    now = _contract(one, today, terms)
    due = partial(Due, one.kind, one.id)
    if now in ("ahead", "in_force") and one.expires_on is not None:
        yield due("expiry", one.expires_on, role="compliance", statute=_LAW)
    if now in ("expired", "terminated") and one.signed and one.type == "entrusting":
        ended = min(day for day in (one.withdrawn_on, one.expires_on) if day is not None)
        yield due("deletion", ended, role="data_officer", statute="PIPL Art 21")


def _ends_later(step: Step) -> bool:
    one = step.after
    return one.expires_on is None or one.effective_on <= one.expires_on


_ORDER = Guard("expires_on_order", "expires_on", "it does not end before it begins", _ends_later)
_event = partial(Event, roles=ROLES, statute=_LAW)

CONTRACT = Machine(
    "contract",
    "Contract on provision or entrusted processing",
    Contract,
    {
        "drafted": "Not signed",
        "ahead": "Signed; its first day has not come",
        "in_force": "In force",
        "expired": "Its last day is over",
        "terminated": "Ended early",
        "returned": "Over, and what was entrusted is returned or deleted",
    },
    _contract,
    (
        _event(
            "draft",
            "A contract is prepared",
            (),
            ("drafted",),
            must=("id", "type", "purposes", "parties", "effective_on"),
            may=("expires_on", "kinds", "terms", "subprocessors"),
            guards=(_ORDER,),
            sets={"signed": False},
        ),
        _event(
            "sign",
            "It is signed",
            ("drafted",),
            ("ahead", "in_force"),
            may=("effective_on", "expires_on"),
            guards=(_ORDER,),
            sets={"signed": True},
        ),
        _event(
            "amend",
            "Its scope, terms or approved sub-processors change",
            ("drafted", "ahead", "in_force"),
            (),
            may=_SCOPE,
        ),
        _event(
            "prolong",
            "It is prolonged",
            ("ahead", "in_force"),
            (),
            must=("expires_on",),
            guards=(_ORDER,),
        ),
        withdrawal(
            ("drafted", "ahead", "in_force"),
            ROLES,
            _LAW,
            name="terminate",
            to="terminated",
            title="It ends early, and from that day on is as none",
        ),
        _event(
            "confirm_return",
            "What was entrusted is returned or deleted",
            ("expired", "terminated"),
            ("returned",),
            on="deletion_confirmed_on",
            guards=(
                Guard(
                    "entrusted",
                    "type",
                    "it is a signed contract on entrusted processing",
                    lambda step: step.after.signed and step.after.type == "entrusting",
                ),
            ),
        ),
    ),
    _contract_deadlines,
    {
        "expiry": "The last day of the contract",
        "deletion": "What was entrusted is to be returned or deleted, at once",
    },
    {"kind": "contract"},
)


def _evidence(one: Evidence, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if one.since > today:
        return "ahead"
    return "expired" if one.until is not None and one.until < today else "valid"


def _evidence_deadlines(one: Evidence, today: str, terms: Terms) -> Iterator[Due]:
    if _evidence(one, today, terms) in ("ahead", "valid") and one.until is not None:
        yield Due(one.kind, one.id, "expiry", one.until, "compliance", _EXEMPTION)


_EXEMPTION = "CBDF Provisions Art 5"
EVIDENCE = Machine(
    "evidence",
    "Evidence of an exemption",
    Evidence,
    {
        "ahead": "Registered for a day that has not come",
        "valid": "It counts",
        "expired": "Its last day is over",
        "withdrawn": "No longer in use",
    },
    _evidence,
    (
        Event(
            "record",
            "What proves an exemption is recorded",
            (),
            ("valid",),
            ROLES,
            _EXEMPTION,
            must=("id", "type"),
            may=("until",),
            on="since",
        ),
        Event(
            "prolong",
            "It counts for longer, or less long",
            ("valid",),
            ("valid",),
            ROLES,
            _EXEMPTION,
            must=("until",),
            guards=(not_before("until", "since"),),
        ),
        withdrawal(("ahead", "valid", "expired"), ROLES, _EXEMPTION),
    ),
    _evidence_deadlines,
    {"expiry": "The last day on which it counts"},
    {"kind": "evidence"},
)
