"""What one transaction of the store does, as values.

The paths say *what* has to be durable together; the store alone knows how. A :class:`Record` is
all or nothing: entries, what travels beside them, and the rows that follow from them move in one
commit, so a crash never leaves one without the other.
"""

from dataclasses import dataclass
from typing import Final, Literal

from .case import CaseEffect
from .delivery import DeliveryEffect
from .duty import DutyEffect
from .entry import Entry
from .outcome import Position
from .proposal import DecideProposal, KeepProposal, UseRevision
from .quick import quick
from .stream import StreamEffect

# The step of a pending row that this node has nothing left to do for: the row goes.
DONE: Final = None


@quick
@dataclass(frozen=True, slots=True)
class Beside:
    """What travels beside an entry and is bound by its digests."""

    declaration: bytes
    sealed: bytes
    wrap: bytes  # the epoch's HPKE wrap; the same bytes for a whole epoch


@quick
@dataclass(frozen=True, slots=True)
class Append:
    """One entry for one of this node's own logs."""

    origin: str
    entry: bytes
    exchange: str | None = None
    beside: Beside | None = None


@quick
@dataclass(frozen=True, slots=True)
class Until:
    """How long evidence has to be kept and payload may be kept; local days.

    ``evidence`` carries out ``log_keep``, ``payload`` (None: no limit) ``data_keep``.
    """

    evidence: str
    payload: str | None

    def covers(self, other: "Until") -> bool:
        """Whether nothing has to be kept longer for ``other``."""
        return other.evidence <= self.evidence and (
            other.payload is None or (self.payload is not None and other.payload <= self.payload)
        )


@quick
@dataclass(frozen=True, slots=True)
class OpenExchange:
    """A caller's exchange begins. ``(party, request_id)`` is taken once (idempotency)."""

    exchange: str
    party: str
    request_id: str
    fingerprint: bytes  # keyed hash of the whole submission
    key: bytes  # the exchange's own key, wrapped
    at: str
    until: Until


@quick
@dataclass(frozen=True, slots=True)
class KeepKey:
    """The receiver's own key for an exchange, wrapped; destroying it erases the exchange.

    Kept once: a second one would leave what rests under the first unreadable, and is an error.
    """

    exchange: str
    key: bytes
    at: str
    until: Until


@quick
@dataclass(frozen=True, slots=True)
class KeepPart:
    """A part of an exchange at rest, sealed under its key: request, result, declaration."""

    exchange: str
    part: str
    sealed: bytes


@quick
@dataclass(frozen=True, slots=True)
class KeepFacts:
    """Facts of one decision, sealed under the exchange's key, by their digest."""

    digest: str
    exchange: str
    sealed: bytes
    revision: str  # that decided; must still be the one in use, else the record is stale


@quick
@dataclass(frozen=True, slots=True)
class KeepStanding:
    """The standing half of facts, sealed under the node's key, once by its digest."""

    digest: str
    sealed: bytes


@quick
@dataclass(frozen=True, slots=True)
class KeepDecision:
    """Input and decision documents, once by revision and input digest. Neither names anybody."""

    revision: str
    input_digest: str
    input: bytes
    decision: bytes


@quick
@dataclass(frozen=True, slots=True)
class DropPart:
    """A part of an exchange at rest that nobody needs any more."""

    exchange: str
    part: str


HoldState = Literal["open", "approved", "rejected", "done"]


@quick
@dataclass(frozen=True, slots=True)
class KeepHold:
    """A hold is open: officers of this node decide on it (``here``), or the other side's."""

    leaf: str  # of the hold or held entry
    exchange: str
    at: str
    role: str
    deadline: str
    here: bool


@quick
@dataclass(frozen=True, slots=True)
class MoveHold:
    """A hold goes from one state to the next, or the record is ``Stale``: nobody answers twice.

    ``approved`` and ``rejected`` wait for whoever asked to act on them. ``decision`` says who
    decided and why, sealed under the exchange's key.
    """

    leaf: str
    was: HoldState
    state: HoldState
    decision: bytes | None = None


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold as the store has it."""

    leaf: str
    exchange: str
    at: str
    role: str
    deadline: str
    here: bool
    state: HoldState
    decision: bytes | None


@quick
@dataclass(frozen=True, slots=True)
class MovePending:
    """The pending row of a mirrored entry goes to its next step; ``DONE`` ends it."""

    position: Position
    step: str | None


@quick
@dataclass(frozen=True, slots=True)
class ReleaseBeside:
    """The exchange is over: what was kept for re-sending is dropped."""

    exchange: str


@quick
@dataclass(frozen=True, slots=True)
class Count:
    """Add to a counter; the sum must stay in the band that the decision was made for."""

    kind: str
    key: bytes
    window: str
    add: int
    band: tuple[int, int]  # inclusive, after adding


@quick
@dataclass(frozen=True, slots=True)
class CountSubjects:
    """Subjects join a set, each once; the set must stay as small as the decision took it for.

    ``kind`` is a field of :class:`~xbgateway.model.facts.Counts`. Distinct subjects since ``since``
    only grow, so the upper end of the decision's band is all there is to check. Where ``subjects``
    is empty nothing joins, and the check stands.
    """

    kind: str
    scope: bytes  # keyed hash: whose set
    day: str  # local day on which they count, or on which what they count in began
    since: str  # local day from which on the set is looked at
    subjects: tuple[bytes, ...]  # keyed hashes, distinct
    most: int  # distinct subjects since then, with these


@quick
@dataclass(frozen=True, slots=True)
class ForgetSubjects:
    """Subjects of a kind that were last counted before a day go, so many at a time."""

    kind: str
    before: str
    most: int


@quick
@dataclass(frozen=True, slots=True)
class KeepRegister:
    """A base document and its version, for point-in-time reads; ``in_use`` under all changes."""

    version: str
    document: bytes
    at: str
    in_use: str


@quick
@dataclass(frozen=True, slots=True)
class KeepChange:
    """One change of the register, in use from now on; or, with ``refused``, why it is not.

    ``officer`` and ``request`` are of this node's own changes only and never leave it.
    """

    version: str  # that came of it; of a refused one the version that stays
    at: str  # when this node took it into use
    node: str  # whose change it is
    kind: str
    id: str
    event: str
    change: bytes  # its document
    officer: str | None = None
    request: str | None = None
    refused: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class KeepUntil:
    """A later decision of an exchange has to be kept longer: the later day wins."""

    exchange: str
    until: Until


@quick
@dataclass(frozen=True, slots=True)
class Erase:
    """Erase an exchange's payload and result; with ``evidence`` its key, and so its facts too."""

    exchange: str
    evidence: bool


Effect = (
    OpenExchange
    | KeepKey
    | KeepPart
    | KeepFacts
    | KeepStanding
    | KeepDecision
    | MovePending
    | ReleaseBeside
    | Count
    | CountSubjects
    | ForgetSubjects
    | KeepRegister
    | KeepChange
    | KeepUntil
    | DutyEffect
    | DeliveryEffect
    | StreamEffect
    | CaseEffect
    | DropPart
    | KeepHold
    | MoveHold
    | KeepProposal
    | DecideProposal
    | UseRevision
    | Erase
)


@quick
@dataclass(frozen=True, slots=True)
class Record:
    """One transaction."""

    appends: tuple[Append, ...] = ()
    effects: tuple[Effect, ...] = ()
    register_version: str | None = None  # must still be the one in use, else the record is stale


@quick
@dataclass(frozen=True, slots=True)
class MirrorItem:
    """One entry of a peer's log with what came beside it."""

    entry: bytes
    declaration: bytes
    sealed: bytes


@quick
@dataclass(frozen=True, slots=True)
class MirrorGroup:
    """A group from a peer: entries from ``start`` on and the checkpoint that covers them."""

    origin: str
    start: int
    items: tuple[MirrorItem, ...]
    checkpoint: bytes
    wraps: tuple[bytes, ...]


@quick
@dataclass(frozen=True, slots=True)
class Pending:
    """A mirrored entry that this node has yet to act on."""

    position: Position
    entry: bytes
    decoded: Entry | None  # None where it cannot be read
    step: str
    declaration: bytes
    sealed: bytes
    unseen_before: bool = False  # known to be the first entry of its exchange on record anywhere


@quick
@dataclass(frozen=True, slots=True)
class Group:
    """A committed group of an own log, ready for the link."""

    origin: str
    start: int
    items: tuple[MirrorItem, ...]
    checkpoint: bytes
    wraps: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """Size of the log that the checkpoint covers."""
        return self.start + len(self.items)

    @property
    def size(self) -> int:
        """Bytes of entries and of what travels beside them."""
        return sum(len(i.entry) + len(i.sealed) + len(i.declaration) for i in self.items)


class Stale(Exception):
    """What the decision was made on has changed; gather the facts again."""


class AlreadyOpen(Exception):
    """The request id is taken; carries the exchange and the fingerprint it was opened with."""

    def __init__(self, exchange: str, fingerprint: bytes) -> None:
        super().__init__(exchange)
        self.exchange = exchange
        self.fingerprint = fingerprint
