"""The registers as officers, auditors and parties read them: now, at an instant, and over time.

Reads only. A party sees the records that name it; whatever else there is looks to it like what does
not exist.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from xbgateway.model.clock import LOCAL, Clock, instant
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.record import KeepChange
from xbgateway.register import Register
from xbgateway.register.changes import Change, record_of
from xbgateway.register.current import Current
from xbgateway.register.document import body_of, etag_of, key_of
from xbgateway.register.life import MACHINES, Due, Event
from xbgateway.register.owners import owner_of
from xbgateway.register.values import Record

from .lives import Lives
from .ports import Records

# What the base document says of records, by their list.
_LISTS = {"party": "parties", "dataset": "datasets", "scenario": "scenarios"}


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record at one time."""

    kind: str
    id: str
    owner: str  # the node whose officers keep it; empty where it is not of today's register
    state: str
    etag: str
    since: str  # RFC 3339 UTC: when it became what it is; empty: with the document
    version: str  # of the register that it stands in
    body: Mapping[str, Any]
    legal: tuple[Event, ...]  # none for a time that is past


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change that this node took into use, or refused to."""

    number: int
    kind: str
    id: str
    event: str
    node: str
    at: str  # when it came into use here
    version: str
    officer: str  # empty where the change is another node's
    refused: str  # why it is not in use; empty where it is
    given: Mapping[str, Any]
    etag: str


class RegisterBook:
    """Questions about registers, for one node. ``reader`` of them: who may see which record."""

    def __init__(self, current: Current, lives: Lives, records: Records, clock: Clock) -> None:
        self._current = current
        self._lives = lives
        self._records = records
        self._clock = clock

    def list(
        self, kind: str, state: str, party: str | None, after: str, limit: int
    ) -> Sequence[RecordView]:
        """At most ``limit`` records of a kind, by id from ``after`` on; of a ``state`` if given.

        With ``party`` only those that name it. Raises ``Refused(ARGUMENT_INVALID)``.
        """
        _check_kind(kind)
        register, now = self._current.register, self._clock.now()
        views = (
            self._view(register, one, now)
            for one in sorted(register.records(kind), key=key_of)
            if key_of(one)[1] > after and _sees(party, one)
        )
        return tuple(islice((one for one in views if state in ("", one.state)), limit))

    def get(
        self, kind: str, record_id: str, as_of: datetime | None, party: str | None
    ) -> RecordView:
        """One record, now or as it stood in this node's register at an instant.

        Raises ``Refused(RECORD_UNKNOWN)``, also for a record that does not name ``party``.
        """
        _check_kind(kind)
        register, now = self._current.register, self._clock.now()
        if as_of is None:
            record = register.record(kind, record_id)
            view = None if record is None else self._view(register, record, now)
        else:
            view = self._past(kind, record_id, as_of)
            record = None if view is None else record_of(kind, view.body)
        if view is None or record is None or not _sees(party, record):
            raise _unknown(kind, record_id)
        return view

    def applied(self, change: Change) -> RecordView:
        """The record as a change made it, or would."""
        record, now = change.record, self._clock.now()
        day = now.astimezone(LOCAL).date()
        return RecordView(
            kind=change.kind,
            id=change.id,
            owner=change.node,
            state=self._lives.state(record, day),
            etag=etag_of(record),
            since=change.at,
            version=self._current.register.version,
            body=body_of(record),
            legal=self._lives.legal(record, change.kind, day),
        )

    def _view(self, register: Register, record: Record, now: datetime) -> RecordView:
        day = now.astimezone(LOCAL).date()
        kind, record_id = key_of(record)
        last = self._records.change_as_of(kind, record_id, instant(now))
        return RecordView(
            kind=kind,
            id=record_id,
            owner=owner_of(register, record),
            state=self._lives.state(record, day),
            etag=register.etags[kind, record_id],
            since=last.at if last else "",
            version=register.version,
            body=body_of(record),
            legal=self._lives.legal(record, kind, day),
        )

    def _past(self, kind: str, record_id: str, as_of: datetime) -> RecordView | None:
        """From the last change before the instant, else from the document of that time."""
        at = instant(as_of)
        last = self._records.change_as_of(kind, record_id, at)
        if last is not None:
            version, body, since = last.version, Change.decode(last.change).after, last.at
        else:
            document = self._records.register_as_of(at)
            found = None if document is None else _in_document(document[1], kind, record_id)
            if document is None or found is None:
                return None
            version, body, since = document[0], found, ""
        record = record_of(kind, body)
        return RecordView(
            kind=kind,
            id=record_id,
            owner="",
            state=self._lives.state(record, as_of.astimezone(LOCAL).date()),
            etag=etag_of(record),
            since=since,
            version=version,
            body=body_of(record),
            legal=(),
        )

    def changes(
        self, kind: str, record_id: str, before: int | None, limit: int
    ) -> Sequence[ChangeView]:
        """Changes, newest first: of one record, one kind, or of all, refused ones with them."""
        rows = self._records.changes(kind or None, record_id or None, before, limit)
        return [_change_view(number, row) for number, row in rows]

    def due(self, kind: str = "", after: tuple[str, str] = ("", "")) -> Sequence[Due]:
        """What is to be done about records after a place, the earliest first; overdue stays."""
        if kind:
            _check_kind(kind)
        register = self._current.register
        day = self._clock.now().astimezone(LOCAL).date()
        found = (
            due
            for one in ((kind,) if kind else MACHINES)
            for record in register.records(one)
            for due in self._lives.deadlines(record, day)
            if due.place > after
        )
        return sorted(found, key=lambda due: due.place)

    def due_counts(self) -> dict[str, int]:
        """How many deadlines are ``open`` and how many ``overdue``."""
        today = self._clock.now().astimezone(LOCAL).date().isoformat()
        found = self.due()
        late = sum(due.due_on < today for due in found)
        return {"open": len(found) - late, "overdue": late}


def _check_kind(kind: str) -> None:
    if kind not in MACHINES:
        raise Refused(
            Reason.ARGUMENT_INVALID,
            f"There is no kind of record called {kind[:64]!r}.",
            field="kind",
            known=",".join(sorted(MACHINES)),
        )


def _in_document(raw: bytes, kind: str, record_id: str) -> Mapping[str, Any] | None:
    document = orjson.loads(raw)
    own = _LISTS.get(kind)
    for one in document[own or "instruments"]:
        if one["id"] == record_id and (own is not None or one["kind"] == kind):
            found: Mapping[str, Any] = one
            return found
    return None


def _sees(party: str | None, record: Record) -> bool:
    """Whether a record names a party; ``None``: an officer or auditor, who sees all."""
    return party is None or any(one == party for one in _texts(body_of(record)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _change_view(number: int, row: KeepChange) -> ChangeView:
    given: Mapping[str, Any] = {}
    etag = ""
    if row.refused is None:
        change = Change.decode(row.change)
        given, etag = change.given, etag_of(change.record)
    return ChangeView(
        number=number,
        kind=row.kind,
        id=row.id,
        event=row.event,
        node=row.node,
        at=row.at,
        version=row.version,
        officer=row.officer or "",
        refused=row.refused or "",
        given=given,
        etag=etag,
    )


def _unknown(kind: str, record_id: str) -> Refused:
    return Refused(
        Reason.RECORD_UNKNOWN, "The register has no such record.", kind=kind, id=record_id[:128]
    )
