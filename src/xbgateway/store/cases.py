"""Rows of ``cases``: an index over the entries that tell of them, and what only this node knows.

A row says nothing that entries do not, but for the key of its documents, its number, what it is
about as a keyed hash, and the request that opened it.
"""

from dataclasses import astuple, fields
from typing import Any
from uuid import UUID

from xbgateway.model.case import CaseRow, CaseTaken, EraseCase, KeepCase, KeepCaseType
from xbgateway.model.record import Stale

from .connection import Connection
from .reader import Reader
from .schema import exchange_key

_COLUMNS = tuple(each.name for each in fields(CaseRow))
_NAMES = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
_SET = ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"id", "opened_at"}
)
_SELECT = f"SELECT {_NAMES} FROM cases"  # noqa: S608 - names of our own fields
_KEEP = (
    f"INSERT INTO cases ({_NAMES}) VALUES ({_MARKS})"  # noqa: S608 - as above
    f" ON CONFLICT (id) DO UPDATE SET {_SET}"
)
_PARTY = "INSERT INTO case_parties VALUES (?, ?, ?) ON CONFLICT (party, opened_at, id) DO NOTHING"
_TYPE = "INSERT INTO case_types VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
_ERASE = (
    "UPDATE cases SET key = NULL, subject = NULL, number = '', erase_on = '' WHERE id = ?",
    "DELETE FROM parts WHERE exchange = ?",
)


def check(connection: Connection, keep: KeepCase) -> None:
    """Raises ``Stale`` where the case has moved meanwhile, ``CaseTaken`` for a second opening."""
    row = keep.row
    found = connection.execute(
        "SELECT step FROM cases WHERE id = ?", (exchange_key(row.id),)
    ).fetchone()
    if (found[0] if found else -1) != keep.was:
        raise Stale
    if found is None and row.own:
        for clause, value in (
            ("request = ?", row.request),
            ("ended = '' AND subject = ?", row.subject),
        ):
            other = connection.execute(
                f"SELECT id, fingerprint FROM cases WHERE own = 1 AND {clause}",  # noqa: S608 - ours
                (value,),
            ).fetchone()
            if other is not None:
                same = clause.startswith("request")
                raise CaseTaken(str(UUID(bytes=other[0])), other[1], same_request=same)


def apply(connection: Connection, effect: KeepCase | EraseCase | KeepCaseType) -> None:
    """Write one effect."""
    match effect:
        case KeepCase(row=row):
            connection.execute(_KEEP, _values(row))
            for party in row.parties if effect.was < 0 else ():
                connection.execute(_PARTY, (party, row.opened_at, exchange_key(row.id)))
        case EraseCase():
            for sql in _ERASE:
                connection.execute(sql, (exchange_key(effect.case),))
        case KeepCaseType():
            connection.execute(_TYPE, (bytes.fromhex(effect.digest), effect.document))


def _values(row: CaseRow) -> tuple[Any, ...]:
    values = dict(zip(_COLUMNS, astuple(row), strict=True))
    values |= {"id": exchange_key(row.id), "parties": " ".join(row.parties)}
    values |= {"own": int(row.own), "late": int(row.late)}
    return tuple(values.values())


def _row(found: tuple[Any, ...]) -> CaseRow:
    values = dict(zip(_COLUMNS, found, strict=True))
    values |= {"id": str(UUID(bytes=values["id"])), "parties": tuple(values["parties"].split())}
    values |= {"own": bool(values["own"]), "late": bool(values["late"])}
    return CaseRow(**values)


class CaseRows:
    """Read-only questions to the tables."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def _rows(self, sql: str, *values: Any) -> list[CaseRow]:
        return [_row(row) for row in self._reader.connection().execute(sql, values)]

    def row(self, case: str) -> CaseRow | None:
        """A case by its id."""
        found = self._rows(f"{_SELECT} WHERE id = ?", exchange_key(case))
        return found[0] if found else None

    def numbered(self, number: str) -> CaseRow | None:
        """A case by its number."""
        found = self._rows(f"{_SELECT} WHERE number = ? AND number <> ''", number)
        return found[0] if found else None

    def requested(self, request: str) -> CaseRow | None:
        """The case that a request id opened."""
        found = self._rows(f"{_SELECT} WHERE own = 1 AND request = ?", request)
        return found[0] if found else None

    def of(
        self,
        party: str,
        case_type: str,
        state: str,
        before: tuple[str, str] | None,
        limit: int,
    ) -> list[CaseRow]:
        """Cases of a party, newest first; ``state``: open, ended, late or empty for all."""
        names = ", ".join(f"c.{name}" for name in _COLUMNS)
        at, case = before or ("9999", "ffffffff-ffff-ffff-ffff-ffffffffffff")
        wanted = ["p.party = ?", "(p.opened_at, p.id) < (?, ?)"]
        values: list[Any] = [party, at, exchange_key(case)]
        if case_type:
            wanted.append("c.type = ?")
            values.append(case_type)
        match state:
            case "open":
                wanted.append("c.ended = ''")
            case "ended":
                wanted.append("c.ended <> ''")
            case "late":
                wanted.append("c.ended = '' AND c.late = 1")
        return self._rows(
            f"SELECT {names} FROM case_parties p JOIN cases c ON c.id = p.id"  # noqa: S608 - ours
            f" WHERE {' AND '.join(wanted)} ORDER BY p.opened_at DESC, p.id DESC LIMIT ?",
            *values,
            limit,
        )

    def open(self) -> list[str]:
        """Ids of all cases of this node that go on, oldest first."""
        sql = "SELECT id FROM cases WHERE own = 1 AND ended = '' ORDER BY opened_at, id"
        return [str(UUID(bytes=i)) for (i,) in self._reader.connection().execute(sql)]

    def due(self, now: str, limit: int) -> list[str]:
        """Ids of cases of this node of which time wants something."""
        sql = (
            "SELECT id FROM cases WHERE own = 1 AND ended = '' AND due <> '' AND due <= ?"
            " ORDER BY due LIMIT ?"
        )
        rows = self._reader.connection().execute(sql, (now, limit))
        return [str(UUID(bytes=i)) for (i,) in rows]

    def to_erase(self, today: str, limit: int) -> list[str]:
        """Ids of ended cases whose documents may not be kept any longer."""
        sql = (
            "SELECT id FROM cases WHERE key IS NOT NULL AND erase_on <> '' AND erase_on < ? LIMIT ?"
        )
        rows = self._reader.connection().execute(sql, (today, limit))
        return [str(UUID(bytes=i)) for (i,) in rows]

    def types(self) -> list[bytes]:
        """Every declaration that a case here may follow."""
        rows = self._reader.connection().execute("SELECT document FROM case_types ORDER BY digest")
        return [document for (document,) in rows]

    def figures(self, party: str, since: str) -> list[tuple[str, str, str, bool, str, str]]:
        """Type, state, outcome, whether late, opened and moved, of a party's cases since then."""
        sql = (
            "SELECT c.type, c.state, c.ended, c.late, c.opened_at, c.moved_at FROM case_parties p"
            " JOIN cases c ON c.id = p.id WHERE p.party = ? AND p.opened_at >= ?"
        )
        return list(self._reader.connection().execute(sql, (party, since)))
