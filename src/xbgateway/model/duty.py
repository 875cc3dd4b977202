"""Duties of decisions that people carry out: to file, notify, delete, store apart. As values.

A duty is named by what it is: an act (verb, whom to, about what), the paper or exchange that it is
for, and the party that owes it. The same duty asked for again is the same row. None of it names a
person but ``officer``, the opaque id of who confirmed, which stays at this node.
"""

from dataclasses import dataclass
from typing import Literal

from .quick import quick

# What people do; all other verbs of ``decision.VERBS`` are carried out by the node itself.
BY_PEOPLE = frozenset({"file", "notify", "delete_confirm", "separate_store"})
DutyState = Literal["open", "overdue", "confirmed"]


@quick
@dataclass(frozen=True, slots=True)
class KeepDuty:
    """An effect: a duty is open from now on; one that is open already keeps its earlier day."""

    exchange: str | None  # None: owed once, however many transfers ask
    digest: bytes  # 16 bytes: of verb, who, about, paper and party
    verb: str
    who: str | None
    about: str | None
    paper: str | None  # contract, incident, agreement, dataset; None for a single exchange
    rules: tuple[str, ...]
    party: str  # of this node, that owes it
    roles: tuple[str, ...]  # whose officers may confirm it
    at: str
    due: str  # the last instant inside


@quick
@dataclass(frozen=True, slots=True)
class ConfirmDuty:
    """An effect: the duty was carried out, by an officer's word."""

    duty: str
    at: str
    role: str
    officer: str
    note: str
    evidence: str


DutyEffect = KeepDuty | ConfirmDuty


@dataclass(frozen=True, slots=True)
class TrackedDuty:
    """One duty as it stands. ``duty`` is its id, 64 hex digits; instants are RFC 3339 UTC."""

    duty: str
    exchange: str | None
    verb: str
    who: str | None
    about: str | None
    paper: str | None
    rules: tuple[str, ...]
    party: str
    roles: tuple[str, ...]
    at: str
    due: str
    confirmed_at: str | None = None
    role: str | None = None
    officer: str | None = None
    note: str | None = None
    evidence: str | None = None

    def state(self, now: str) -> DutyState:
        """Where it stands at an instant; the last instant is inside."""
        if self.confirmed_at is not None:
            return "confirmed"
        return "overdue" if self.due < now else "open"
