"""Why a connection failed, read from gRPC's own words.

A certificate that TLS refuses never reaches code that could answer: gRPC says UNAVAILABLE to
whoever dialled, and one line of text. It has no other form, so the text is read here, in one place;
words that are not known mean nothing. Of a name with several addresses gRPC tells the last one's
error only.
"""

from xbgateway.model.errors import Reason

# gRPC puts it before the error of the attempt to connect; an open connection that breaks has none.
_ATTEMPT = "last error: "
_UNTRUSTED = ("certificate_verify_failed", "verification check failed")
# In TLS 1.3 the dialling end is through before the other end refuses: all it sees is the end.
_FAILED = ("handshake failed", "socket closed", "connection reset")


def never_connected(said: str) -> bool:
    """Whether gRPC speaks of an attempt to connect, and not of a connection that broke."""
    return _ATTEMPT in said.lower()


def dialling_reason(said: str) -> Reason | None:
    """``NODE_UNTRUSTED`` or ``HANDSHAKE_FAILED`` for what gRPC said; None for anything else."""
    _, attempt, error = said.lower().partition(_ATTEMPT)
    if not attempt:
        return None
    if any(words in error for words in _UNTRUSTED):
        return Reason.NODE_UNTRUSTED
    if any(words in error for words in _FAILED):
        return Reason.HANDSHAKE_FAILED
    return None
