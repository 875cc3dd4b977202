"""What Macao's authority (DSPDP) is told or asked: transfers and automated processing."""

from collections.abc import Iterator
from functools import partial

from xbgateway.register.instruments import MoProcessing, MoTransfer
from xbgateway.register.life.machine import (
    Event,
    Guard,
    Machine,
    Step,
    given,
    nothing_due,
    withdrawal,
)
from xbgateway.register.life.terms import Due, Terms, reached

ROLES = ("mo_data_controller", "fss_data_officer")


# ---- ground of a transfer


def _transfer(one: MoTransfer, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if one.auth_no:
        return "authorised"
    return "notified" if one.notif_no and reached(one.notif_on, today) else "declared"


def _of_kind(kind: str, says: str) -> Guard:
    return Guard(
        "transfer_kind", "transfer_kind", says, lambda step: step.after.transfer_kind == kind
    )


_transfer_event = partial(Event, roles=ROLES)
MO_TRANSFER = Machine(
    "mo_transfer",
    "Ground of a transfer out of Macao",
    MoTransfer,
    {
        "declared": "A ground is named; the authority was neither told nor asked",
        "notified": "The authority was told (Art 20(1))",
        "authorised": "The authority allowed it (Art 20(2))",
        "withdrawn": "No longer in use",
    },
    _transfer,
    (
        _transfer_event(
            "declare",
            "The ground of a transfer is named",
            (),
            ("declared",),
            statute="Law 8/2005 Arts 19 and 20",
            must=("id", "transfer_kind"),
            may=("ground", "special", "special_law_ref"),
        ),
        _transfer_event(
            "notify",
            "The authority is told",
            ("declared",),
            ("notified",),
            statute="Law 8/2005 Art 20(1)",
            must=("notif_no",),
            may=("ground",),
            on="notif_on",
            guards=(
                _of_kind("art20_1", "the transfer rests on Art 20(1)"),
                given("ground", "the ground of Art 20(1) is named"),
            ),
        ),
        _transfer_event(
            "authorise",
            "The authority allows it",
            ("declared", "notified"),
            ("authorised",),
            statute="Law 8/2005 Art 20(2)",
            must=("auth_no",),
            guards=(_of_kind("art20_2_auth", "the transfer rests on Art 20(2)"),),
        ),
        _transfer_event(
            "cite_special_law",
            "The special law or agreement is cited",
            ("declared", "notified", "authorised"),
            (),
            statute="Law 8/2005 Art 20(3)",
            must=("special", "special_law_ref"),
        ),
        withdrawal(("declared", "notified", "authorised"), ROLES, "Law 8/2005 Art 20"),
    ),
    nothing_due,
    {},
    {"kind": "mo_transfer"},
)


# ---- automated processing

_UNTOLD = ("announced", "running", "overdue")
_TOLD = ("notified", "registered", "authorised", "lapsed")


def _processing(one: MoProcessing, today: str, terms: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "ended"
    if not (one.notif_no and reached(one.notif_on, today)):
        if one.started_on > today:
            return "announced"
        return "running" if today <= terms.last(one.started_on, "mo_notice_days") else "overdue"
    end = _registered_until(one, terms)
    if end is not None and end < today:
        return "lapsed"
    if one.auth_no:
        return "authorised"
    return "notified" if end is None else "registered"


def _registered_until(one: MoProcessing, terms: Terms) -> str | None:
    """The last day of the simplified registration, if there is one."""
    ends = [one.valid_until] if one.valid_until else []
    if one.registered_on:
        ends.append(terms.last(one.registered_on, "mo_registration_years"))
    return min(ends, default=None)


def _processing_deadlines(one: MoProcessing, today: str, terms: Terms) -> Iterator[Due]:
    now, end = _processing(one, today, terms), _registered_until(one, terms)
    due = partial(Due, one.kind, one.id, role=ROLES[0], statute="Law 8/2005 Art 21")
    if now in _UNTOLD:
        yield due("notification", terms.last(one.started_on, "mo_notice_days"))
    if end is not None and now in _TOLD:
        opens = terms.first(end, "mo_registration_warn_days")
        if today < opens:
            yield due("registration_opens", opens)
        yield due("registration", end)


def _registration(step: Step) -> bool:
    longest = step.terms.last(step.after.registered_on, "mo_registration_years")
    return bool(step.after.valid_until <= longest)


_processing_event = partial(Event, roles=ROLES, statute="Law 8/2005 Art 21")
MO_PROCESSING = Machine(
    "mo_processing",
    "Automated processing in Macao",
    MoProcessing,
    {
        "announced": "It begins on a later day",
        "running": "Begun; the authority is to be told within the days of the law",
        "overdue": "Begun, and the authority was not told in time: nothing moves",
        "notified": "The authority was told",
        "registered": "Told, with a simplified registration in force",
        "lapsed": "The simplified registration is over: nothing moves",
        "authorised": "Told, and allowed by the authority beforehand (Art 22)",
        "ended": "Processing has ended",
    },
    _processing,
    (
        _processing_event(
            "start",
            "Processing begins, or will",
            (),
            _UNTOLD,
            must=("id", "started_on"),
        ),
        _processing_event(
            "notify",
            "The authority is told",
            _UNTOLD,
            _TOLD,
            must=("notif_no",),
            on="notif_on",
        ),
        _processing_event(
            "register",
            "A simplified registration is given, or given again",
            _TOLD,
            ("registered", "authorised"),
            on="registered_on",
            guards=(
                Guard(
                    "registration_term",
                    "valid_until",
                    "it lasts no longer than the table's years (mo_registration_years)",
                    _registration,
                ),
            ),
            fills={
                "valid_until": lambda values, terms: terms.last(
                    values["registered_on"], "mo_registration_years"
                )
            },
        ),
        Event(
            "authorise",
            "The authority allows it beforehand",
            (*_UNTOLD, "notified", "registered"),
            (*_UNTOLD, "authorised"),
            ROLES,
            "Law 8/2005 Art 22",
            must=("auth_no",),
        ),
        withdrawal(
            (*_UNTOLD, *_TOLD),
            ROLES,
            "Law 8/2005 Art 21",
            name="end",
            to="ended",
            title="Processing ends",
        ),
    ),
    _processing_deadlines,
    {
        "notification": "The last day to tell the authority, mo_notice_days after the start",
        "registration_opens": "The first day to think of another registration",
        "registration": "The last day of the simplified registration",
    },
    {"kind": "mo_processing"},
)
