"""The forms of an entry's fields (``docs/spec/entry.md``, section 1): what a value may look like.

Only :mod:`xbgateway.model.entry` asks. Each check takes whatever JSON gave, never raises, and says
yes only to the one form that the page allows.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{3})?Z")
_NAME = re.compile(r"[!-~]{1,256}")
_TEXT = re.compile(r"[!-~]{0,4096}")


def matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    """A check that a value is a text of one pattern, whole."""
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _instant(value: Any) -> bool:
    """A time that exists: what a peer wrote is compared with the clock later on."""
    if not isinstance(value, str) or _INSTANT.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(matches(_NAME)(item) for item in value)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


_one_digest = matches(_DIGEST)
CHECKS: dict[str, Callable[[Any], bool]] = {
    "at": _instant,
    "not_after": _instant,
    "not_before": _instant,
    "deadline": _instant,
    "exchange": matches(UUID),
    "control": _count,
    "size": _count,
    "count": _count,
    "sealed_bytes": _count,
    "rules": _names,
    "retires": _names,
    "public_key": matches(_TEXT),
    **dict.fromkeys(
        (
            *("request", "answer", "hold", "facts", "input", "decision", "revision", "root"),
            *("declaration", "commitment", "sealed", "wrap", "version", "previous", "source"),
        ),
        _one_digest,
    ),
}
is_name = matches(_NAME)
