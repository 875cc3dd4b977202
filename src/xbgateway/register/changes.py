"""Changes of a register while nodes run: one record at a time, layered upon the base document.

A :class:`Change` is what one officer's event made of one record (``docs/spec/change.md``). Its
bytes are kept by both sides and travel beside a log entry that holds no more than their digest.
:func:`changed` is pure: the same changes in their order make the same register, with the same
version, on every node. Whether an event is lawful is ``life``'s question, who may cause it the
edge's; here stand form, owner, etag and references.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import DECLARATION_BYTES_MAX
from xbgateway.register.document import (
    Key,
    Register,
    body_of,
    etag_of,
    indexed,
    key_of,
)
from xbgateway.register.entries import Dataset, Document, Party, Scenario
from xbgateway.register.instruments import Instrument
from xbgateway.register.owners import check_owner
from xbgateway.register.references import Known, contradictions, of_record
from xbgateway.register.values import Record

_VERSION = 1
_SALT_BYTES = 16
_OWN_LISTS: Mapping[str, tuple[str, type[Record]]] = {
    "party": ("parties", Party),
    "dataset": ("datasets", Dataset),
    "scenario": ("scenarios", Scenario),
}
_PAPER: TypeAdapter[Record] = TypeAdapter(Instrument)


@dataclass(frozen=True, slots=True)
class Change:
    """One event in the life of one record, as its owner's node recorded it (REQ-CHG-2)."""

    salt: str  # hex, 16 bytes: makes the digest in the log hiding
    at: str  # RFC 3339 UTC, by the owner's clock
    node: str  # whose officers keep the record
    kind: str
    id: str
    event: str
    given: Mapping[str, Any]  # what the officer said with the event
    before: str | None  # etag of the record that it changed; None: it made it
    after: Mapping[str, Any]  # the record as it is now

    def encode(self) -> bytes:
        """Canonical bytes: sorted keys, no blanks (RFC 8785 for what may stand in records)."""
        body = {each.name: getattr(self, each.name) for each in fields(self)}
        return orjson.dumps({"v": _VERSION, **body}, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, raw: bytes) -> "Change":
        """Parse strictly (REQ-CHG-1). Raises ``Refused(CHANGE_INVALID)`` saying what is wrong."""
        if len(raw) > DECLARATION_BYTES_MAX:
            raise _invalid(f"{len(raw)} bytes are more than a change may have")
        try:
            body = orjson.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _invalid("not JSON") from error
        if not isinstance(body, dict) or body.get("v") != _VERSION:
            raise _invalid("not a change of this version")
        if set(body) != _NAMES | {"v"}:
            raise _invalid("not the fields of a change")
        if orjson.dumps(body, option=orjson.OPT_SORT_KEYS) != raw:
            raise _invalid("not in canonical form")
        for name in _TEXTS:
            if not isinstance(body[name], str):
                raise _invalid(f"{name} is not a text")
        if not all(isinstance(body[name], dict) for name in ("given", "after")):
            raise _invalid("given and after are objects")
        if not isinstance(body["before"], str | None):
            raise _invalid("before is not an etag")
        del body["v"]
        return cls(**body)

    def digest(self) -> str:
        """What the log entry names: hex SHA-256 of the bytes."""
        return sha256(self.encode()).hexdigest()

    @property
    def key(self) -> Key:
        """Kind and id of the record."""
        return self.kind, self.id

    @property
    def record(self) -> Record:
        """The record as it is after the change. Raises ``Refused(CHANGE_INVALID)``."""
        return record_of(self.kind, self.after)


_NAMES = frozenset(each.name for each in fields(Change))
_TEXTS = tuple(sorted(_NAMES - {"given", "after", "before"}))


def made_change(  # noqa: PLR0917 - one value for each field that the caller knows
    register: Register,
    node: str,
    at: str,
    event: str,
    given: Mapping[str, Any],
    after: Record,
) -> Change:
    """The change that makes a record of ``register`` what it is ``after`` an event."""
    kind, record_id = key_of(after)
    return Change(
        salt=secrets.token_bytes(_SALT_BYTES).hex(),
        at=at,
        node=node,
        kind=kind,
        id=record_id,
        event=event,
        given=given,
        before=register.etags.get((kind, record_id)),
        after=body_of(after),
    )


def record_of(kind: str, body: Mapping[str, Any]) -> Record:
    """A record of a kind from its object. Raises ``Refused(CHANGE_INVALID)`` saying where."""
    own = _OWN_LISTS.get(kind)
    try:
        record = own[1].model_validate(body) if own else _PAPER.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(f"{where or 'the record'}: {first['msg']}", path=where) from error
    if key_of(record)[0] != kind:
        raise _invalid(f"the record is a {key_of(record)[0]}, not a {kind}")
    return record


def changed(register: Register, change: Change) -> Register:
    """The register with one record changed or made.

    Raises ``Refused``: ``CHANGE_INVALID`` (what it says of itself), ``ETAG_MISMATCH`` (made for
    another state of the record), ``NOT_OWNER``, ``REFERENCE_UNKNOWN`` with the ``path``.
    """
    record = change.record
    if key_of(record) != change.key:
        raise _invalid("the record has another id than the change")
    etag = register.etags.get(change.key)
    if etag != change.before:
        raise Refused(
            Reason.ETAG_MISMATCH,
            "The record is not what the change was made for.",
            kind=change.kind,
            id=change.id,
            etag=etag or "",
        )
    if etag is None and _taken(register, change):
        raise _invalid("another paper has this id already", path="id")
    for place, why in of_record(record, Known.of(register.document)):
        path = ".".join(str(part) for part in place)
        raise Refused(Reason.REFERENCE_UNKNOWN, f"{path}: {why}", path=path)
    check_owner(register, change.node, record)
    return _with(register, [(record, change.node)])


def layered(base: Register, changes: Iterable[Change]) -> tuple[Register, tuple[Key, ...]]:
    """The base document under all changes since, and which records the two disagree about.

    ``changes`` come in their order; the last one of a record counts. Where the document says of a
    record what no change of it began or ended with, somebody changed it in the file meanwhile: the
    store wins, and the record is named. Raises ``Refused(CONFIG_INVALID)`` where the document no
    longer has what a changed record names.
    """
    last: dict[Key, tuple[Record, str]] = {}
    states: dict[Key, set[str | None]] = {}
    for change in changes:
        record = change.record
        last[change.key] = (record, change.node)
        states.setdefault(change.key, set()).update((change.before, etag_of(record)))
    if not last:
        return base, ()
    register = _with(base, last.values())
    for place, why in contradictions(register.document):
        raise Refused(
            Reason.CONFIG_INVALID,
            f"register: the document and the changes in the store do not fit: {place[0]}: {why}",
            why=why,
        )
    astray = tuple(key for key, known in states.items() if base.etags.get(key) not in known)
    return register, astray


def _with(register: Register, made: Iterable[tuple[Record, str]]) -> Register:
    """The register with records put in the place of those of their key, or added."""
    etags, makers = dict(register.etags), dict(register.makers)
    lists: dict[str, dict[str, Record]] = {}
    for record, node in made:
        kind, record_id = key = key_of(record)
        own = _OWN_LISTS.get(kind)
        name = own[0] if own else "instruments"
        if name not in lists:
            lists[name] = {one.id: one for one in getattr(register.document, name)}
        lists[name][record_id] = record
        if key not in etags:
            makers[key] = node
        etags[key] = etag_of(record)
    document: Document = register.document.model_copy(
        update={name: tuple(records.values()) for name, records in lists.items()}
    )
    return indexed(document, register.descriptor_sets, etags, makers, register.fixed)


def _taken(register: Register, change: Change) -> bool:
    """Papers of all kinds share one list, and so their ids."""
    if change.kind in _OWN_LISTS:
        return False
    return any(one.id == change.id for one in register.document.instruments)


def _invalid(why: str, **metadata: str) -> Refused:
    return Refused(Reason.CHANGE_INVALID, f"The change is not well-formed: {why}.", **metadata)
