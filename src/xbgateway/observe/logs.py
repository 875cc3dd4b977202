"""The node's own messages: one line each, keys from a closed list, never a person's data.

A key that is not on the list is dropped and only its name is kept, under ``dropped``. An exception
is told by its type, its stable reason and where it was raised, never by its text, which may quote
what it choked on. Long runs of digits in the event or a value are blotted out. Libraries' messages
go the same way. The transfer log is another thing altogether: see ``tlog`` and ``store``.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from xbgateway.model.errors import GatewayError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

ALLOWED_KEYS = frozenset(
    {
        # what every line has
        *("time", "level", "event", "node", "exchange", "reason", "logger", "dropped"),
        # who and what, by registered names
        *("party", "peer", "service", "method", "leg", "step", "outcome", "rule", "revision"),
        *("origin", "lane", "index", "size", "kind", "field"),
        # how much and how long
        *("count", "bytes", "duration_ms", "attempt", "wait_ms"),
        # where and why, for operators
        *("address", "path", "key", "version", "pid", "signal", "code", "error", "raised_at"),
    }
)

# Exceptions and stacks are replaced by what may be told about them before keys are looked at.
_EXCEPTION_KEYS = ("exc_info", "exception", "stack_info", "stack")
_VALUE_CHARS_MAX = 512
_FRAMES_MAX = 12
# Every identifier of a person that we know has six digits in a row; a digest or UUID that has too
# is spared where it stands alone, or under a key that holds such names.
_DIGITS = re.compile(r"\d{6,}")
_OPAQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,128}")
_NAMES = frozenset({"time", "exchange", "revision", "origin", "version", "node"})


def configure_logging(
    level: Level = "info", fmt: Format = "json", *, node: str = "", stream: TextIO | None = None
) -> None:
    """Set up structlog and the standard library's logging for this process.

    Lines go to ``stream``, standard error by default; ``node`` stands on every line. May be called
    again.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _with_node(node),
        tell_exception,
        keep_allowed,
    ]
    render: Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time")
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,  # so that a second call takes hold everywhere
    )
    channel = logging.StreamHandler(out)
    channel.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            # A library's message goes the way that our own go.
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[_without_meta, keep_allowed, render],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(channel)
    # Libraries at debug level print what they carry.
    root.setLevel(max(number, logging.INFO))


def tell_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replaces an exception by its type, its reason and where it was raised."""
    found = event.pop("exc_info", None)
    for key in _EXCEPTION_KEYS:
        event.pop(key, None)
    error = _exception(found)
    if error is None:
        return event
    event["error"] = type(error).__name__
    event["raised_at"] = _frames(error.__traceback__)
    if isinstance(error, GatewayError):
        event.setdefault("reason", str(error.reason))
    return event


def keep_allowed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drops every key off the list and blots out what looks like an identifier."""
    kept: dict[str, Any] = {}
    dropped = [str(_plain("dropped", event["dropped"]))] if "dropped" in event else []
    for key, value in event.items():
        if key.startswith("_"):
            kept[key] = value  # structlog's own, taken out before the line is written
        elif key not in ALLOWED_KEYS:
            dropped.append(_DIGITS.sub("•", str(key))[:64])
        elif key != "dropped":
            kept[key] = _plain(key, value)
    if dropped:
        kept["dropped"] = " ".join(sorted(dropped))
    return kept


def _plain(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        # Sizes and counts are numbers; anything longer than a size can be is an identifier.
        return value if abs(value) < 10**15 else "•"
    text = str(value)[:_VALUE_CHARS_MAX]
    return text if key in _NAMES or _OPAQUE.fullmatch(text) else _DIGITS.sub("•", text)


def _exception(found: object) -> BaseException | None:
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple):
        return found[1] if isinstance(found[1], BaseException) else None
    return sys.exc_info()[1] if found else None


def _frames(trace: TracebackType | None) -> str:
    """Where it was raised, innermost last: file, line and function; no source, no values."""
    frames = traceback.extract_tb(trace)[-_FRAMES_MAX:]
    return " > ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno}:{f.name}" for f in frames)


def _with_node(node: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if node:
            event.setdefault("node", node)
        return event

    return add


def _without_meta(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: value for key, value in event.items() if not key.startswith("_")}


def _json(event: MutableMapping[str, Any], **_: object) -> str:
    return orjson.dumps(event).decode()
