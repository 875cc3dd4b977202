"""What a message says about itself in the fields whose meaning their provider names.

Law asks for ages, days and counts; a label says which field holds which. Pure functions over what
:meth:`Content.meanings` lists. What cannot be read is taken as the strictest thing it could say, so
that a value nobody understands loosens no rule.
"""

from datetime import date

from xbgateway.model.facts import UNREAD, ContentFacts

_LONG_AGO = "0001-01-01"
_NOWHERE = "unknown"


def content_facts(meanings: tuple[tuple[str, str], ...], today: date) -> ContentFacts:
    """The facts that labelled fields say on a local day; ``UNREAD`` where none is labelled.

    Dates are ISO days (``2026-03-16``). ``objected`` stays empty: there is no register of
    objections yet.
    """
    if not meanings:
        return UNREAD
    said: dict[str, list[str]] = {}
    for meaning, value in meanings:
        said.setdefault(meaning, []).append(value)
    stays = [_day(text) or _LONG_AGO for text in said.get("stay_from", ())]
    return ContentFacts(
        min_age=min((_age(text, today) for text in said.get("birth_date", ())), default=None),
        record_on=min((_day(t) or _LONG_AGO for t in said.get("record_date", ())), default=None),
        stay_from=min(stays, default=None),
        stay_region=_only(said.get("stay_region", ())),
        min_cell=min(map(int, said.get("cell_count", ())), default=None),
        bucket_months=min(map(int, said.get("bucket_months", ())), default=None),
    )


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _age(text: str, today: date) -> int:
    """Full years of life; 0 where nobody can say. Who was born on 29 February waits for 1 March."""
    day = _day(text)
    if day is None:
        return 0
    born = date.fromisoformat(day)
    return max(0, today.year - born.year - ((today.month, today.day) < (born.month, born.day)))


def _only(regions: tuple[str, ...] | list[str]) -> str | None:
    """The one region that all stays are in; several are none that a rule could know."""
    named = {region.lower() for region in regions}
    return None if not named else named.pop() if len(named) == 1 else _NOWHERE
