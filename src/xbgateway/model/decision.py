"""The value that a policy decision is, and the obligations that go with an allowed transfer."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["allow", "deny", "hold"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that denies, holds or warns, with its source and its text in four languages."""

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
