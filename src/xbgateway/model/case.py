"""A one-stop case as the store and the edges know it; what a case *is* says the room ``cases``.

A case has one owner, the node that opened it: its entries alone say what comes after what, in the
data lane to the one other node that takes part. Documents of a case rest under the case's own key
(REQ-CASE-5): destroy it and they are gone, and every proof stays.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from .clock import LOCAL, uuid7
from .quick import quick

# What people call a case; it stands in no entry (REQ-ENT-3).
NUMBER = re.compile(r"(ZH|MO)-[0-9]{4}-[0-9A-F]{8}")
_PREFIX = {"CN": "ZH", "MO": "MO"}


def case_id(moment: datetime, random: bytes) -> str:
    """A new case's id, of ten random bytes: opaque, and all that entries know of it."""
    return uuid7(moment, random)


def case_number(jurisdiction: str, moment: datetime, random: bytes) -> str:
    """A new case's number, of four random bytes: drawn, never derived from the id."""
    return f"{_PREFIX[jurisdiction]}-{moment.astimezone(LOCAL).year}-{random[:4].hex().upper()}"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as a store has it; but for number, key and person all of it follows from entries."""

    id: str
    number: str  # empty at the other node until the first exchange says it
    type: str
    own: bool  # this node opened it
    peer: str  # the other node
    lane: int
    step: int  # of its newest entry
    state: str
    opened_at: str
    moved_at: str
    parties: tuple[str, ...]  # that may see it
    ended: str  # its outcome; empty while it goes on
    due: str  # when a reminder or a term is next; empty: nothing is
    erase_on: str  # local day on which its documents go; empty while it goes on
    key: bytes | None = None  # its own, wrapped; at the node that opened it, until erased
    subject: bytes | None = None  # keyed hash of whom and what it is about: one at a time
    request: str = ""  # party and request id that opened it
    fingerprint: bytes = b""
    late: bool = False


@quick
@dataclass(frozen=True, slots=True)
class KeepCase:
    """A case moved: its row is as given. ``was`` is the step before, -1 for a new one.

    Whoever moved a row first wins: otherwise ``Stale``, or for a new one ``CaseTaken`` where its
    request id opened another case, or another case of the same subject still goes on.
    """

    row: CaseRow
    was: int


@quick
@dataclass(frozen=True, slots=True)
class EraseCase:
    """The key of a case, its documents and its subject go."""

    case: str


@quick
@dataclass(frozen=True, slots=True)
class KeepCaseType:
    """A declaration that cases may follow; kept for as long as the store is, once by its digest."""

    digest: str
    document: bytes


CaseEffect = KeepCase | EraseCase | KeepCaseType


class CaseTaken(Exception):
    """A case stands where a new one was to be opened."""

    def __init__(self, case: str, fingerprint: bytes, *, same_request: bool) -> None:
        super().__init__(case)
        self.case = case
        self.fingerprint = fingerprint
        self.same_request = same_request
