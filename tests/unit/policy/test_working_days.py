from datetime import date

import pytest
from tests.harness.facts import policy_files

from xbgateway.policy.revision import load_revision
from xbgateway.policy.tables import Maximum

CALENDARS = load_revision(policy_files()).tables.cuts[-1].calendars


@pytest.mark.parametrize(
    ("calendar", "start", "due"),
    [
        ("CN", date(2026, 3, 2), date(2026, 3, 16)),  # the catalogue's example
        ("MO", date(2026, 3, 2), date(2026, 3, 16)),
        ("CN", date(2026, 2, 27), date(2026, 3, 12)),  # Saturday 28 February was worked
        ("MO", date(2026, 2, 27), date(2026, 3, 13)),
        ("CN", date(2026, 2, 13), date(2026, 3, 5)),  # the 14th worked, 16th-20th and 23rd off
        ("CN", date(2026, 9, 30), date(2026, 10, 20)),  # 1st-7th off, the 10th worked
        ("MO", date(2026, 12, 21), date(2027, 1, 7)),  # 22nd, 24th, 25th off; 2027 has no rows
        ("CN", date(2026, 3, 7), date(2026, 3, 20)),  # starts on a Saturday
    ],
)
def test_ten_working_days(calendar: str, start: date, due: date) -> None:
    assert CALENDARS[calendar].due(start, 10) == due
    assert CALENDARS[calendar].is_working(due)


def test_no_working_days_end_on_the_day_itself() -> None:
    assert CALENDARS["CN"].due(date(2026, 3, 7), 0) == date(2026, 3, 7)


def test_a_year_ends_on_the_same_date_and_29_february_on_the_28th() -> None:
    assert Maximum(0, 1).days_from(date(2028, 2, 29)) == 365
    assert Maximum(0, 2).days_from(date(2026, 3, 16)) == 731
    assert Maximum(0, 2).days_from(date(2025, 3, 16)) == 730
    assert Maximum(30, 0).days_from(date(2028, 2, 29)) == 30
