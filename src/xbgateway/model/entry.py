"""The closed list of log entries, to the byte (``docs/spec/entry.md``).

An entry is a JSON object in canonical form (RFC 8785; here only ASCII strings, integers and lists
of strings, so sorted keys without spaces are canonical). What is not on the list, or not canonical,
is not an entry. Entries hold opaque ids, parties, service, purpose, salted commitments and digests:
no personal data and no reference that identifies a person or an officer (REQ-ENT-3).
``outcome`` in :mod:`xbgateway.model.outcome` is the only reading of them.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import orjson

from .entry_parts import AnswerStatus as AnswerStatus  # noqa: PLC0414 - readers of entries find
from .entry_parts import Compromised, FinalStatus
from .entry_parts import Kind as Kind  # noqa: PLC0414 - all that an entry is made of in one place
from .entry_parts import Sealed as Sealed  # noqa: PLC0414 - as above
from .entry_parts import Verdict as Verdict  # noqa: PLC0414 - as above
from .errors import Reason, Refused
from .forms import Part, Shape, shape_of
from .limits import ENTRY_BYTES_MAX
from .quick import quick
from .stream import Stream

VERSION = 1


def _encode(body: dict[str, Any]) -> bytes:  # RFC 8785 for what may stand in entries
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def leaf_hex(entry: bytes) -> str:
    """RFC 6962 leaf hash of an entry, in hex: how entries name their predecessors."""
    return hashlib.sha256(b"\x00" + entry).hexdigest()


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: ClassVar[Kind]

    at: str  # RFC 3339 UTC, milliseconds

    def encode(self) -> bytes:
        """Canonical bytes of this entry (REQ-ENT-1)."""
        return _encode(_body(self))


@quick
@dataclass(frozen=True, slots=True)
class Request(_Entry):
    """A transfer begins: written by the sender's node in a data lane, first of its exchange."""

    kind = Kind.REQUEST
    exchange: str
    sender: str
    recipient: str
    service: str
    method: str
    purpose: str
    control: int  # size of the writer's control log at which it was decided
    not_after: str
    sealed: Sealed
    verdict: Verdict
    stream: Stream | None = None  # the manifest of its attachment
    case: str | None = None  # that wants it


@quick
@dataclass(frozen=True, slots=True)
class Accepted(_Entry):
    """The receiver opened and admitted the request; the service will be called."""

    kind = Kind.ACCEPTED
    exchange: str
    request: str  # leaf hash of the request
    control: int
    verdict: Verdict


@quick
@dataclass(frozen=True, slots=True)
class Refused_(_Entry):  # noqa: N801 - the error of the same name is the commoner word
    """The writer refused. In a data lane it names the request; in the home log nothing left."""

    kind = Kind.REFUSED
    exchange: str
    reason: str
    rules: tuple[str, ...]
    request: str | None = None
    sender: str | None = None
    service: str | None = None
    method: str | None = None
    purpose: str | None = None
    verdict: Verdict | None = None


@quick
@dataclass(frozen=True, slots=True)
class Held(_Entry):
    """The receiver parks the request until a person of its own side decides."""

    kind = Kind.HELD
    exchange: str
    request: str
    role: str
    rules: tuple[str, ...]
    deadline: str
    verdict: Verdict


@quick
@dataclass(frozen=True, slots=True)
class Hold(_Entry):
    """The sender asks a role of the other side before anything is sent; no payload travels."""

    kind = Kind.HOLD
    exchange: str
    sender: str
    recipient: str
    service: str
    method: str
    purpose: str
    role: str
    rules: tuple[str, ...]
    deadline: str
    verdict: Verdict


@quick
@dataclass(frozen=True, slots=True)
class Approval(_Entry):
    """An officer's answer to a hold, in the log of the officer's own side."""

    kind = Kind.APPROVAL
    exchange: str
    hold: str  # leaf hash of the hold or held entry
    approved: Literal["yes", "no"]
    role: str


@quick
@dataclass(frozen=True, slots=True)
class Answer(_Entry):
    """The end of an accepted request. Only ``answered`` and ``failed`` carry a sealed payload."""

    kind = Kind.ANSWER
    exchange: str
    request: str
    status: AnswerStatus
    control: int
    reason: str | None = None
    rules: tuple[str, ...] = ()
    sealed: Sealed | None = None
    verdict: Verdict | None = None


@quick
@dataclass(frozen=True, slots=True)
class Final(_Entry):
    """What the sender did with the answer; it confirms, it does not decide the outcome."""

    kind = Kind.FINAL
    exchange: str
    answer: str  # leaf hash of the answer
    status: FinalStatus
    reason: str | None = None
    rules: tuple[str, ...] = ()
    verdict: Verdict | None = None


@quick
@dataclass(frozen=True, slots=True)
class Cancel(_Entry):
    """The sender takes its request back; whether in time says the receiver's own entry."""

    kind = Kind.CANCEL
    exchange: str
    request: str


@quick
@dataclass(frozen=True, slots=True)
class Expired(_Entry):
    """The receiver found the request after its last moment, before any effect."""

    kind = Kind.EXPIRED
    exchange: str
    request: str


@quick
@dataclass(frozen=True, slots=True)
class Register(_Entry):
    """A register version came into use at the writer's node: of a document, or of a ``change``."""

    kind = Kind.REGISTER
    version: str
    previous: str | None = None  # the version before
    record: str | None = None  # kind of the record that changed; never its id
    change: str | None = None  # SHA-256 of the change, which travels beside


@quick
@dataclass(frozen=True, slots=True)
class Activation(_Entry):
    """A policy revision came into use at the writer's node."""

    kind = Kind.ACTIVATION
    revision: str
    previous: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class KeyBundle(_Entry):
    """A sealing key of the writer's node, and the keys that it retires (control lane only)."""

    kind = Kind.KEY_BUNDLE
    node: str
    key_id: str
    suite: str
    public_key: str  # base64 (REQ-SEAL-11)
    not_before: str
    not_after: str
    retires: tuple[str, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class SigningKeys(_Entry):
    """The writer's node signs this log, and cosigns its peer's, with these keys from here on.

    ``compromised``: which of the keys before them somebody else may have.
    """

    kind = Kind.SIGNING_KEYS
    node: str
    log_key: str  # hex
    cosign_key: str  # hex
    compromised: Compromised


@quick
@dataclass(frozen=True, slots=True)
class Anchor(_Entry):
    """The writer's home log stood at this head (control lane only)."""

    kind = Kind.ANCHOR
    origin: str
    size: int
    root: str  # hex


@quick
@dataclass(frozen=True, slots=True)
class Erasure(_Entry):
    """The writer erased payload and result; facts and key too once law let them go. Proofs stay."""

    kind = Kind.ERASURE
    exchange: str
    ground: str


@quick
@dataclass(frozen=True, slots=True)
class Attempts(_Entry):
    """Refusals before admission, summed by source and minute (home log only)."""

    kind = Kind.ATTEMPTS
    source: str  # keyed hash of the network source
    reason: str
    count: int


@quick
@dataclass(frozen=True, slots=True)
class Case(_Entry):
    """A step of a one-stop case, by the node that opened it (``docs/spec/case.md``)."""

    kind = Kind.CASE
    case: str
    step: int  # 0: it is opened
    event: str
    party: str  # on whose word
    case_type: str  # SHA-256 of the declaration of its type
    parties: tuple[str, ...] = ()  # of step 0: who takes part, as role=party
    concluded: str | None = None  # the exchange whose end it is
    document: str | None = None  # commitment to what rests sealed


_ByReceiver = Accepted | Refused_ | Held | Answer | Expired
ExchangeEntry = Request | Hold | Approval | _ByReceiver | Final | Cancel | Erasure
Entry = ExchangeEntry | Register | Activation | KeyBundle | SigningKeys | Anchor | Attempts | Case


def filed_under(entry: object) -> str | None:
    """The id under which an entry is found again: of its exchange, or of its case."""
    found: str | None = getattr(entry, "exchange", None)
    return entry.case if isinstance(entry, Case) else found


_WORDS: dict[tuple[Kind, str], tuple[str, ...]] = {
    (Kind.ANSWER, "status"): get_args(AnswerStatus),
    (Kind.FINAL, "status"): get_args(FinalStatus),
    (Kind.APPROVAL, "approved"): ("yes", "no"),
    (Kind.SIGNING_KEYS, "compromised"): get_args(Compromised),
}
_CARRYING = ("answered", "failed")
_PARTS = (Part("sealed", Sealed), Part("verdict", Verdict), Part("stream", Stream))
_SHAPES: dict[str, Shape] = {
    c.kind.value: shape_of(c, _PARTS, {n: w for (kind, n), w in _WORDS.items() if kind is c.kind})
    for c in get_args(Entry)
}


def _body(entry: _Entry) -> dict[str, Any]:
    """An entry as the object that its canonical bytes say."""
    kind = entry.kind.value
    shape = _SHAPES[kind]
    body: dict[str, Any] = {"v": VERSION, "kind": kind}
    for name in shape.plain:
        value = getattr(entry, name)
        if value is not None:
            body[name] = value
    for part in shape.parts:
        group = getattr(entry, part.name)
        if group is not None:
            for name in part.inside:
                body[name] = getattr(group, name)
    return body


def decode(raw: bytes) -> Entry:
    """Parse one entry strictly (REQ-ENT-1, REQ-ENT-2).

    Raises ``Refused``: ``ENTRY_VERSION`` (a version of tomorrow), ``ENTRY_INVALID`` (not canonical,
    not on the list, a field too many, too few or of a wrong kind).
    """
    if len(raw) > ENTRY_BYTES_MAX:
        raise Refused(Reason.ENTRY_INVALID, f"entry of {len(raw)} bytes is over the limit")
    try:
        body = orjson.loads(raw)
    except ValueError as error:
        raise Refused(Reason.ENTRY_INVALID, "entry is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(Reason.ENTRY_INVALID, "entry is not a JSON object")
    if body.get("v") != VERSION or type(body.get("v")) is not int:
        raise Refused(Reason.ENTRY_VERSION, "entry is of a version that is not known here")
    kind = body.get("kind")
    shape = _SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise Refused(Reason.ENTRY_INVALID, "entry kind is not on the list")
    if _encode(body) != raw:
        raise Refused(Reason.ENTRY_INVALID, "entry is not in canonical form")
    return _build(shape, body)


def _build(shape: Shape, body: dict[str, Any]) -> Entry:
    checks = shape.checks
    for name, value in body.items():
        check = checks.get(name)
        if check is None or not check(value):
            raise Refused(Reason.ENTRY_INVALID, f"entry field {name[:64]} is malformed or unknown")
    values: dict[str, Any] = {}
    for part in shape.parts:
        found = [body.get(name) for name in part.inside]
        present = len(found) - found.count(None)
        if present and present != len(found):
            raise Refused(Reason.ENTRY_INVALID, f"entry has only part of its {part.name} fields")
        values[part.name] = part.target(*found) if present else None
    if not shape.required <= body.keys():
        missing = sorted(shape.required - body.keys())
        raise Refused(Reason.ENTRY_INVALID, f"entry fields missing: {missing}")
    for name in shape.plain:
        value = body.get(name)
        values[name] = tuple(value) if isinstance(value, list) else value
    entry: Entry = shape.target(**values)
    if isinstance(entry, Answer) and (entry.status in _CARRYING) != (entry.sealed is not None):
        raise Refused(Reason.ENTRY_INVALID, "only an answered or failed answer is sealed")
    return entry


def header(entry: Request | Answer, **parts: str) -> bytes:
    """What a sealed payload is bound to: the entry without what sealing itself makes (REQ-ENT-4).

    It names exchange, parties, service, purpose, declaration, key, suite and decision.
    """
    body = _body(entry) | parts
    for name in ("commitment", "sealed", "sealed_bytes", "wrap"):
        body.pop(name, None)
    return _encode(body)
