"""The value that a policy decision is, and the obligations that go with an allowed transfer."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["allow", "deny", "hold"]
# What a rule may ask of those who take part. ``drop`` and ``mask`` are field actions; a warning is
# a finding. ``encrypt`` has a level (1 to 4) as its value, ``log_keep`` days at least; every other
# value is at most: days to keep, a time to do it in, a number of requests.
VERBS = frozenset(
    {
        *("encrypt", "sign", "log_keep", "data_keep", "delete_confirm", "notify", "file"),
        *("approve", "separate_store", "human_review", "rate_limit"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says (denies, holds, warns, waives): its source, its text in four languages."""

    rule: str
    article: str
    text: dict[str, str]  # zh-Hant, zh-Hans, pt, en
    path: str | None = None  # the fact it is about; ``missing:<path>`` findings name it
    role: str | None = None  # holds: whom to ask


@dataclass(frozen=True, slots=True)
class FieldAction:
    """A field obligation: ``drop`` or ``mask`` one path, and the rule that asks for it."""

    path: str
    how: str  # "drop", or the masking kind: bir, permit, phone, account
    rule: str


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty at its strictest, and every rule that asks for it."""

    verb: str  # one of VERBS
    rules: tuple[str, ...]  # sorted
    who: str | None = None  # whom to notify or file with, which role, which party signs or deletes
    about: str | None = None  # what: an incident, a contract, a label of a store
    value: int | None = None
    unit: str | None = None  # level, hours, days, working_days, per_hour, per_day

    def line(self) -> str:
        """The duty on one line."""
        about = "" if self.about is None else f" ({self.about})"
        value = "" if self.value is None else f": {self.value} {self.unit or ''}".rstrip()
        return f"{self.verb}{f' {self.who}' if self.who else ''}{about}{value}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one revision says about one input. Equal inputs give equal decisions, to the byte."""

    verdict: Verdict
    revision: str
    denials: tuple[Finding, ...]
    holds: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    fields: tuple[FieldAction, ...]  # what has to go or be masked before the payload travels
    log_keep_days: int
    data_keep_days: int | None
    input_digest: str  # hex SHA-256 of the canonical input
    decision_digest: str  # hex SHA-256 of the canonical decision document
    duties: tuple[Duty, ...] = ()  # sorted by verb, who, about, unit
    waivers: tuple[Finding, ...] = ()  # rules by which others were not applied
    observed: tuple[Finding, ...] = ()  # of rules that only observe: on record, without effect
