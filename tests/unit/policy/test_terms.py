"""Terms on a day, agreements and papers: the last good day and the first bad one."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.harness.facts import make_facts, policy_files

from xbgateway.model.days import months_later, years_later
from xbgateway.policy.day import NEVER, Day
from xbgateway.policy.operation import agreement
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_revision

REVISION = load_revision(policy_files())


def on(day: str) -> Day:
    today = date.fromisoformat(day)
    tables = REVISION.tables
    return Day(today, tables.cuts[tables.edition(today)])


def project(base: str = "proof_of_life_request", **changes: Any) -> dict[str, Any]:
    return Projector(REVISION).project(make_facts(base, **changes))


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2025-08-31", 6, "2026-02-28"),
        ("2026-03-16", -3, "2025-12-16"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2025-12-15", 1, "2026-01-15"),
    ],
)
def test_months_end_on_the_same_day_or_the_last(start: str, months: int, end: str) -> None:
    assert months_later(date.fromisoformat(start), months) == date.fromisoformat(end)


def test_a_leap_day_ends_on_the_28th() -> None:
    assert years_later(date(2024, 2, 29), 3) == date(2027, 2, 28)
    assert years_later(date(2024, 2, 29), 4) == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("start", "threshold", "last"),
    [
        ("2023-02-20", "assessment_years", "2026-02-20"),
        ("2026-03-02", "mo_notice_days", "2026-03-10"),
        ("2025-09-30", "ao_security_report_months", "2026-03-30"),
        ("2026-03-02", "cn_filing_working_days", "2026-03-16"),
    ],
)
def test_a_terms_unit_is_in_its_name(start: str, threshold: str, last: str) -> None:
    assert on("2026-03-16").last(start, threshold) == last


def test_a_term_that_no_table_knows_is_over() -> None:
    day = on("2001-01-01")
    assert day.last("2000-12-31", "mo_notice_days") == NEVER
    assert not day.within("2001-01-01", "mo_notice_days")


AGREEMENT = make_facts("operation_product").standing.agreement


@pytest.mark.parametrize(
    ("day", "changes", "key", "says"),
    [
        ("2026-05-19", {}, "state", "valid"),
        ("2026-05-20", {"valid_until": "2027-05-19"}, "state", "ended"),
        ("2026-05-20", {}, "state", "ended"),
        ("2024-05-19", {}, "state", "not_yet"),
        ("2026-03-16", {"valid_until": "2026-05-20"}, "term", "allowed"),
        ("2026-03-16", {"valid_until": "2026-05-21"}, "term", "long"),
        ("2026-03-16", {}, "trial", "none"),
        ("2024-11-19", {"regular_from": None}, "trial", "inside"),
        ("2024-11-20", {"regular_from": None}, "trial", "past"),
        ("2024-06-01", {"regular_from": None, "trial_until": "2024-11-21"}, "trial", "long"),
        ("2024-06-01", {"regular_from": None, "trial_until": "2024-11-20"}, "trial", "inside"),
        ("2024-06-01", {"regular_from": None, "trial_until": None}, "trial", "none"),
        ("2026-08-31", {}, "review", "valid"),
        ("2026-09-01", {}, "review", "ended"),
        ("2026-03-16", {"review_on": None}, "review", "none"),
        ("2026-02-19", {"reapplied_on": None}, "renewal", "far"),
        ("2026-02-20", {"reapplied_on": None}, "renewal", "due"),
        ("2026-02-09", {}, "renewal", "far"),
        ("2026-02-10", {}, "renewal", "applied"),
        ("2026-05-01", {}, "security_report", "valid"),
        ("2026-05-02", {}, "security_report", "overdue"),
        ("2024-11-20", {"security_report_on": None}, "security_report", "valid"),
        ("2024-11-21", {"security_report_on": None}, "security_report", "overdue"),
        ("2025-05-20", {"annual_report_on": None}, "annual_report", "not_due"),
        ("2025-05-21", {"annual_report_on": None}, "annual_report", "overdue"),
        ("2025-05-21", {}, "annual_report", "filed"),
        ("2026-05-20", {}, "annual_report", "filed"),
        ("2026-05-21", {}, "annual_report", "overdue"),
        ("2026-03-16", {"suspended_on": "2026-03-05"}, "operation", "suspended"),
        (
            "2026-03-16",
            {"suspended_on": "2026-03-05", "rectify_by": "2026-03-15"},
            "operation",
            "overdue",
        ),
        (
            "2026-03-16",
            {"suspended_on": "2026-03-05", "cleared_on": "2026-03-16"},
            "operation",
            "running",
        ),
        ("2026-03-16", {"exit_on": "2026-03-17"}, "exit", "announced"),
        ("2026-03-16", {"exit_on": "2026-03-16"}, "exit", "done"),
        ("2026-01-11", {}, "trained", False),
        ("2026-01-12", {}, "trained", True),
    ],
)
def test_an_agreement_on_its_edges(day: str, changes: dict[str, Any], key: str, says: Any) -> None:
    assert AGREEMENT is not None
    assert agreement(replace(AGREEMENT, **changes), on(day))[key] == says


SEALED = {"timestamped": True}
ASSESSED = {
    "type": "security_assessment",
    "approved_on": "2023-03-16",
    "expires_on": None,
}


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"mechanism": ASSESSED}, "m.age", "valid"),
        ({"mechanism": {**ASSESSED, "approved_on": "2023-03-15"}}, "m.age", "ended"),
        ({"mechanism": {**ASSESSED, "approved_on": None}}, "m.age", "unknown"),
        ({"mechanism": {**ASSESSED, "type": "certification"}}, "m.age", "valid"),
        ({}, "m.age", "none"),
        # 60 working days after 16 March 2026, with Qingming and Labour Day off, 9 May worked.
        ({"mechanism": {**ASSESSED, "expires_on": "2026-06-11"}}, "m.extension", "due"),
        (
            {"mechanism": {**ASSESSED, "approved_on": "2026-01-05", "expires_on": "2026-06-11"}},
            "m.extension",
            "due",
        ),
        (
            {"mechanism": {**ASSESSED, "approved_on": "2026-01-05", "expires_on": "2026-06-12"}},
            "m.extension",
            "far",
        ),
        (
            {"mechanism": {**ASSESSED, "extension_filed_on": "2026-03-16"}},
            "m.extension",
            "applied",
        ),
        ({"retention_days": 731}, "m.term", "enough"),
        ({"retention_days": 732}, "m.term", "short"),
        ({"mechanism": {"modes": ["predicate"]}}, "m.covers_mode", False),
        ({"mechanism": {"storage": ["zhuhai"]}}, "m.covers_storage", False),
        ({"mechanism": {"storage": ["macao"]}}, "m.covers_storage", True),
        ({"mechanism": {"kinds": ["life", "identity"]}}, "m.kinds", ["identity", "life"]),
        ({}, "m.kinds", ["*"]),
        ({"pipia": {"keep_until": "2029-01-04"}}, "pipia.kept", "short"),
        ({}, "pipia.kept", "enough"),
        ({"applications": []}, "scenario.application", "none"),
        (
            {"applications": [{"ref": "A", "approved_on": "2026-03-17", "valid_until": None}]},
            "scenario.application",
            "not_yet",
        ),
        ({"contract": {"signed": False}}, "contract.state", "unsigned"),
        ({"contract": {"expires_on": "2026-03-15"}}, "contract.state", "ended"),
        ({"recipient": {"subprocessors": ["x"]}}, "contract.subprocessors_approved", False),
        ({"mo_processing": {"started_on": "2026-03-08"}}, "mo_proc.window", "inside"),
        ({"mo_processing": {"started_on": "2026-03-07"}}, "mo_proc.window", "past"),
        ({"mo_processing": {"valid_until": "2026-05-15"}}, "mo_proc.registration", "near"),
        ({"mo_processing": {"valid_until": "2026-05-16"}}, "mo_proc.registration", "valid"),
        ({"mo_processing": {"valid_until": "2026-03-15"}}, "mo_proc.registration", "ended"),
        ({"mo_processing": {"registered_on": "2023-03-15"}}, "mo_proc.registration", "ended"),
        ({"sender": {"annual_report_on": "2025-03-16"}}, "s.annual_report", "valid"),
        ({"sender": {"annual_report_on": "2025-03-15"}}, "s.annual_report", "grace"),
        ({"sender": {"annual_report_on": "2025-02-14"}}, "s.annual_report", "grace"),
        ({"sender": {"annual_report_on": "2025-02-13"}}, "s.annual_report", "ended"),
        ({"sender": {"persons_held": 10_000_000}}, "s.holdings", "large"),
        ({"sender": {"persons_held": 9_999_999}}, "s.holdings", "ordinary"),
        ({"sender": {"designated_on": "2026-02-14"}}, "s.designated", "new"),
        ({"sender": {"designated_on": "2026-02-13"}}, "s.designated", "long"),
        ({"document": {**SEALED, "certifier": "esigntrust"}}, "document.state", "recognised"),
        ({"document": {**SEALED, "certifier": "another"}}, "document.state", "other"),
        ({"document": {**SEALED, "certifier": None}}, "document.state", "unsealed"),
        ({"dataset": {"controllers": ["a", "b"]}}, "dataset.controllers", "several"),
        ({"dataset": {"collected_for": ["STATS"]}}, "dataset.changed_purpose", True),
        ({"dataset": {"collected_for": None}}, "dataset.changed_purpose", False),
    ],
)  # fmt: skip
def test_papers_on_their_edges(changes: dict[str, Any], path: str, says: Any) -> None:
    section, key = path.split(".")
    assert project(standing=changes)[section][key] == says


def test_an_open_incident_strikes_as_the_worst_of_all() -> None:
    one = {
        "ref": "I-1",
        "severity": "major",
        "opened_on": "2026-03-16",
        "closed_on": None,
        "dataset": True,
        "sender": False,
        "recipient": False,
        "mechanism": False,
    }
    other = {**one, "severity": "ordinary", "dataset": False, "recipient": True}
    closed = {**one, "severity": "especially_major", "closed_on": "2026-03-16", "sender": True}
    later = {**closed, "closed_on": None, "opened_on": "2026-03-17"}
    assert project(standing={"incidents": [one, other, closed, later]})["incident"] == {
        "dataset": True,
        "mechanism": False,
        "recipient": True,
        "sender": False,
        "severity": "major",
        "state": "open",
    }
    assert project(standing={"incidents": [closed, later]})["incident"] == {"state": "none"}


@pytest.mark.parametrize(
    ("source", "adds"),
    [
        ({}, True),
        ({"origin": "MO"}, False),
        ({"origin": None}, True),
        ({"personal": False}, False),
        ({"personal": False, "important": True}, True),
    ],
)
def test_a_joined_dataset_adds_mainland_data(source: dict[str, Any], *, adds: bool) -> None:
    joined = {
        "dataset_id": "D",
        "controller": "c",
        "origin": "CN",
        "personal": True,
        "important": False,
        **source,
    }
    assert project(standing={"dataset": {"sources": [joined]}})["dataset"]["adds_cn"] is adds


@pytest.mark.parametrize(
    ("moment", "path", "says"),
    [
        ({}, "counts.pi_year", "unknown"),
        ({"counts": {"pi_year": 99_999}}, "counts.pi_year", "small"),
        ({"counts": {"pi_year": 100_000}}, "counts.pi_year", "contract"),
        ({"counts": {"pi_year": 1_000_000}}, "counts.pi_year", "assessment"),
        ({"counts": {"spi_year": 0}}, "counts.spi_year", "small"),
        ({"counts": {"spi_year": 1}}, "counts.spi_year", "contract"),
        ({"counts": {"spi_year": 9_999}}, "counts.spi_year", "contract"),
        ({"counts": {"spi_year": 10_000}}, "counts.spi_year", "assessment"),
        ({}, "counts.assessed", "unlimited"),
        ({"counts": {"requests_window": 2}}, "counts.repeats", "inside"),
        ({"counts": {"requests_window": 3}}, "counts.repeats", "over"),
        ({"counts": {"batches_window": 4}}, "counts.split", "unknown"),
        (
            {"counts": {"batches_window": 4, "pi_window": 11_600, "spi_window": 11_600}},
            "counts.split",
            "yes",
        ),
        (
            {"counts": {"batches_window": 1, "pi_window": 11_600, "spi_window": 11_600}},
            "counts.split",
            "no",
        ),
        ({"case": {"status": "answered"}}, "case.status", "open"),
        ({"case": {"status": "invalidated"}}, "case.status", "closed"),
        ({"case": {"opened_on": "2026-03-04"}}, "case.term", "inside"),
        ({"case": {"opened_on": "2026-03-03"}}, "case.term", "past"),
        ({"case": {"held_on": "2026-03-04"}}, "case.hold_cn", "inside"),
        ({"case": {"held_on": "2026-03-03"}}, "case.hold_mo", "past"),
        ({}, "content.youngest", "older"),
        ({"content": {"min_age": 13}}, "content.youngest", "child"),
        ({"content": {"min_age": 14}}, "content.youngest", "older"),
        ({}, "content.record", "fresh"),
        ({"content": {"record_on": "2025-03-16"}}, "content.record", "fresh"),
        ({"content": {"record_on": "2025-03-15"}}, "content.record", "old"),
        ({"content": {"objected": ["b", "a"]}}, "content.objected", ["a", "b"]),
        (
            {"content": {"stay_from": "2023-03-01", "stay_region": "hengqin"}},
            "content.stay",
            "inside",
        ),
        (
            {"content": {"stay_from": "2023-02-28", "stay_region": "hengqin"}},
            "content.stay",
            "before",
        ),
        (
            {"content": {"stay_from": "2025-01-01", "stay_region": "xiangzhou"}},
            "content.stay",
            "elsewhere",
        ),
        ({"content": {"min_cell": 9}}, "content.cells", "small"),
        ({"content": {"min_cell": 10}}, "content.cells", "enough"),
        ({}, "content.bucket", "none"),
        ({"content": {"bucket_months": 11}}, "content.bucket", "narrow"),
        ({"content": {"bucket_months": 12}}, "content.bucket", "wide"),
        ({"protection": {"suite": None}}, "crypto.suite", "none"),
    ],
)
def test_what_a_moment_states(moment: dict[str, Any], path: str, says: Any) -> None:
    section, key = path.split(".")
    assert project(moment=moment)[section][key] == says


@pytest.mark.parametrize(("assessed", "says"), [(None, "unknown"), (50, "inside"), (51, "over")])
def test_a_scale_is_counted_under_its_own_assessment(assessed: int | None, says: str) -> None:
    found = project(
        standing={"mechanism": {"max_subjects": 50}}, moment={"counts": {"assessed": assessed}}
    )
    assert found["counts"]["assessed"] == says


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ("2026-03-12T23:59:59.999Z", "not_yet"),
        ("2026-03-13T00:00:00Z", "inside"),
        ("2026-03-16T00:00:00Z", "inside"),
        ("2026-03-16T00:00:00.001Z", "past"),
    ],
)
def test_an_emergency_lasts_hours_and_not_days(now: str, says: str) -> None:
    found = project(
        standing={"basis": {"emergency_since": "2026-03-13T08:00:00+08:00"}},
        moment={"now": now, "sent_at": None},
    )
    assert found["basis"]["emergency"] == says
    assert project()["basis"]["emergency"] == "none"


def test_an_emergency_that_began_at_no_time_is_over() -> None:
    found = project(standing={"basis": {"emergency_since": "yesterday"}})
    assert found["basis"]["emergency"] == "past"


def test_rights_have_a_longer_term_than_other_cases() -> None:
    opened = {"case": {"opened_on": "2026-02-24"}}
    assert project(moment=opened)["case"]["term"] == "past"
    rights = project(standing={"purpose": "RIGHTS_REQUEST"}, moment=opened)
    assert rights["case"]["term"] == "inside"


def test_what_is_not_there_is_one_small_document() -> None:
    nothing = dict.fromkeys(("contract", "mo_processing", "onward", "document", "agreement"))
    found = project(standing=nothing)
    for section in ("contract", "mo_proc", "onward", "document", "a", "incident"):
        assert found[section] == {"state": "none"}
