"""How an agreement ends: breach, revocation, exit, access closed, deletion confirmed, logs kept.

The events of ``agreement_states.py`` after those of ``agreement_operation.py``.
"""

from collections.abc import Mapping
from typing import Any

from xbgateway.register.life.agreement_operation import AUTHORITY
from xbgateway.register.life.agreement_states import (
    IN_FORCE,
    OPERATING,
    OVER,
    PLAN,
    STOPPED,
    end_of,
)
from xbgateway.register.life.machine import Event, Guard, Step, not_before
from xbgateway.register.life.terms import Terms


def _end_by_revocation(values: Mapping[str, Any], _: Terms) -> str:
    """Whoever is revoked has left, if not on an earlier day."""
    revoked: str = values["revoked_on"]
    announced: str | None = values["exit_on"]
    return revoked if announced is None else min(revoked, announced)


def _logs(values: Mapping[str, Any], terms: Terms) -> str:
    return terms.last(values["access_closed_on"], "ao_log_days")


def _keeps_logs(step: Step) -> bool:
    least = step.terms.last(step.after.access_closed_on, "ao_log_days")
    return bool(least) and least <= step.after.logs_kept_until


BREACH = (
    Event(
        "suspend",
        "Breach: use of the platform is suspended",
        (*OPERATING, "leaving"),
        ("suspended",),
        AUTHORITY,
        PLAN,
        must=("rectify_by",),
        on="suspended_on",
        clears=("cleared_on",),
        guards=(
            not_before("suspended_on", "signed_on"),
            not_before("rectify_by", "suspended_on"),
        ),
    ),
    Event(
        "rectify",
        "It was put right; use goes on",
        STOPPED,
        (*OPERATING, "leaving"),
        AUTHORITY,
        PLAN,
        on="cleared_on",
        guards=(
            not_before("cleared_on", "suspended_on"),
            Guard(
                "rectified_in_time",
                "cleared_on",
                "it was put right within the agreed period",
                lambda step: (
                    step.after.rectify_by is None or step.after.cleared_on <= step.after.rectify_by
                ),
            ),
        ),
    ),
    Event(
        "revoke",
        "Not put right in time: revoked",
        ("overdue",),
        ("revoked",),
        AUTHORITY,
        PLAN,
        may=("revocation_ref",),
        on="revoked_on",
        guards=(
            Guard(
                "rectification_over",
                "revoked_on",
                "the agreed period was over",
                lambda step: step.after.rectify_by < step.after.revoked_on,
            ),
        ),
        fills={"exit_on": _end_by_revocation},
    ),
    Event(
        "revoke_for_illegality",
        "Revoked for another illegality",
        IN_FORCE,
        ("revoked",),
        AUTHORITY,
        PLAN,
        must=("revocation_ref",),
        on="revoked_on",
        guards=(not_before("revoked_on", "signed_on"),),
        fills={"exit_on": _end_by_revocation},
    ),
)

EXIT = (
    Event(
        "announce_exit",
        "An early end is requested and agreed",
        OPERATING,
        ("leaving", "trial_over", "exited"),
        AUTHORITY,
        PLAN,
        must=("exit_on",),
        guards=(
            Guard(
                "exit_ahead",
                "exit_on",
                "the end does not lie in the past",
                lambda step: step.today <= step.after.exit_on,
            ),
        ),
    ),
    Event(
        "close_access",
        "Rights on the platform are closed",
        OVER,
        ("access_closed",),
        AUTHORITY,
        PLAN,
        on="access_closed_on",
        guards=(
            Guard(
                "after_the_end",
                "access_closed_on",
                "the agreement had come to its end",
                lambda step: end_of(step.after, step.terms) <= step.after.access_closed_on,
            ),
            Guard(
                "logs_kept",
                "logs_kept_until",
                "logs are kept for at least the table's days (ao_log_days)",
                _keeps_logs,
            ),
        ),
        fills={"logs_kept_until": _logs},
    ),
    Event(
        "confirm_deletion",
        "The operator's data on the platform are deleted",
        ("access_closed",),
        ("deleted", "closed"),
        AUTHORITY,
        PLAN,
        on="deletion_confirmed_on",
        guards=(not_before("deletion_confirmed_on", "access_closed_on"),),
    ),
)
