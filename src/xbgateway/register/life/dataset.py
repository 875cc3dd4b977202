"""Datasets of the resource register: classification, objections and incidents, withdrawal."""

from functools import partial

from xbgateway.register.entries import Dataset
from xbgateway.register.life.machine import Event, Machine, not_before, nothing_due, withdrawal
from xbgateway.register.life.scenario import is_stopped
from xbgateway.register.life.terms import Terms, reached

OWNER = ("data_officer", "fss_data_officer")
CLASSIFYING = ("classification_officer", "fss_data_officer")
_LAW = "Zhuhai: registration of data resources"
_CLASS = (
    *("personal", "important", "important_notice_ref", "raw", "openness", "provincial"),
    *("min_age",),
)
_DESCRIPTION = ("title", "origin", "stored_in", "offshore", "collected_for", "sources")
_IN_USE = ("registered", "flagged")

_STATES = {
    "registered": "In use",
    "flagged": "Persons or secrets were found to be inferable: authorised operation stops",
    "suspended": "An objection, an incident or its quality stops it",
    "withdrawn": "No longer in use",
}


def _state(one: Dataset, today: str, _: Terms) -> str:
    if reached(one.withdrawn_on, today):
        return "withdrawn"
    if is_stopped(one, today):
        return "suspended"
    return "flagged" if one.inference_risk else "registered"


_event = partial(Event, statute=_LAW)
_EVENTS = (
    _event(
        "register",
        "A dataset is registered",
        (),
        ("registered",),
        OWNER,
        must=("id", "owner", "title"),
        may=("level", *_CLASS, *(one for one in _DESCRIPTION if one != "title"), "updated_on"),
    ),
    Event(
        "classify",
        "It is classified and graded",
        (*_IN_USE, "suspended"),
        (),
        CLASSIFYING,
        "DSL Art 21",
        must=("level",),
        may=_CLASS,
    ),
    _event(
        "amend", "Its description changes", (*_IN_USE, "suspended"), (), OWNER, may=_DESCRIPTION
    ),
    Event(
        "refresh",
        "Its data are brought up to date",
        (*_IN_USE, "suspended"),
        (),
        OWNER,
        "Law 8/2005 Art 5",
        on="updated_on",
    ),
    Event(
        "flag",
        "Persons or secrets are found to be inferable",
        ("registered", "suspended"),
        ("flagged", "suspended"),
        ("data_authority", *OWNER),
        "Hangzhou authorised operation plan (trial)",
        sets={"inference_risk": True},
    ),
    Event(
        "clear_flag",
        "Nothing can be inferred any more",
        ("flagged", "suspended"),
        ("registered", "suspended"),
        ("data_authority",),
        "Hangzhou authorised operation plan (trial)",
        sets={"inference_risk": False},
    ),
    Event(
        "suspend",
        "An objection, an incident or its quality stops it",
        _IN_USE,
        ("suspended",),
        OWNER,
        "Law 8/2005 Arts 11 and 12; PIPL Art 57",
        must=("suspension",),
        on="suspended_on",
        clears=("resumed_on",),
    ),
    Event(
        "resume",
        "What stopped it is settled",
        ("suspended",),
        _IN_USE,
        OWNER,
        "Law 8/2005 Arts 11 and 12; PIPL Art 57",
        on="resumed_on",
        clears=("suspension",),
        guards=(not_before("resumed_on", "suspended_on"),),
    ),
    withdrawal((*_IN_USE, "suspended"), OWNER, _LAW),
)

MACHINE = Machine("dataset", "Dataset", Dataset, _STATES, _state, _EVENTS, nothing_due)
