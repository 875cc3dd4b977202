"""The officers' tables: validated rows, and what they say on a day.

A table changes what it says only on the days its rows begin or end. Between two such *edges* lies
an *edition*, numbered from 0 (before the first edge). Rego gets every edition once
(``data.tables``) and the input says which one counts, so that no rule compares dates and decisions
stay memoisable. What only the projection needs (thresholds, calendars, maxima) is :class:`Cuts`,
one per edition too.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from xbgateway import strict_yaml
from xbgateway.model.days import years_later
from xbgateway.model.errors import Refused
from xbgateway.policy.source import Files
from xbgateway.policy.working_days import WorkingDays

NAMES = (
    "allowed_fields",
    "certifiers",
    "crypto_suites",
    "duties",
    "field_kinds",
    "free_trade_lists",
    "gba_cities",
    "grounds",
    "holidays",
    "judicial_bodies",
    "l4_purposes",
    "legal_days",
    "log_retention",
    "masking",
    "mechanisms",
    "min_modes",
    "notice_items",
    "purposes",
    "required_terms",
    "retention_maxima",
    "roles",
    "rule_modes",
    "social_bodies",
    "thresholds",
)
_STANDING = ("statute", "effective_from", "effective_to", "verified", "note")
_LEVELS = {"L1": 1, "L2": 2, "L3": 3, "L4": 4}
_SPECIAL = ("biometric", "credit", "health", "offence", "private_life")
# An internal transfer may carry what its side may later send across.
_INTERNAL = {"CN2MO": "CN_INTERNAL", "MO2CN": "MO_INTERNAL"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row with its group's statute and dates; from the day ``until`` on it no longer counts."""

    table: str
    values: Mapping[str, Any]
    statute: str
    verified: bool
    since: date
    until: date | None
    document: strict_yaml.Document
    place: tuple[object, ...]

    def counts_on(self, day: date) -> bool:
        """Whether the row is effective on ``day``."""
        return self.since <= day and (self.until is None or day < self.until)

    def refuse(self, reason: str) -> Refused:
        """The refusal of this row, with file and line."""
        return self.document.refuse(self.place, reason)


@dataclass(frozen=True, slots=True)
class Maximum:
    """A retention maximum: so many days, or so many calendar years, from a day."""

    days: int
    years: int

    def days_from(self, day: date) -> int:
        """The maximum in days when counted from ``day``; 29 February ends on the 28th."""
        return (years_later(day, self.years) - day).days if self.years else self.days


@dataclass(frozen=True, slots=True)
class Owed:
    """How a duty that a rule asks for is owed (table ``duties``)."""

    owner: str  # sender, recipient, operator, both; authority: of the side of whom it goes to
    roles: tuple[str, ...]  # whose officers may confirm it
    once_for: str  # exchange, mechanism, processing, agreement, consent, dataset, incident
    starts: str  # decision, mechanism, processing: the day that its term counts from
    denied: bool  # owed too where nothing travels


@dataclass(frozen=True, slots=True)
class Cuts:
    """What the projection cuts facts at, in one edition; and how duties are owed."""

    thresholds: Mapping[str, int]
    maxima: Mapping[str, Maximum]
    calendars: Mapping[str, WorkingDays]
    days: Mapping[str, date]  # table legal_days
    certifiers: frozenset[str]
    duties: Mapping[tuple[str, str], Owed]  # by rule and verb
    authorities: Mapping[str, str]  # whose calendar counts: CN or MO


@dataclass(frozen=True, slots=True)
class Tables:
    """All editions of all tables."""

    edges: tuple[date, ...]
    editions: tuple[Mapping[str, Any], ...]
    cuts: tuple[Cuts, ...]
    rows: tuple[Row, ...]

    def edition(self, day: date) -> int:
        """The number of the edition that counts on ``day``."""
        return bisect_right(self.edges, day)

    def authorities(self, day: date) -> Mapping[str, str]:
        """By role, whose side decides on ``day``: CN, MO or institution (table ``roles``)."""
        roles: Mapping[str, str] = self.editions[self.edition(day)]["roles"]
        return roles


def load(files: Files) -> Tables:
    """Read and validate every table. Raises Refused(POLICY_INVALID) with file, line and reason."""
    rows = tuple(row for name in NAMES for row in _rows(name, files))
    starts = {row.since for row in rows} | {row.until for row in rows if row.until}
    edges = tuple(sorted(starts))
    days = [edges[0] - timedelta(days=1), *edges] if edges else [date.min]
    active = [[row for row in rows if row.counts_on(day)] for day in days]
    return Tables(
        edges,
        tuple(_edition(each) for each in active),
        tuple(_cuts(each) for each in active),
        rows,
    )


def _rows(name: str, files: Files) -> Iterator[Row]:
    file, schema = f"tables/{name}.yaml", f"schema/tables/{name}.json"
    for wanted in (file, schema):
        if wanted not in files:
            raise strict_yaml.invalid(wanted, 1, "the file is missing")
    document = strict_yaml.read(file, files[file])
    strict_yaml.validate(document, files[schema])
    for group_no, group in enumerate(document.value["groups"]):
        for row_no, row in enumerate(group["rows"]):
            place = ("groups", group_no, "rows", row_no)
            about = {key: row.get(key, group.get(key)) for key in _STANDING}
            try:
                since = date.fromisoformat(about["effective_from"])
                last = date.fromisoformat(about["effective_to"]) if about["effective_to"] else None
            except ValueError as problem:
                raise document.refuse(place, str(problem)) from None
            if last is not None and last < since:
                raise document.refuse(place, "effective_to lies before effective_from")
            yield Row(
                table=name,
                values={key: value for key, value in row.items() if key not in _STANDING},
                statute=about["statute"],
                verified=about["verified"],
                since=since,
                until=None if last is None else last + timedelta(days=1),
                document=document,
                place=place,
            )


def _of(rows: Sequence[Row], table: str) -> Iterator[Row]:
    return (row for row in rows if row.table == table)


def _put(target: dict[Any, Any], key: object, value: object, row: Row) -> None:
    """Set once; two rows that say something about the same key on the same day are refused."""
    if key in target:
        raise row.refuse(f"{key!r} stands twice in {row.table} on the same day")
    target[key] = value


def _edition(rows: Sequence[Row]) -> dict[str, Any]:
    """What Rego reads of one edition."""
    kinds: dict[str, str] = {}
    for row in _of(rows, "field_kinds"):
        for field in row.values["fields"]:
            _put(kinds, field, row.values["kind"], row)
    return {
        "allowed_fields": _allowed_fields(rows),
        "crypto_suites": _sorted_lists(rows, "crypto_suites", "jurisdiction", "suite"),
        "field_kinds": kinds,
        "free_trade_lists": _free_trade_lists(rows),
        "gba_cities": _single(rows, "gba_cities", "city", "jurisdiction"),
        "grounds": _sorted_lists(rows, "grounds", "law", "ground"),
        "judicial_bodies": sorted(row.values["kind"] for row in _of(rows, "judicial_bodies")),
        "l4_purposes": sorted(row.values["purpose"] for row in _of(rows, "l4_purposes")),
        "log_keep": [dict(row.values) for row in _of(rows, "log_retention")],
        "masking": _masking(rows),
        "mechanisms": _mechanisms(rows),
        "modes": _modes(rows),
        "notice_items": _sorted_lists(rows, "notice_items", "law", "item"),
        "purposes": {
            marked: sorted(
                row.values["purpose"] for row in _of(rows, "purposes") if row.values.get(marked)
            )
            for marked in ("entitlement", "personal")
        },
        "required_terms": _sorted_lists(rows, "required_terms", "of", "term"),
        "roles": _single(rows, "roles", "role", "authority"),
        "rule_modes": _single(rows, "rule_modes", "rule", "mode"),
        "social_bodies": _social_bodies(rows),
        "special_fields": {
            special: sorted(
                field
                for row in _of(rows, "field_kinds")
                if row.values.get("special") == special
                for field in row.values["fields"]
            )
            for special in _SPECIAL
        },
        "thresholds": _single(rows, "thresholds", "name", "value"),
    }


def _single(rows: Sequence[Row], table: str, key: str, value: str) -> dict[str, Any]:
    """One value for each key of a table."""
    values: dict[str, Any] = {}
    for row in _of(rows, table):
        _put(values, row.values[key], row.values[value], row)
    return values


def _free_trade_lists(rows: Sequence[Row]) -> dict[str, Any]:
    """By zone: the versions of its list that count, and the kinds of data on it."""
    lists: dict[str, dict[str, list[str]]] = {}
    for row in _of(rows, "free_trade_lists"):
        known = lists.setdefault(row.values["zone"], {"kinds": [], "versions": []})
        if "version" in row.values:
            known["versions"].append(row.values["version"])
        else:
            known["kinds"].append(row.values["kind"])
    return lists


def _personal_purposes(rows: Sequence[Row]) -> list[str]:
    purposes: dict[str, bool] = {}
    for row in _of(rows, "purposes"):
        _put(purposes, row.values["purpose"], row.values["personal"], row)
    return [purpose for purpose, personal in purposes.items() if personal]


def _purposes(row: Row, personal: list[str]) -> list[str]:
    return personal if row.values["purposes"] == ["*"] else row.values["purposes"]


def _allowed_fields(rows: Sequence[Row]) -> dict[str, Any]:
    personal = _personal_purposes(rows)
    allowed: dict[str, dict[str, dict[str, Any]]] = {}
    for row in _of(rows, "allowed_fields"):
        entry = {
            "condition": row.values.get("condition", "always"),
            "mask": row.values.get("mask", "none"),
        }
        across = row.values["directions"]
        directions = {*across, *(_INTERNAL[one] for one in across if one in _INTERNAL)}
        for purpose in _purposes(row, personal):
            for direction in sorted(directions):
                fields = allowed.setdefault(purpose, {}).setdefault(direction, {})
                _put(fields, row.values["field"], entry, row)
    return allowed


def _sorted_lists(rows: Sequence[Row], table: str, key: str, value: str) -> dict[str, list[str]]:
    lists: dict[str, set[str]] = {}
    for row in _of(rows, table):
        lists.setdefault(row.values[key], set()).add(row.values[value])
    return {name: sorted(items) for name, items in lists.items()}


def _masking(rows: Sequence[Row]) -> dict[str, Any]:
    identifiers: dict[str, str] = {}
    recipients: dict[str, bool] = {}
    for row in _of(rows, "masking"):
        if "identifier" in row.values:
            _put(identifiers, row.values["identifier"], row.values["how"], row)
        else:
            _put(recipients, row.values["recipient"], True, row)
    return {"identifiers": identifiers, "recipients": sorted(recipients)}


def _mechanisms(rows: Sequence[Row]) -> dict[str, Any]:
    exemptions: dict[str, str] = {}
    types: dict[str, bool] = {}
    for row in _of(rows, "mechanisms"):
        if "type" in row.values:
            _put(types, row.values["type"], True, row)
        else:
            _put(exemptions, row.values["exemption"], row.values["basis"], row)
    return {"exemptions": exemptions, "types": sorted(types)}


def _modes(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    modes: dict[str, list[dict[str, Any]]] = {}
    for row in _of(rows, "min_modes"):
        line = {
            "mode": row.values["mode"],
            "legs": row.values.get("legs", ["answer", "request"]),
            "recipients": row.values.get("recipients", ["*"]),
            "level_max": _LEVELS[row.values.get("level_max", "L4")],
        }
        for purpose in row.values["purposes"]:
            modes.setdefault(purpose, []).append(line)
    return modes


def _social_bodies(rows: Sequence[Row]) -> dict[str, list[str]]:
    personal = _personal_purposes(rows)
    kinds: dict[str, set[str]] = {}
    for row in _of(rows, "social_bodies"):
        for purpose in _purposes(row, personal):
            kinds.setdefault(purpose, set()).update(row.values["kinds"])
    return {purpose: sorted(found) for purpose, found in kinds.items()}


def _cuts(rows: Sequence[Row]) -> Cuts:
    """What the projection reads of one edition."""
    maxima: dict[str, Maximum] = {}
    for row in _of(rows, "retention_maxima"):
        maximum = Maximum(row.values.get("days", 0), row.values.get("years", 0))
        _put(maxima, row.values["purpose"], maximum, row)
    days: dict[tuple[str, date], str] = {}
    for row in _of(rows, "holidays"):
        _put(days, (row.values["calendar"], _day(row)), row.values["kind"], row)
    calendars = {
        name: WorkingDays(
            frozenset(day for (of, day), kind in days.items() if (of, kind) == (name, "rest")),
            frozenset(day for (of, day), kind in days.items() if (of, kind) == (name, "work")),
        )
        for name in ("CN", "MO")
    }
    return Cuts(
        _single(rows, "thresholds", "name", "value"),
        maxima,
        calendars,
        {row.values["name"]: _day(row) for row in _of(rows, "legal_days")},
        frozenset(row.values["certifier"] for row in _of(rows, "certifiers")),
        *_duties(rows),
    )


def _duties(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], Owed], dict[str, str]]:
    """How duties are owed, by rule and verb; the side of each authority."""
    duties: dict[tuple[str, str], Owed] = {}
    authorities: dict[str, str] = {}
    for row in _of(rows, "duties"):
        values = row.values
        if "authority" in values:
            _put(authorities, values["authority"], values["side"], row)
            continue
        owed = Owed(
            values["owner"],
            tuple(values["roles"]),
            values["once_for"],
            values.get("starts", "decision"),
            values["denied"],
        )
        _put(duties, (values["rule"], values["verb"]), owed, row)
    return duties, authorities


def _day(row: Row) -> date:
    try:
        return date.fromisoformat(row.values["day"])
    except ValueError as problem:
        raise row.refuse(str(problem)) from None
