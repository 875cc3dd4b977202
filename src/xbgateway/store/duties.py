"""Rows of ``duties``: how they are written, confirmed, found and counted.

A row's key is its exchange (zeros where it is owed once for a paper) and the digest of what it is,
so that asking again finds the same row, and new rows of exchanges go to the end of the table. Rows
outlive the payload and the facts of their exchange: they name nobody but the officer's opaque id.
"""

from typing import Any
from uuid import UUID

from xbgateway.model.duty import ConfirmDuty, DutyState, KeepDuty, TrackedDuty
from xbgateway.model.errors import Reason, Refused

from .connection import Connection
from .reader import Reader

_ONCE = bytes(16)
_SELECT = (
    "SELECT id, verb, who, about, paper, rules, party, roles, at, due,"
    " confirmed_at, role, officer, note, evidence FROM duties"
)
# Asked for again, the earlier day counts, and what it was asked by; what is confirmed stays so.
INSERT = (
    "INSERT INTO duties (id, verb, who, about, paper, rules, party, roles, at, due)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET due = excluded.due, rules = excluded.rules, roles = excluded.roles"
    " WHERE duties.confirmed_at IS NULL AND excluded.due < duties.due"
)
_CONFIRM = (
    "UPDATE duties SET confirmed_at = ?, role = ?, officer = ?, note = ?, evidence = ?"
    " WHERE id = ? AND confirmed_at IS NULL"
)


def row(duty: KeepDuty) -> tuple[Any, ...]:
    """The values of :data:`INSERT`."""
    exchange = _ONCE if duty.exchange is None else bytes.fromhex(duty.exchange.replace("-", ""))
    return (
        exchange + duty.digest,
        *(duty.verb, duty.who, duty.about, duty.paper, " ".join(duty.rules), duty.party),
        *(" ".join(duty.roles), duty.at, duty.due),
    )


def check(connection: Connection, confirm: ConfirmDuty) -> None:
    """Raises ``Refused``: ``DUTY_UNKNOWN``; ``DUTY_CONFIRMED`` by somebody else, or otherwise."""
    found = connection.execute(
        "SELECT confirmed_at, role, officer, note, evidence FROM duties WHERE id = ?",
        (bytes.fromhex(confirm.duty),),
    ).fetchone()
    if found is None:
        raise Refused(Reason.DUTY_UNKNOWN, "There is no such duty.")
    said = (confirm.role, confirm.officer, confirm.note, confirm.evidence)
    if found[0] is not None and found[1:] != said:
        raise Refused(Reason.DUTY_CONFIRMED, "The duty is confirmed already.", at=found[0])


def confirm(connection: Connection, confirm: ConfirmDuty) -> None:
    """Close the duty; the same word again changes nothing."""
    connection.execute(
        _CONFIRM,
        (
            *(confirm.at, confirm.role, confirm.officer, confirm.note, confirm.evidence),
            bytes.fromhex(confirm.duty),
        ),
    )


class DutyRows:
    """Read-only questions to the table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def duty(self, duty: str) -> TrackedDuty | None:
        """One duty by its id, 64 hex digits."""
        sql = f"{_SELECT} WHERE id = ?"
        found = self._reader.connection().execute(sql, (bytes.fromhex(duty),)).fetchone()
        return _tracked(found) if found else None

    def duties(  # noqa: PLR0917 - one value for each filter
        self,
        party: str | None,
        state: DutyState,
        verb: str | None,
        now: str,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[TrackedDuty]:
        """Duties by due time and id, after the row of that (due, id).

        ``open`` counts what is overdue too.
        """
        wanted = ["confirmed_at IS NOT NULL" if state == "confirmed" else "confirmed_at IS NULL"]
        values: list[object] = []
        for clause, value in (("party = ?", party), ("verb = ?", verb)):
            if value is not None:
                wanted.append(clause)
                values.append(value)
        if state == "overdue":
            wanted.append("due < ?")
            values.append(now)
        if after is not None:
            wanted.append("(due, id) > (?, ?)")
            values += [after[0], bytes.fromhex(after[1])]
        sql = f"{_SELECT} WHERE {' AND '.join(wanted)} ORDER BY due, id LIMIT ?"
        return [_tracked(r) for r in self._reader.connection().execute(sql, (*values, limit))]

    def counts(self, now: str) -> dict[str, tuple[int, int]]:
        """By verb: how many are open, and how many of these are overdue. Reads one index."""
        rows = self._reader.connection().execute(
            "SELECT verb, count(*), count(*) FILTER (WHERE due < ?) FROM duties"
            " WHERE confirmed_at IS NULL GROUP BY verb",
            (now,),
        )
        return {verb: (opened, overdue) for verb, opened, overdue in rows}


def _tracked(found: tuple[Any, ...]) -> TrackedDuty:
    key, verb, who, about, paper, rules, party, roles, *rest = found
    exchange = None if key[:16] == _ONCE else str(UUID(bytes=key[:16]))
    return TrackedDuty(
        *(key.hex(), exchange, verb, who, about, paper),
        tuple(rules.split()),
        party,
        tuple(roles.split()),
        *rest,
    )
