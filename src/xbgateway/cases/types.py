"""A type of case as values: what its declaration says, checked (``docs/spec/case.md``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["owner", "other"]
# Events that nobody declares: what becomes of an exchange without an answer that is declared, and
# what time brings.
ENDS = ("unmatched", "failed", "withheld", "refused", "not_executed", "expired", "unknown")
REMIND, LATE, OPEN = "remind", "late", "open"
RESERVED = frozenset((*ENDS, REMIND, LATE, OPEN))


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody who takes part may do: it leads to another state, or back to the same."""

    name: str
    role: str
    to: str
    office: str | None = None  # of the table ``roles``: only an officer of it may
    replaces: bool = False  # it brings another application
    reason: bool = False  # it needs a reason, kept sealed


@dataclass(frozen=True, slots=True)
class Branch:
    """An answer that is told apart: all of ``when`` holds of it."""

    when: Mapping[str, Any]  # path in the answer → value
    event: str
    to: str


@dataclass(frozen=True, slots=True)
class Send:
    """The exchange that a state wants as soon as it is entered."""

    sender: str  # role
    recipient: str  # role
    service: str
    method: str
    purpose: str
    scenario: str
    message: Mapping[str, Any]
    answers: tuple[Branch, ...]
    ends: Mapping[str, str]  # word of ``ENDS`` → state


@dataclass(frozen=True, slots=True)
class Term:
    """Until when a state may last: working days of an authority's calendar, or a day of the year.

    ``late``: the state that follows; ``None``: it is only told apart as late.
    """

    working_days: int | None
    calendar: Literal["CN", "MO"]
    month_day: tuple[int, int] | None  # the last day inside
    year: str | None  # path of the year in the application
    late: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a case ends in a state, and what may come of it."""

    outcome: str
    follow: str | None  # the type of case to open then


@dataclass(frozen=True, slots=True)
class State:
    """Where a case may stand."""

    name: str
    send: Send | None
    acts: tuple[Act, ...]
    term: Term | None
    shows: str | None  # the state whose message is shown here before it is sent
    ending: Ending | None


@dataclass(frozen=True, slots=True)
class CaseType:
    """A declaration. ``digest`` (SHA-256 of its bytes) is what entries name."""

    name: str
    digest: str
    document: bytes
    title: Mapping[str, str]  # by language
    roles: Mapping[str, Side]
    opens: str  # role
    application: Mapping[str, Any]  # JSON Schema
    one_for: tuple[str, ...]  # paths: one open case for what stands there
    keep_days: int  # after the end
    start: str
    states: Mapping[str, State]

    def acts(self, state: str) -> tuple[Act, ...]:
        """What may be done in a state, by whoever has the role."""
        return self.states[state].acts
