"""Register records and their lives on days as text, under the real tables."""

from datetime import date
from functools import cache
from typing import Any

from tests.harness.facts import policy_files

from xbgateway.core import terms_of
from xbgateway.model.errors import Refused
from xbgateway.policy.revision import Revision, load_revision
from xbgateway.register.life import Due, Terms, advance, deadlines, state_of
from xbgateway.register.values import Record


@cache
def revision() -> Revision:
    return load_revision(policy_files())


@cache
def terms(day: str) -> Terms:
    return terms_of(revision().tables, date.fromisoformat(day))


def after(kind: str, record: Record | None, event: str, day: str, /, **given: object) -> Any:
    """The record after an event that is recorded on ``day``."""
    return advance(kind, record, event, given, date.fromisoformat(day), terms(day))


def state(record: Record, day: str) -> str:
    return state_of(record, date.fromisoformat(day), terms(day))


def due(record: Record, day: str) -> dict[str, str]:
    """What is open on ``day``, by name."""
    return {one.what: one.due_on for one in dues(record, day)}


def dues(record: Record, day: str) -> tuple[Due, ...]:
    return deadlines(record, date.fromisoformat(day), terms(day))


def refusal(kind: str, record: Record | None, event: str, day: str, /, **given: object) -> Refused:
    """How an event is refused."""
    try:
        after(kind, record, event, day, **given)
    except Refused as error:
        return error
    raise AssertionError(f"{event} was not refused")
