"""The part of :data:`xbgateway.model.reasons.CATALOGUE` about nodes, logs and the peer link.

A service developer seldom meets these; operators and auditors do.
"""

from .errors import Explanation, Reason

_R = Reason

LINK: dict[Reason, Explanation] = {
    _R.ENTRY_INVALID: Explanation(
        "FAILED_PRECONDITION",
        "A log entry is not of the closed list or not in canonical form.",
        "Operators compare the releases of both nodes.",
    ),
    _R.ENTRY_VERSION: Explanation(
        "FAILED_PRECONDITION",
        "A log entry is of a version that this node does not know.",
        "Update the older node.",
    ),
    _R.PAYLOAD_MISSING: Explanation(
        "UNAVAILABLE",
        "The payload beside an entry has not arrived.",
        "The node asks for it again; wait for the exchange's state.",
    ),
    _R.PAYLOAD_ALTERED: Explanation(
        "DATA_LOSS",
        "A payload differs from the digest in its entry.",
        "Operators of both sides look; start again with a new request id.",
    ),
    _R.PAYLOAD_ERASED: Explanation(
        "NOT_FOUND",
        "The payload was erased by rule; its entries remain provable.",
        "It cannot be had again; start a new exchange where law allows.",
    ),
    _R.SEAL_BROKEN: Explanation(
        "DATA_LOSS",
        "A sealed payload cannot be opened with the key that its entry names.",
        "Operators look at the key bundles of both sides.",
    ),
    _R.SUITE_UNKNOWN: Explanation(
        "FAILED_PRECONDITION",
        "A payload is sealed by a suite that this node does not have.",
        "Update the older node.",
    ),
    _R.KEY_UNKNOWN: Explanation(
        "FAILED_PRECONDITION",
        "A key that is named is not announced in a key bundle.",
        "Operators have the bundle announced.",
    ),
    _R.KEY_RETIRED: Explanation(
        "FAILED_PRECONDITION",
        "A key that is named was retired.",
        "Start again with a new request id.",
    ),
    _R.KEY_WEAK: Explanation(
        "FAILED_PRECONDITION",
        "A key is of a kind or value that is not accepted.",
        "Make a new key of the documented kind.",
    ),
    _R.CONTROL_BEHIND: Explanation(
        "UNAVAILABLE",
        "The control lane that a decision names has not arrived.",
        "Try again with the same request id.",
    ),
    _R.CHECKPOINT_MALFORMED: Explanation(
        "FAILED_PRECONDITION",
        "A checkpoint does not have the one allowed form.",
        "Operators of both sides look; the log has stopped.",
    ),
    _R.CHECKPOINT_SIGNATURE: Explanation(
        "FAILED_PRECONDITION",
        "A checkpoint's signature does not verify.",
        "Operators check the log keys in both registers.",
    ),
    _R.CHECKPOINT_ORIGIN: Explanation(
        "FAILED_PRECONDITION",
        "A checkpoint is of another log.",
        "Operators check the configured origins.",
    ),
    _R.LOG_SIZE: Explanation(
        "FAILED_PRECONDITION",
        "A checkpoint's size is not what its group makes it.",
        "Operators of both sides look; the log has stopped.",
    ),
    _R.LOG_ROLLBACK: Explanation(
        "FAILED_PRECONDITION",
        "The peer's log is shorter than it was.",
        "Operators look: a restore from backup, or worse.",
    ),
    _R.LOG_FORK: Explanation(
        "FAILED_PRECONDITION",
        "The peer's log tells another story than before.",
        "Operators keep both checkpoints as evidence; the log has stopped.",
    ),
    _R.PROOF_INVALID: Explanation(
        "INVALID_ARGUMENT",
        "A proof does not lead to the signed checkpoint.",
        "Have the proof made again; do not trust what it was for.",
    ),
    _R.GROUP_TOO_LARGE: Explanation(
        "RESOURCE_EXHAUSTED",
        "A group on the link is larger than groups may be.",
        "Operators compare the releases of both nodes.",
    ),
    _R.LINK_PROTOCOL: Explanation(
        "FAILED_PRECONDITION",
        "The peer does not follow the link's protocol.",
        "Operators compare the releases of both nodes.",
    ),
    _R.PEER_UNKNOWN: Explanation(
        "PERMISSION_DENIED",
        "The peer does not stand in the register, or the link is not for it.",
        "Have the node registered on both sides.",
    ),
    _R.PEER_UNREACHABLE: Explanation(
        "UNAVAILABLE",
        "The other node cannot be reached.",
        "Try again with the same request id; what was accepted waits for it.",
    ),
}

NODE: dict[Reason, Explanation] = {
    _R.CONFIG_INVALID: Explanation(
        "FAILED_PRECONDITION",
        "A setting, file, key or register of the node cannot be used.",
        "Operators mend what the sentence names and start again.",
    ),
    _R.STORE_UNAVAILABLE: Explanation(
        "UNAVAILABLE",
        "The node's store cannot be read or written now; nothing moved.",
        "Try again with the same request id; operators see the alert.",
    ),
    _R.STORE_CORRUPT: Explanation(
        "DATA_LOSS",
        "The node's store does not hold what was written; nothing more is signed.",
        "Operators follow the runbook of store restore.",
    ),
    _R.STORE_LOCKED: Explanation(
        "FAILED_PRECONDITION",
        "Another process holds the store.",
        "Operators stop the other process.",
    ),
    _R.STORE_VERSION: Explanation(
        "FAILED_PRECONDITION",
        "The store, or its engine, is of a version that this release does not work with.",
        "Operators install the right release.",
    ),
    _R.CLOCK_BACK: Explanation(
        "UNAVAILABLE",
        "The node's clock went back, or is behind its newest entry; nothing moves until it has "
        "caught up.",
        "Operators check time synchronisation; docs/operators.md, *Clocks*.",
    ),
    _R.DRAINING: Explanation(
        "UNAVAILABLE",
        "The node is stopping.",
        "Try again with the same request id; it is told when the node is back.",
    ),
    _R.INTERRUPTED: Explanation(
        "UNAVAILABLE",
        "What the call waited for was broken off inside the node.",
        "Try again with the same request id: what was accepted goes on and is told.",
    ),
    _R.INTERNAL: Explanation(
        "INTERNAL",
        "Something failed inside the node.",
        "Give the incident id of the error to the node's operator.",
    ),
}
