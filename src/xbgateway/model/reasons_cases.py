"""Reasons of one-stop cases: their types, who may do what in them, what they are about."""

from .errors import Explanation, Reason

_R = Reason

CASES: dict[Reason, Explanation] = {
    _R.CASE_TYPE_INVALID: Explanation(
        "FAILED_PRECONDITION",
        "The declaration of a case type is malformed, or contradicts itself.",
        "File, line and what is wrong are in the error; `xbgateway check-config` says the same.",
    ),
    _R.CASE_TYPE_UNKNOWN: Explanation(
        "NOT_FOUND",
        "This node has no case type of this name, or not the declaration that the case follows.",
        "Ask for the list of types; both nodes install the same declarations.",
    ),
    _R.CASE_UNKNOWN: Explanation(
        "NOT_FOUND",
        "There is no such case, or the caller takes no part in it.",
        "Check the id or number; cases are shown to those who take part in them.",
    ),
    _R.CASE_ILLEGAL: Explanation(
        "FAILED_PRECONDITION",
        "The case does not stand where this can be done, or it has ended; nothing was changed.",
        "Look at the case: it says which acts are possible now.",
    ),
    _R.CASE_ROLE: Explanation(
        "PERMISSION_DENIED",
        "The caller takes part in the case, but not in the role or office that this act needs.",
        "The error names the role; the party that has it acts at its own node.",
    ),
    _R.CASE_DUPLICATE: Explanation(
        "ALREADY_EXISTS",
        "A case of this type about the same matter is still open.",
        "Go on with the case that the error names, or end it first.",
    ),
    _R.CASE_DOCUMENT_INVALID: Explanation(
        "INVALID_ARGUMENT",
        "The application is not what the case type asks for.",
        "The error names the field and what is wrong with it.",
    ),
    _R.CASE_NOT_WANTED: Explanation(
        "FAILED_PRECONDITION",
        "The exchange names a case that does not want it: it is not known, not of this sender,"
        " or stands elsewhere.",
        "Nothing to do at the counter; operators of both nodes compare the case's entries.",
    ),
}
