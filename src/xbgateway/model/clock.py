"""Time as a value: one reading per decision, and a clock that refuses to go back."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol
from uuid import UUID

from .errors import Reason, Unavailable

# NTP slews; a step back of more than this is a fault or an attack.
_BACK_MAX = timedelta(seconds=2)
# Law counts local days; Zhuhai, Hengqin and Macao share one offset without summer time.
LOCAL = timezone(timedelta(hours=8))


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""


class SystemClock:
    """The machine's clock, fail closed where it goes back."""

    def __init__(self, read: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._read = read
        self._last = datetime.fromtimestamp(0, UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The present moment. Raises ``Unavailable(CLOCK_BACK)`` after a step back."""
        with self._lock:
            moment = self._read()
            if moment < self._last - _BACK_MAX:
                raise Unavailable(
                    Reason.CLOCK_BACK,
                    f"the clock went back from {instant(self._last)} to {instant(moment)}",
                )
            self._last = max(self._last, moment)
            return moment

    def not_before(self, moment: datetime) -> None:
        """Never read a time before ``moment``, for example that of the last entry on record."""
        with self._lock:
            self._last = max(self._last, moment)


def instant(moment: datetime) -> str:
    """RFC 3339 UTC with milliseconds, as every entry spells it."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def parse_instant(text: str) -> datetime:
    """The moment of an RFC 3339 text; ``ValueError`` where it is none or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return moment.astimezone(UTC)


def uuid7(moment: datetime, random: bytes) -> str:
    """A UUID of version 7 (RFC 9562 §5.7): millisecond time, then 74 of ``random``'s 80 bits."""
    ms = int(moment.timestamp() * 1000)
    tail = int.from_bytes(random)
    high, low = tail >> 68 & 0xFFF, tail & (1 << 62) - 1
    return str(UUID(int=ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low))
