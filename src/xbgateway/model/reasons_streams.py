"""Reasons of attachments: uploads, what may wait, and what stops one on its way."""

from .errors import Explanation, Reason

_R = Reason

STREAMS: dict[Reason, Explanation] = {
    _R.STREAM_UNKNOWN: Explanation(
        "NOT_FOUND",
        "This party has no such attachment here, or it was taken away or erased.",
        "Check the id: an upload has its own, what came in has that of its exchange.",
    ),
    _R.STREAM_INCOMPLETE: Explanation(
        "FAILED_PRECONDITION",
        "Not all of the attachment is here yet.",
        "Go on with the upload under the same id; of an exchange that comes in, wait for it.",
    ),
    _R.STREAM_TAKEN: Explanation(
        "FAILED_PRECONDITION",
        "The upload belongs to an exchange already, or was begun with another size.",
        "Upload the attachment again under a new id.",
    ),
    _R.STREAM_ROOM: Explanation(
        "RESOURCE_EXHAUSTED",
        "The party has as many bytes of attachments waiting at the node as it may.",
        "Let exchanges end, delete uploads that are not needed, then try again.",
    ),
    _R.STREAM_BUSY: Explanation(
        "UNAVAILABLE",
        "Another call is uploading the same attachment just now.",
        "Let it end, or try again in a moment if it was yours and broke off.",
    ),
    _R.STREAM_STOPPED: Explanation(
        "PERMISSION_DENIED",
        "The law of the sender's side does not allow the attachment any more: it stopped midway.",
        "See what was revoked; what had arrived is erased, and nothing was delivered.",
    ),
}
