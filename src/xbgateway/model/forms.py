"""The forms of an entry's fields (``docs/spec/entry.md``, section 1): what a value may look like.

Only :mod:`xbgateway.model.entry` asks. Each check takes whatever JSON gave, never raises, and says
yes only to the one form that the page allows.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{3})?Z")
_NAME = re.compile(r"[!-~]{1,256}")
_TEXT = re.compile(r"[!-~]{0,4096}")

Check = Callable[[Any], bool]


def matches(pattern: re.Pattern[str]) -> Check:
    """A check that a value is a text of one pattern, whole."""
    whole = pattern.fullmatch
    return lambda value: isinstance(value, str) and whole(value) is not None


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
    return isinstance(value, list) and all(map(is_name, value))


def is_count(value: Any) -> bool:
    """A whole number that every reader of JSON has exactly (RFC 7493)."""
    return type(value) is int and 0 <= value < 2**53


is_name = matches(_NAME)
_one_digest = matches(_DIGEST)
CHECKS: dict[str, Check] = {
    "at": _instant,
    "not_after": _instant,
    "not_before": _instant,
    "deadline": _instant,
    "exchange": matches(UUID),
    "case": matches(UUID),
    "concluded": matches(UUID),
    "step": is_count,
    "parties": _names,
    "control": is_count,
    "size": is_count,
    "count": is_count,
    "sealed_bytes": is_count,
    "stream_bytes": is_count,
    "stream_segments": is_count,
    "rules": _names,
    "retires": _names,
    "public_key": matches(_TEXT),
    **dict.fromkeys(
        (
            *("request", "answer", "hold", "facts", "input", "decision", "revision", "root"),
            *("declaration", "commitment", "sealed", "wrap", "version", "previous", "source"),
            *("change", "stream_root", "log_key", "cosign_key", "case_type", "document"),
        ),
        _one_digest,
    ),
}


@dataclass(frozen=True)
class Part:
    """A group of fields that stands in an entry's object whole or not at all."""

    name: str
    target: type[Any]

    @cached_property
    def inside(self) -> tuple[str, ...]:
        """The names that the group has in the object."""
        return tuple(each.name for each in fields(self.target))


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of entry is written and read; made once."""

    target: type[Any]
    plain: tuple[str, ...]  # its own fields, in order
    parts: tuple[Part, ...]
    required: frozenset[str]  # names that always stand in the object
    checks: dict[str, Check]  # of every name that may stand in it


def shape_of(
    target: type[Any], groups: tuple[Part, ...], words: dict[str, tuple[str, ...]]
) -> Shape:
    """The shape of an entry's class; ``words`` are all that a field may say."""
    own = {each.name: each.default for each in fields(target)}
    parts = tuple(part for part in groups if part.name in own)
    plain = tuple(name for name in own if name not in {part.name for part in parts})
    # A list is always written, whatever its default in code.
    required = {"v", "kind", *(name for name in plain if own[name] in (MISSING, ()))}
    names = set(plain)
    for part in parts:
        names |= set(part.inside)
        if own[part.name] is MISSING:
            required |= set(part.inside)
    checks: dict[str, Check] = {"v": _read_before, "kind": _read_before}
    checks |= {name: CHECKS.get(name, is_name) for name in names}
    checks |= {name: _one_of(allowed) for name, allowed in words.items()}
    return Shape(target, plain, parts, frozenset(required), checks)


def _read_before(_value: Any) -> bool:
    return True


def _one_of(allowed: tuple[str, ...]) -> Check:
    return lambda value: value in allowed


def exchange_named(raw: bytes) -> str | None:
    """The exchange that something unreadable seems to be of, so that it can be refused by name."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        return None
    exchange = body.get("exchange") if isinstance(body, dict) else None
    return exchange if matches(UUID)(exchange) else None
