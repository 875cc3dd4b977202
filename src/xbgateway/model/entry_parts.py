"""The kinds of log entries, the words of their fields, and groups of fields that several have."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from .quick import quick


class Kind(StrEnum):
    """Every kind of entry of version 1."""

    REQUEST = "request"
    HELD = "held"
    HOLD = "hold"
    APPROVAL = "approval"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ANSWER = "answer"
    FINAL = "final"
    CANCEL = "cancel"
    EXPIRED = "expired"
    REGISTER = "register"
    ACTIVATION = "activation"
    KEY_BUNDLE = "key_bundle"
    SIGNING_KEYS = "signing_keys"
    ANCHOR = "anchor"
    ERASURE = "erasure"
    ATTEMPTS = "attempts"
    CASE = "case"


AnswerStatus = Literal["answered", "failed", "withheld", "not_called", "unknown"]
FinalStatus = Literal["released", "withheld", "refused"]
Compromised = Literal["no", "log", "cosign", "both"]


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """Digests that let anybody with the archives recompute the decision behind an entry."""

    facts: str
    input: str
    decision: str
    revision: str


@quick
@dataclass(frozen=True, slots=True)
class Sealed:
    """What travels beside an entry and how it was sealed; the entry holds digests only."""

    declaration: str  # SHA-256 of the declaration
    commitment: str  # HMAC-SHA-256 of the payload under a salt that is inside the sealed part
    sealed: str  # SHA-256 of the sealed bytes
    sealed_bytes: int
    suite: str
    key_id: str  # the recipient's sealing key
    wrap: str  # SHA-256 of the epoch's HPKE wrap
