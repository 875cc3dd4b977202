"""What each stage of a path hands to the next. What is not yet checked cannot be passed on.

``Submission → Admitted → Permitted → (sealed, recorded) → Opened → Finished``; mypy is the guard,
and ``Legs.minimise``, which makes no ``Permitted`` of what is not allowed. All values are frozen.
``Opened``, the receiver's stage, stands in ``responses.py``.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter

import orjson

from xbgateway.model.decision import Decision, Finding
from xbgateway.model.facts import UNCOUNTED, Counts
from xbgateway.model.forms import is_count
from xbgateway.model.outcome import Outcome
from xbgateway.model.quick import quick
from xbgateway.register import Content, MethodEntry


@quick
@dataclass(frozen=True, slots=True)
class Submission:
    """What an authenticated caller asks for. Nothing in it has been checked but who it is."""

    party: str  # proven by certificate and token
    subject: str  # the system or officer, opaque; never leaves this node
    request_id: str
    service: str
    method: str
    payload: bytes
    purpose: str
    scenario: str
    references: tuple[str, ...]
    recipient: str | None
    case_id: str | None
    sent_at: str
    tls: str
    validate_only: bool = False
    attachment: str = ""  # id of an upload of the party's
    # Seconds that the other side may take to begin it; None: its caller waits, 0: as its provider
    # allows. Not part of what makes two submissions the same: the first one's counts.
    lives_s: int | None = None
    case: str | None = None  # id of the case of this node that wants it; never a caller's word


@quick
@dataclass(frozen=True, slots=True)
class Admitted:
    """A well-formed submission for a method that exists, with its content decoded."""

    exchange: str
    lane: int
    now: datetime
    submission: Submission
    fingerprint: bytes
    recipient: str
    peer: str  # the recipient's node
    method: MethodEntry
    content: Content
    lives_s: int  # from leaving this node to its last moment


@quick
@dataclass(frozen=True, slots=True)
class Permitted:
    """A leg that law allows, with its payload as it may travel."""

    payload: bytes
    fields: tuple[str, ...]
    dropped: tuple[str, ...]
    masked: tuple[str, ...]


@quick
@dataclass(frozen=True, slots=True)
class Declaration:
    """What a leg's sender says of it: the other side decides on this before it opens anything.

    It travels beside the entry and is bound by it: the entry, under a signed checkpoint, holds its
    digest; the salt makes that digest hiding. Names, references and counts only: no content
    (REQ-ENT-11).
    """

    salt: str
    exchange: str
    leg: str
    sender: str
    recipient: str
    service: str
    method: str
    purpose: str
    scenario: str
    references: tuple[str, ...]
    case_id: str | None
    fields: tuple[str, ...]  # what travels
    dropped: tuple[str, ...]  # what this leg's sender took out
    masked: tuple[str, ...]
    approvals: tuple[str, ...]  # roles of the sender's side that approved: that node's word
    subjects: int
    counts: Counts  # the sender's own numbers with this leg, where law asks for them
    synthetic: str
    tls: str  # of the caller's connection to its own node: that node's word, nobody else saw it
    register_version: str

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785 for the texts and integers that stand in it)."""
        body = dict(zip(_NAMES, _values(self), strict=True))
        body["counts"] = _counted(self.counts)
        return orjson.dumps(body)

    @classmethod
    def decode(cls, raw: bytes) -> "Declaration":
        """Parse strictly; ``ValueError`` for anything that is not exactly a declaration."""
        try:
            body = orjson.loads(raw)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        if not isinstance(body, dict) or tuple(body) != _NAMES:
            raise ValueError("not a declaration")
        if orjson.dumps(body) != raw:
            raise ValueError("not in canonical form")
        for name in _LISTS:
            if not isinstance(body[name], list) or not all(isinstance(v, str) for v in body[name]):
                raise ValueError(f"{name} is not a list of names")
            body[name] = tuple(body[name])
        if not is_count(body["subjects"]):
            raise ValueError("subjects is not a count")
        body["counts"] = _counts(body["counts"])
        for name in _TEXTS:
            if not isinstance(body[name], str):
                raise ValueError(f"{name} is not a text")  # noqa: TRY004 - bad content
        if not isinstance(body["case_id"], str | None):
            raise ValueError("case_id is not a text")  # noqa: TRY004 - bad content
        return cls(**body)


def _counted(counts: Counts) -> dict[str, int]:
    """The numbers that somebody counted, by name in order."""
    if counts is UNCOUNTED:
        return {}
    found = ((name, getattr(counts, name)) for name in _COUNTS)
    return {name: value for name, value in found if value is not None}


def _counts(found: object) -> Counts:
    if not isinstance(found, dict) or not all(map(is_count, found.values())):
        raise ValueError("counts are not numbers by name")
    if [*found] != [name for name in _COUNTS if name in found]:
        raise ValueError("counts has other names, or in another order")
    return Counts(**found) if found else UNCOUNTED


_LISTS = ("references", "fields", "dropped", "masked", "approvals")
_NAMES = tuple(sorted(each.name for each in fields(Declaration)))
_COUNTS = tuple(sorted(each.name for each in fields(Counts)))
_TEXTS = tuple(n for n in _NAMES if n not in {*_LISTS, "subjects", "counts", "case_id"})
_values = attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class HoldNotice:
    """Whom a held exchange waits for, and until when."""

    role: str
    deadline: str


@dataclass(frozen=True, slots=True)
class Approved:
    """What officers have said of an exchange so far, by the side that they are of."""

    by_sender: tuple[str, ...] = ()  # roles, on the side of the exchange's sender
    by_recipient: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()  # role=party/person, of this node's officers
    held_on: str | None = None  # local day of the hold that was answered last
    self_approved: bool = False
    admitted_at: str | None = None


NOBODY = Approved()


@quick
@dataclass(frozen=True, slots=True)
class Finished:
    """What the caller gets, and gets again for the same request id."""

    exchange: str
    outcome: Outcome
    reason: str | None = None
    sentence: str | None = None
    payload: bytes | None = None  # the answer, as law lets the caller see it
    service_code: int | None = None  # gRPC status of a service that answered with an error
    findings: tuple[Finding, ...] = ()
    dropped: tuple[str, ...] = ()  # "request:path" or "answer:path"
    masked: tuple[str, ...] = ()
    decision: Decision | None = None  # validate_only
    hold: "HoldNotice | None" = None  # whom it waits for, while it is held


def by_leg(leg: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Paths as the caller sees them: ``request:wage_base``."""
    return tuple(f"{leg}:{path}" for path in paths)
