"""From what a caller wrote beside the payload to a :class:`Submission`.

Checks form only: that each value is there once and looks like what it should be. Whether a purpose,
a scenario or a recipient exists is for the path. Keys and forms are in ``docs/developers.md``.
"""

import re
from collections.abc import Iterable, Mapping

from xbgateway.exchange.stages import Submission
from xbgateway.model import limits
from xbgateway.model.clock import instant, parse_instant
from xbgateway.model.errors import Reason, Refused

from .identity import Caller

_PREFIX = "xb-"
_REQUIRED = ("purpose", "scenario", "sent-at")
_KEYS = frozenset(
    {"request-id", *_REQUIRED, "references", "recipient", "validate-only", "case-id", "language"}
    | {"attachment"}
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NAME = re.compile(rf"[!-+\--~]{{1,{limits.NAME_CHARS_MAX}}}", re.ASCII)  # printable, no comma
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)", re.ASCII)
_FLAGS = {"true": True, "false": False}


def declared(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """The ``xb-`` values of a call's metadata, by key without prefix.

    Raises ``Refused(REFERENCE_MALFORMED)`` for a key that stands twice or is not known: a
    misspelt key must not silently mean nothing.
    """
    found: dict[str, str] = {}
    for key, value in metadata:
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX)
        if name not in _KEYS or not isinstance(value, str):
            raise _malformed(name, "is not a key of this gateway")
        if name in found:
            raise _malformed(name, "stands twice")
        found[name] = value
    return found


def submission(
    caller: Caller, service: str, method: str, payload: bytes, words: Mapping[str, str]
) -> Submission:
    """The submission that a caller makes. ``words`` are as :func:`declared` gives them.

    Raises ``Refused``: ``REQUEST_ID_MISSING``, ``REFERENCE_MISSING``, ``REFERENCE_MALFORMED``,
    ``PAYLOAD_TOO_LARGE``.
    """
    if len(payload) > limits.INLINE_PAYLOAD_BYTES_MAX:
        raise Refused(
            Reason.PAYLOAD_TOO_LARGE,
            f"An exchange carries {limits.INLINE_PAYLOAD_BYTES_MAX} bytes at most.",
            limit_bytes=str(limits.INLINE_PAYLOAD_BYTES_MAX),
            payload_bytes=str(len(payload)),
        )
    request_id = words.get("request-id", "").lower()
    if not request_id:
        raise Refused(Reason.REQUEST_ID_MISSING, "The call carries no request id.")
    if not _UUID.fullmatch(request_id):
        raise _malformed("request-id", "is not a UUID")
    for name in _REQUIRED:
        if not words.get(name):
            raise Refused(
                Reason.REFERENCE_MISSING, f"The call does not say its {name}.", field=name
            )
    flag = words.get("validate-only") or "false"
    if flag not in _FLAGS:
        raise _malformed("validate-only", "is neither true nor false")
    return Submission(
        party=caller.party,
        subject=caller.subject,
        request_id=request_id,
        service=service,
        method=method,
        payload=payload,
        purpose=_name(words, "purpose"),
        scenario=_name(words, "scenario"),
        references=_references(words.get("references", "")),
        recipient=_name(words, "recipient") if words.get("recipient") else None,
        case_id=_name(words, "case-id") if words.get("case-id") else None,
        sent_at=_sent_at(words["sent-at"]),
        tls=caller.tls,
        validate_only=_FLAGS[flag],
        attachment=_attachment(words.get("attachment", "")),
    )


def _attachment(text: str) -> str:
    if text and not _UUID.fullmatch(text.lower()):
        raise _malformed("attachment", "is not a UUID")
    return text.lower()


def _name(words: Mapping[str, str], field: str) -> str:
    if not _NAME.fullmatch(words[field]):
        raise _malformed(field, "is not a registered name's form")
    return words[field]


def _references(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if len(names) > limits.REFERENCES_MAX:
        raise _malformed("references", f"names more than {limits.REFERENCES_MAX} instruments")
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise _malformed("references", "is not a list of different ids, parted by commas")
    return names


def _sent_at(text: str) -> str:
    if not _INSTANT.fullmatch(text):
        raise _malformed("sent-at", "is not an RFC 3339 time in UTC")
    try:
        return instant(parse_instant(text))
    except ValueError as error:
        raise _malformed("sent-at", "is no time that there is") from error


def _malformed(field: str, why: str) -> Refused:
    known = field if field in _KEYS else "unknown"
    return Refused(Reason.REFERENCE_MALFORMED, f"The value of xb-{known} {why}.", field=known)
