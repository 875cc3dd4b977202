"""A moment's half of the input: what rules can tell apart of one transfer on a corridor and day.

:func:`coarse` makes the key by which projections are remembered, so it is on the path of every
transfer: what nobody stated is one constant, found by identity. :func:`sections` spells a key out.
What a moment's dates and counts are compared with is worked out once a day (:class:`Marks`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from xbgateway.model.days import months_later
from xbgateway.model.facts import (
    NO_CASE,
    UNCOUNTED,
    UNREAD,
    UNSTATED,
    CaseState,
    ContentFacts,
    Counts,
    Moment,
    Standing,
)
from xbgateway.policy.day import NEVER, Day

Key = tuple[Any, ...]

_NO_CASE = ("none", "unknown", "none", "none", False, "unknown")
_UNSTATED = ("none", "unknown", "unknown")
_OPEN = frozenset({"open", "waiting", "answered"})
_STAY_REGION = "hengqin"
# An emergency that says no instant is over.
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Marks:
    """One corridor on one day: thresholds, and the words for what a moment does not state."""

    day: Day
    emergency: tuple[datetime, datetime] | None
    max_subjects: int | None
    calendar: str  # of whoever provides the service
    case_term: str
    record_since: str
    uncounted: Key
    unread: Key

    @classmethod
    def of(cls, standing: Standing, day: Day) -> "Marks":
        """What moments on ``standing`` are compared with on ``day``."""
        max_subjects = standing.mechanism.max_subjects if standing.mechanism else None
        provider = standing.recipient if standing.leg == "request" else standing.sender
        record_since = _since(day, "record_months")
        rights = standing.purpose == "RIGHTS_REQUEST"
        return cls(
            day=day,
            emergency=_emergency(standing.basis.emergency_since, day),
            max_subjects=max_subjects,
            calendar=provider.jurisdiction,
            case_term="rights_working_days" if rights else "case_working_days",
            record_since=record_since,
            uncounted=_counts(UNCOUNTED, max_subjects, day),
            unread=(
                _age(standing.dataset.min_age, day),
                _record(standing.dataset.updated_on, record_since),
                (),
                "none",
                "none",
                "none",
            ),
        )


def _since(day: Day, months: str) -> str:
    """The earliest day whose term of months is not over; after all days where none is known."""
    count = day.cuts.thresholds.get(months)
    if count is None:
        return "9999-12-31"
    start = months_later(day.today, -count)
    while months_later(start, count) < day.today:
        start += timedelta(days=1)
    return start.isoformat()


def _emergency(since: str | None, day: Day) -> tuple[datetime, datetime] | None:
    if since is None:
        return None
    began = instant(since)
    if began is None:
        return _LONG_AGO, _LONG_AGO
    return began, began + timedelta(hours=day.cuts.thresholds.get("emergency_hours", 0))


def coarse(moment: Moment, marks: Marks) -> Key:
    """All of a moment that an input can tell apart."""
    limits = marks.day.cuts.thresholds
    counts, case = moment.counts, moment.case
    content, protection = moment.content, moment.protection
    return (
        moment.fields,
        moment.approvals,
        moment.synthetic,
        _freshness(moment, limits.get("replay_s")),
        moment.replayed,
        "unknown" if moment.subjects is None else "some" if moment.subjects else "none",
        _band(moment.queries_person_day, limits.get("rate_person_day")),
        _band(moment.queries_requester_hour, limits.get("rate_requester_hour")),
        "1.3" if moment.tls == "TLSv1.3" else "older",
        moment.payload_sealed,
        moment.sender_signed,
        moment.gateway_signed,
        moment.log_ok,
        "none" if marks.emergency is None else _lasting(moment.now, *marks.emergency),
        marks.uncounted if counts is UNCOUNTED else _counts(counts, marks.max_subjects, marks.day),
        _NO_CASE if case is NO_CASE else _case(case, marks),
        marks.unread if content is UNREAD else _content(content, marks),
        _UNSTATED
        if protection is UNSTATED
        else (
            protection.suite or "none",
            protection.key_store or "unknown",
            protection.certificate or "unknown",
        ),
    )


def sections(key: Key) -> dict[str, dict[str, Any]]:
    """What a key adds to the sections of the input."""
    (_, approvals, identifiers, freshness, replayed, subjects, person, hour) = key[:8]
    (tls, sealed, sender_signed, gateway_signed, log_ok, emergency) = key[8:14]
    counts, case, content, (suite, key_store, certificate) = key[14:]
    return {
        "t": {
            "approvals": sorted(set(approvals)),
            "freshness": freshness,
            "identifiers": identifiers,
            "rate_hour": hour,
            "rate_person": person,
            "replayed": replayed,
            "subjects": subjects,
        },
        "basis": {"emergency": emergency},
        "crypto": {
            "certificate": certificate,
            "gateway_signed": gateway_signed,
            "key_store": key_store,
            "payload_sealed": sealed,
            "sender_signed": sender_signed,
            "suite": suite,
            "tls": tls,
        },
        "log": {"ok": log_ok},
        "counts": dict(
            zip(("pi_year", "spi_year", "assessed", "split", "repeats"), counts, strict=True)
        ),
        "case": dict(
            zip(
                ("status", "term", "hold_cn", "hold_mo", "self_approved", "evidence_held"),
                case,
                strict=True,
            )
        ),
        "content": dict(
            zip(("youngest", "record", "objected", "stay", "cells", "bucket"), content, strict=True)
        ),
    }


def instant(text: str) -> datetime | None:
    """The instant of an RFC 3339 text; ``None`` where it is none or has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _freshness(moment: Moment, limit_s: int | None) -> str:
    if moment.sent_at is None:
        return "elsewhere"
    if limit_s is None:
        return "unknown"
    # What waited for a person was fresh or stale when it came.
    sent, came = instant(moment.sent_at), instant(moment.admitted_at or moment.now)
    if sent is None or came is None:
        return "stale"
    return "fresh" if abs((came - sent).total_seconds()) <= limit_s else "stale"


def _band(count: int | None, limit: int | None) -> str:
    """``low`` up to half the limit, ``half`` up to the limit, ``over`` above it."""
    if count is None:
        return "none"
    if limit is None:
        return "unknown"
    return "over" if count > limit else "half" if 2 * count > limit else "low"


def _lasting(now: str, began: datetime, over: datetime) -> str:
    """Where in an emergency's hours the clock stands; the last instant is inside."""
    at = instant(now)
    if at is None or over < at:
        return "past"
    return "not_yet" if at < began else "inside"


def _counts(counts: Counts, max_subjects: int | None, day: Day) -> Key:
    return (
        _year(counts.pi_year, "pi", day),
        _year(counts.spi_year, "spi", day),
        "unlimited" if max_subjects is None else _inside(counts.assessed, max_subjects),
        _split(counts, day),
        _inside(counts.requests_window, day.cuts.thresholds.get("repeat_requests")),
    )


def _year(count: int | None, what: str, day: Day) -> str:
    """Which mechanism a count of persons calls for: none, a contract, an assessment."""
    limits = day.cuts.thresholds
    contract, assessment = (
        limits.get(f"{what}_contract_from"),
        limits.get(f"{what}_assessment_from"),
    )
    if count is None or contract is None or assessment is None:
        return "unknown"
    return "assessment" if count >= assessment else "contract" if count >= contract else "small"


def _inside(count: int | None, limit: int | None) -> str:
    if count is None or limit is None:
        return "unknown"
    return "inside" if count <= limit else "over"


def _split(counts: Counts, day: Day) -> str:
    """Whether batches that are small one by one are together at what calls for an assessment."""
    bands = [_year(counts.pi_window, "pi", day), _year(counts.spi_window, "spi", day)]
    if counts.batches_window is None or "unknown" in bands:
        return "unknown"
    return "yes" if counts.batches_window > 1 and "assessment" in bands else "no"


def _case(case: CaseState, marks: Marks) -> Key:
    status = "none" if case.status is None else "open" if case.status in _OPEN else "closed"
    return (
        status,
        _term(case.opened_on, marks.case_term, marks.calendar, marks.day, "unknown"),
        _term(case.held_on, "hold_working_days", "CN", marks.day, "none"),
        _term(case.held_on, "hold_working_days", "MO", marks.day, "none"),
        case.self_approved,
        case.evidence_held or "unknown",
    )


def _term(start: str | None, threshold: str, calendar: str, day: Day, unstated: str) -> str:
    if start is None:
        return unstated
    return "inside" if day.within(start, threshold, calendar) else "past"


def _content(content: ContentFacts, marks: Marks) -> Key:
    age, record = marks.unread[:2]
    if content.min_age is not None:
        age = _age(content.min_age, marks.day)
    if content.record_on is not None:
        record = _record(content.record_on, marks.record_since)
    return (
        age,
        record,
        tuple(sorted(set(content.objected))),
        _stay(content, marks.day),
        _cells(content.min_cell, marks.day),
        _bucket(content.bucket_months, marks.day),
    )


def _age(years: int | None, day: Day) -> str:
    limit = day.cuts.thresholds.get("child_age")
    if years is None or limit is None:
        return "unknown"
    return "child" if years < limit else "older"


def _record(day: str | None, since: str) -> str:
    if day is None:
        return "unknown"
    return "fresh" if day >= since else "old"


def _stay(content: ContentFacts, day: Day) -> str:
    """Whether a declared stay can count as time in Hengqin."""
    if content.stay_from is None and content.stay_region is None:
        return "none"
    if content.stay_region != _STAY_REGION:
        return "elsewhere"
    first: date | None = day.cuts.days.get("hengqin_stay_from")
    began = content.stay_from or NEVER
    return "inside" if first is not None and began >= first.isoformat() else "before"


def _cells(count: int | None, day: Day) -> str:
    least = day.cuts.thresholds.get("cell_min")
    if count is None:
        return "none"
    return "enough" if least is not None and count >= least else "small"


def _bucket(months: int | None, day: Day) -> str:
    least = day.cuts.thresholds.get("predicate_bucket_months")
    if months is None:
        return "none"
    return "wide" if least is not None and months >= least else "narrow"
