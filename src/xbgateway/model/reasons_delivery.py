"""Reasons of exchanges that wait: room for them, leases, a person's word, being taken back."""

from .errors import Explanation, Reason

_R = Reason

DELIVERY: dict[Reason, Explanation] = {
    _R.QUOTA_EXCEEDED: Explanation(
        "RESOURCE_EXHAUSTED",
        "As many exchanges of the party, or to that peer, have not ended as may be open at once.",
        "Wait as long as the error says, then try again with the same request id; `quota` says"
        " which bound it is, and your operator sets it.",
    ),
    _R.LEASE_OVER: Explanation(
        "FAILED_PRECONDITION",
        "The lease is not the exchange's last one, or the exchange has ended without it.",
        "Drop the message; if it is still to be answered it is handed out again.",
    ),
    _R.ANSWERED_OTHERWISE: Explanation(
        "ALREADY_EXISTS",
        "The exchange was acknowledged with another answer, which stands.",
        "Answer the same exchange id in the same way; keep effect and answer in one transaction.",
    ),
    _R.ATTEMPTS_EXHAUSTED: Explanation(
        "ABORTED",
        "The service was given the exchange as often as the register allows, and never answered.",
        "An officer of the provider requeues or resolves it; see the runbook of dead letters.",
    ),
    _R.EXCHANGE_CANCELLED: Explanation(
        "ABORTED",
        "Its sender took the exchange back before any service heard of it; nothing was done.",
        "Start again with a new request id if it is wanted after all.",
    ),
    _R.EXCHANGE_ENDED: Explanation(
        "FAILED_PRECONDITION",
        "The exchange has ended otherwise; what has ended cannot be taken back.",
        "Look at its outcome; what was done is undone, if at all, by another exchange.",
    ),
    _R.NOT_WAITING_FOR_PERSON: Explanation(
        "FAILED_PRECONDITION",
        "The item does not wait for this word: somebody was faster, or it is of the other kind.",
        "Look at it again: dead letters are requeued or resolved, unknown outcomes are closed.",
    ),
    _R.RESOLVED_NOT_EXECUTED: Explanation(
        "ABORTED",
        "A person of the provider found that the service did not act.",
        "Try again with a new request id.",
    ),
}
