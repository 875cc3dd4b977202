"""Facts become the input that rules see: states and verdicts, as fine as the law and no finer.

Dates become states on the local day (UTC+8, last day inside), counters become bands at the
tables' thresholds, freshness a verdict; ids, names of parties and instants never pass. Equal inputs
are equal to the byte, and so decided once (``memo.py``). It reads no clock: the one reading is in
the facts.

A gateway asks this four times per exchange. So what the registers say is projected once per
:class:`~xbgateway.model.facts.Standing` object and local day (share the object!), and each coarse
moment on it once too; the usual case is a dictionary look-up.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import orjson

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.facts import Facts, Standing
from xbgateway.policy.corridor import labelled_fields, standing_half
from xbgateway.policy.day import Day
from xbgateway.policy.moment import Key, Marks, coarse, instant, sections
from xbgateway.policy.papers import in_use
from xbgateway.policy.revision import Revision

VERSION = 1
# Standing objects remembered; one per method, scenario and pair of parties in use.
CORRIDORS_MAX = 1024
# Coarse moments remembered per standing object and day; a few dozen occur.
MOMENTS_MAX = 256
# Local days remembered per standing object: around midnight two are in use.
DAYS_MAX = 2
_HOURS_MAX = 64
_HOUR_OF_LOCAL_MIDNIGHT = 16  # 00:00 in UTC+8 is 16:00 UTC of the day before
_HOUR_CHARS = len("2026-03-16T02")


@dataclass(frozen=True, slots=True)
class Projected:
    """A canonical input and its hex SHA-256."""

    input_bytes: bytes
    digest: str

    @classmethod
    def of(cls, input_bytes: bytes) -> "Projected":
        """The same for an input that was recorded."""
        return cls(input_bytes, hashlib.sha256(input_bytes).hexdigest())


@dataclass(slots=True)
class _Day:
    """One standing object on one local day: its half of the input and the moments seen on it."""

    half: dict[str, Any]
    marks: Marks
    moments: dict[Key, Projected] = field(default_factory=dict)


@dataclass(slots=True)
class _Corridor:
    """A remembered standing object; the reference keeps its identity from being used again."""

    standing: Standing
    fields: dict[str, dict[str, Any]]
    days: dict[date, _Day] = field(default_factory=dict)


class Projector:
    """Projects facts under one revision. Safe from many threads; equal facts, equal bytes."""

    def __init__(self, revision: Revision) -> None:
        self._tables = revision.tables
        self._corridors: dict[int, _Corridor] = {}
        self._hours: dict[str, date] = {}

    def projected(self, facts: Facts) -> Projected:
        """The canonical input with its digest.

        Raises Refused(CONTENT_UNDECLARED) for a present path that the message type does not have,
        Unavailable(POLICY_ERROR) where the clock reading is no RFC 3339 UTC instant.
        """
        corridor, day = self._day(facts)
        key = coarse(facts.moment, day.marks)
        known = day.moments.get(key)
        if known is not None:
            return known
        projected = Projected.of(
            orjson.dumps(_join(corridor, day, key), option=orjson.OPT_SORT_KEYS)
        )
        if len(day.moments) >= MOMENTS_MAX:
            day.moments.clear()
        day.moments[key] = projected
        return projected

    def input_bytes(self, facts: Facts) -> bytes:
        """The canonical input: sorted keys, no spaces. Raises as :meth:`projected` does."""
        return self.projected(facts).input_bytes

    def project(self, facts: Facts) -> dict[str, Any]:
        """The input as a value, for people and tests. Raises as :meth:`projected` does."""
        document: dict[str, Any] = orjson.loads(self.input_bytes(facts))
        return document

    def _day(self, facts: Facts) -> tuple[_Corridor, _Day]:
        standing = facts.standing
        corridor = self._corridors.get(id(standing))
        if corridor is None or corridor.standing is not standing:
            if len(self._corridors) >= CORRIDORS_MAX:
                self._corridors.clear()
            corridor = _Corridor(standing, labelled_fields(standing))
            self._corridors[id(standing)] = corridor
        today = self._local_day(facts.moment.now)
        day = corridor.days.get(today)
        if day is None:
            edition = self._tables.edition(today)
            asked = Day(today, self._tables.cuts[edition])
            used = in_use(standing, asked)
            half = {"effective": edition, **standing_half(used, asked)}
            day = _Day(half, Marks.of(used, asked))
            if len(corridor.days) >= DAYS_MAX:
                corridor.days.clear()
            corridor.days[today] = day
        return corridor, day

    def _local_day(self, now: str) -> date:
        """The local day of an instant; every instant of one UTC hour lies on the same one."""
        if not now.endswith("Z"):
            raise Unavailable(Reason.POLICY_ERROR, "the clock reading is not in UTC")
        hour = now[:_HOUR_CHARS]
        day = self._hours.get(hour)
        if day is None:
            at = instant(now)
            if at is None:
                raise Unavailable(Reason.POLICY_ERROR, "the clock reading is not an instant")
            day = at.date()
            if at.hour >= _HOUR_OF_LOCAL_MIDNIGHT:
                day += timedelta(days=1)
            if len(self._hours) >= _HOURS_MAX:
                self._hours.clear()
            self._hours[hour] = day
        return day


def _join(corridor: _Corridor, day: _Day, key: Key) -> dict[str, Any]:
    """The whole input from a standing half and a coarse moment."""
    present = key[0]
    unknown = [path for path in present if path not in corridor.fields]
    if unknown:
        raise Refused(
            Reason.CONTENT_UNDECLARED,
            "the message has a field that its type has not",
            path=unknown[0],
        )
    own = sections(key)
    return {
        **day.half,
        **{name: {**day.half.get(name, {}), **section} for name, section in own.items()},
        "v": VERSION,
        "fields": [corridor.fields[path] for path in sorted(set(present))],
    }
