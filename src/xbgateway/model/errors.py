"""Every way the gateway says no, in one tree.

    GatewayError
    ├── Refused       the caller's or the policy's doing; the same call fails again
    ├── Unavailable   nothing moved; the same call with the same request_id may succeed later
    └── Fatal         the thing it names (a lane, a store) stops until a person has looked

Each error carries one :class:`Reason`, stable for ever, a sentence in English for people, and
metadata for programs. ``server/status.py`` is the one place that turns them into gRPC statuses;
``docs/errors.md`` is generated from :data:`xbgateway.model.reasons.CATALOGUE`, which explains every
reason. Verification raises one of these and never returns a bool.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Stable reason codes (AIP-193: UPPER_SNAKE_CASE, at most 63 characters)."""

    # Who is calling (server edge)
    CERTIFICATE_REJECTED = "CERTIFICATE_REJECTED"
    IDENTITY_AMBIGUOUS = "IDENTITY_AMBIGUOUS"
    IDENTITY_FOREIGN = "IDENTITY_FOREIGN"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    TLS_TOO_OLD = "TLS_TOO_OLD"
    TOKEN_MISSING = "TOKEN_MISSING"
    TOKEN_REJECTED = "TOKEN_REJECTED"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_AUDIENCE = "TOKEN_AUDIENCE"
    TOKEN_UNBOUND = "TOKEN_UNBOUND"
    PARTY_UNKNOWN = "PARTY_UNKNOWN"
    PARTY_NOT_HERE = "PARTY_NOT_HERE"
    # No connection came about (told by whoever dials: the SDK, or a node of its peer)
    HANDSHAKE_FAILED = "HANDSHAKE_FAILED"
    NODE_UNTRUSTED = "NODE_UNTRUSTED"
    # What is asked (server edge)
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"
    METHOD_UNKNOWN = "METHOD_UNKNOWN"
    METHOD_NOT_UNARY = "METHOD_NOT_UNARY"
    MESSAGE_UNDECODABLE = "MESSAGE_UNDECODABLE"
    FIELD_UNKNOWN = "FIELD_UNKNOWN"
    REFERENCE_MISSING = "REFERENCE_MISSING"
    REFERENCE_UNKNOWN = "REFERENCE_UNKNOWN"
    REFERENCE_MALFORMED = "REFERENCE_MALFORMED"
    REQUEST_ID_MISSING = "REQUEST_ID_MISSING"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    ARGUMENT_INVALID = "ARGUMENT_INVALID"
    TRANSITION_ILLEGAL = "TRANSITION_ILLEGAL"
    TRANSITION_REFUSED = "TRANSITION_REFUSED"
    AUDITOR_ONLY = "AUDITOR_ONLY"
    ROLE_REQUIRED = "ROLE_REQUIRED"
    ENTRY_UNKNOWN = "ENTRY_UNKNOWN"
    DUTY_UNKNOWN = "DUTY_UNKNOWN"
    DUTY_CONFIRMED = "DUTY_CONFIRMED"
    RECORD_UNKNOWN = "RECORD_UNKNOWN"
    CHANGE_INVALID = "CHANGE_INVALID"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    NOT_OWNER = "NOT_OWNER"
    EXCHANGE_UNKNOWN = "EXCHANGE_UNKNOWN"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    # Cases
    CASE_TYPE_INVALID = "CASE_TYPE_INVALID"
    CASE_TYPE_UNKNOWN = "CASE_TYPE_UNKNOWN"
    CASE_UNKNOWN = "CASE_UNKNOWN"
    CASE_ILLEGAL = "CASE_ILLEGAL"
    CASE_ROLE = "CASE_ROLE"
    CASE_DUPLICATE = "CASE_DUPLICATE"
    CASE_DOCUMENT_INVALID = "CASE_DOCUMENT_INVALID"
    CASE_NOT_WANTED = "CASE_NOT_WANTED"
    # What the law says
    POLICY_DENIED = "POLICY_DENIED"
    POLICY_HOLD = "POLICY_HOLD"
    HOLD_REJECTED = "HOLD_REJECTED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    HOLD_WITHDRAWN = "HOLD_WITHDRAWN"
    HOLD_ANSWERED = "HOLD_ANSWERED"
    DESK_FULL = "DESK_FULL"
    SELF_APPROVAL = "SELF_APPROVAL"
    PROPOSAL_UNKNOWN = "PROPOSAL_UNKNOWN"
    PROPOSAL_ANSWERED = "PROPOSAL_ANSWERED"
    PROPOSAL_STALE = "PROPOSAL_STALE"
    POLICY_UNDEFINED = "POLICY_UNDEFINED"
    POLICY_ERROR = "POLICY_ERROR"
    POLICY_TIMEOUT = "POLICY_TIMEOUT"
    POLICY_STALE = "POLICY_STALE"
    POLICY_UNAVAILABLE = "POLICY_UNAVAILABLE"
    POLICY_INPUT_LIMIT = "POLICY_INPUT_LIMIT"
    POLICY_INVALID = "POLICY_INVALID"
    FACTS_UNSTABLE = "FACTS_UNSTABLE"
    CONTENT_UNDECLARED = "CONTENT_UNDECLARED"
    # What happened to an accepted exchange
    EXCHANGE_PENDING = "EXCHANGE_PENDING"
    EXCHANGE_EXPIRED = "EXCHANGE_EXPIRED"
    EXCHANGE_CANCELLED = "EXCHANGE_CANCELLED"
    EXCHANGE_ENDED = "EXCHANGE_ENDED"
    EXCHANGE_UNKNOWN_EFFECT = "EXCHANGE_UNKNOWN_EFFECT"
    ANSWER_WITHHELD = "ANSWER_WITHHELD"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    SERVICE_FAILED = "SERVICE_FAILED"
    # Deliveries that wait
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    LEASE_OVER = "LEASE_OVER"
    ANSWERED_OTHERWISE = "ANSWERED_OTHERWISE"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    NOT_WAITING_FOR_PERSON = "NOT_WAITING_FOR_PERSON"
    RESOLVED_NOT_EXECUTED = "RESOLVED_NOT_EXECUTED"
    # Attachments
    STREAM_UNKNOWN = "STREAM_UNKNOWN"
    STREAM_INCOMPLETE = "STREAM_INCOMPLETE"
    STREAM_TAKEN = "STREAM_TAKEN"
    STREAM_ROOM = "STREAM_ROOM"
    STREAM_BUSY = "STREAM_BUSY"
    STREAM_STOPPED = "STREAM_STOPPED"
    # Entry-level failures on the peer link: the mirror advances, the entry is refused
    ENTRY_INVALID = "ENTRY_INVALID"
    ENTRY_VERSION = "ENTRY_VERSION"
    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    PAYLOAD_ALTERED = "PAYLOAD_ALTERED"
    PAYLOAD_ERASED = "PAYLOAD_ERASED"
    SEAL_BROKEN = "SEAL_BROKEN"
    SUITE_UNKNOWN = "SUITE_UNKNOWN"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_RETIRED = "KEY_RETIRED"
    KEY_WEAK = "KEY_WEAK"
    CONTROL_BEHIND = "CONTROL_BEHIND"
    # Log-level failures: the group is dropped, the lane stops, both sides alert
    CHECKPOINT_MALFORMED = "CHECKPOINT_MALFORMED"
    CHECKPOINT_SIGNATURE = "CHECKPOINT_SIGNATURE"
    CHECKPOINT_ORIGIN = "CHECKPOINT_ORIGIN"
    LOG_SIZE = "LOG_SIZE"
    LOG_ROLLBACK = "LOG_ROLLBACK"
    LOG_FORK = "LOG_FORK"
    PROOF_INVALID = "PROOF_INVALID"
    GROUP_TOO_LARGE = "GROUP_TOO_LARGE"
    LINK_PROTOCOL = "LINK_PROTOCOL"
    PEER_UNKNOWN = "PEER_UNKNOWN"
    PEER_UNREACHABLE = "PEER_UNREACHABLE"
    # The node itself
    CONFIG_INVALID = "CONFIG_INVALID"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_CORRUPT = "STORE_CORRUPT"
    STORE_LOCKED = "STORE_LOCKED"
    STORE_VERSION = "STORE_VERSION"
    CLOCK_BACK = "CLOCK_BACK"
    DRAINING = "DRAINING"
    INTERRUPTED = "INTERRUPTED"
    INTERNAL = "INTERNAL"


class GatewayError(Exception):
    """Base of every error the gateway raises on purpose."""

    def __init__(self, reason: Reason, sentence: str, **metadata: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.metadata: Mapping[str, str] = metadata

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence}"


class Refused(GatewayError):
    """The caller's or the policy's doing: nothing was changed, the same call fails again."""


class Unavailable(GatewayError):
    """Not now: nothing moved, the same call with the same request_id may succeed later."""


class Fatal(GatewayError):
    """Stop: a lane, a log or a store is not to be trusted until a person has looked."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the errors page says about a reason: the gRPC code by name, the meaning, the cure."""

    code: str
    meaning: str
    hint: str
