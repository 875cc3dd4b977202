"""Consents: given, narrowed, withdrawn, and what was held under them deleted.

A record names no person: it is the reference under which the institution keeps the consent.
"""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.instruments import Consent
from xbgateway.register.life.machine import Event, Guard, Machine, Step, not_before
from xbgateway.register.life.terms import Due, Terms, reached

ROLES = ("case_officer", "fss_data_officer")

_STATES = {
    "ahead": "Registered for a day that has not come",
    "given": "In force",
    "expired": "Its last day is over",
    "withdrawn": "Withdrawn; what is held under it is to be deleted",
    "settled": "Withdrawn, and deletion is confirmed",
}


def _state(one: Consent, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "settled" if reached(one.deletion_confirmed_on, today) else "withdrawn"
    if one.given_on > today:
        return "ahead"
    return "expired" if one.expires_on is not None and one.expires_on < today else "given"


def _deadlines(one: Consent, today: str, terms: Terms) -> Iterator[Due]:
    now = _state(one, today, terms)
    due = partial(Due, one.kind, one.id)
    if now in ("ahead", "given") and one.expires_on is not None:
        yield due("expiry", one.expires_on, role="case_officer", statute="PIPL Art 14")
    if now == "withdrawn" and one.withdrawn_on is not None:
        last = terms.last(one.withdrawn_on, "withdrawal_deletion_working_days")
        yield due("deletion", last, role="data_officer", statute="PIPL Arts 15 and 47")


def _is_narrower(step: Step) -> bool:
    before, after = step.before, step.after
    kinds = before.kinds is None or (
        after.kinds is not None and set(after.kinds) <= set(before.kinds)
    )
    return (
        kinds
        and set(after.purposes) <= set(before.purposes)
        and set(after.recipients) <= set(before.recipients)
    )


_EVENTS = (
    Event(
        "give",
        "A person, or a guardian, consents",
        (),
        ("given",),
        ROLES,
        "PIPL Arts 14, 23, 29 and 31; Law 8/2005 Art 6",
        must=("id", "consent_kind", "purposes", "recipients"),
        may=("kinds", "expires_on", "child", "guardian_ref"),
        on="given_on",
        guards=(
            Guard(
                "guardian",
                "consent_kind",
                "a guardian consents for whoever is under 14",
                lambda step: not step.after.child or step.after.consent_kind == "guardian",
            ),
            Guard(
                "guardianship",
                "guardian_ref",
                "guardianship was proven where a guardian consents, and only there",
                lambda step: (
                    (step.after.consent_kind == "guardian") == bool(step.after.guardian_ref)
                ),
            ),
        ),
    ),
    Event(
        "narrow",
        "It is withdrawn in part: fewer purposes, recipients or kinds of data",
        ("given",),
        (),
        ROLES,
        "PIPL Art 15",
        may=("purposes", "recipients", "kinds", "expires_on"),
        guards=(
            Guard(
                "narrower",
                "purposes",
                "nothing is added; more needs a fresh consent",
                _is_narrower,
            ),
        ),
    ),
    Event(
        "withdraw",
        "It is withdrawn; what was done before stays lawful",
        ("ahead", "given", "expired"),
        ("withdrawn",),
        ROLES,
        "PIPL Art 15; Law 8/2005 Art 6",
        on="withdrawn_on",
    ),
    Event(
        "confirm_deletion",
        "What was held under it is deleted",
        ("withdrawn",),
        ("settled",),
        ("data_officer", "fss_data_officer"),
        "PIPL Art 47",
        on="deletion_confirmed_on",
        guards=(not_before("deletion_confirmed_on", "withdrawn_on"),),
    ),
)

MACHINE = Machine(
    "consent",
    "Consent",
    Consent,
    _STATES,
    _state,
    _EVENTS,
    _deadlines,
    {
        "expiry": "The last day of the consent",
        "deletion": "What was held under it is deleted, withdrawal_deletion_working_days later",
    },
    {"kind": "consent"},
)
