"""Another revision of the policies, proposed by one officer and decided by a second."""

from dataclasses import dataclass
from typing import Literal

from .quick import quick

ProposalState = Literal["open", "approved", "rejected"]


@quick
@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as it is on record; officers are opaque ids and stay at this node."""

    id: str  # the request id that it was proposed with
    revision: str  # content hash, hex
    previous: str  # in use when it was proposed
    officer: str
    note: str
    at: str
    checked: tuple[str, ...]
    skipped: tuple[str, ...]
    state: ProposalState = "open"
    decided_by: str = ""
    reason: str = ""
    decided_at: str = ""


@quick
@dataclass(frozen=True, slots=True)
class KeepProposal:
    """A proposal with the deciding files of its revision, packed."""

    proposal: Proposal
    files: bytes


@quick
@dataclass(frozen=True, slots=True)
class DecideProposal:
    """A second officer's word on an open proposal; stale where it is not open any more."""

    id: str
    state: ProposalState
    by: str
    reason: str
    at: str


@quick
@dataclass(frozen=True, slots=True)
class UseRevision:
    """A revision comes into use over ``previous``; stale where another one is in use.

    Its files are kept, so that its decisions can be made again for ever.
    """

    revision: str
    files: bytes
    at: str
    previous: str | None
