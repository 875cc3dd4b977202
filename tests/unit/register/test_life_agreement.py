"""An agreement on authorised operation: the exact life of the plan, and the law on it."""

from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from tests.harness.facts import make_facts
from tests.harness.life import after, due, dues, refusal, revision, state

from xbgateway.model.errors import Reason
from xbgateway.policy.day import Day
from xbgateway.policy.operation import agreement as projected
from xbgateway.register.instruments import Agreement
from xbgateway.register.life import MACHINES, Event

LIST = [{"scenario": "SC-ELDER-01", "datasets": ["DS-1"]}]
PREPARED = {
    "review_on": "2024-05-01",
    "training_passed_on": "2024-05-02",
    "emergency_plan_ref": "EP-3",
}


def applied() -> Any:
    named = {"id": "AO-3", "authority": "cn.authority", "operator": "cn.operator"}
    return after("agreement", None, "apply", "2024-03-01", scenarios=LIST, **named)


def signed(on: str = "2024-05-20", until: str = "2026-05-19") -> Any:
    one = after("agreement", applied(), "review", "2024-04-01", network_review_ref="NR-3")
    one = after("agreement", one, "publish", "2024-04-10", province_filed_on="2024-04-09")
    one = after("agreement", one, "file_papers", "2024-05-02", **PREPARED)
    return after("agreement", one, "sign", on, valid_until=until)


def in_trial(on: str = "2024-05-20", until: str = "2024-11-20") -> Any:
    return after("agreement", signed(), "begin_trial", on, trial_until=until)


def regular() -> Any:
    return after("agreement", in_trial(), "approve_operation", "2024-11-20")


def suspended() -> Any:
    return after("agreement", regular(), "suspend", "2025-03-05", rectify_by="2025-03-20")


def revoked() -> Any:
    return after("agreement", suspended(), "revoke", "2025-03-21")


def closed() -> Any:
    return after("agreement", revoked(), "close_access", "2025-03-22")


# Each state with a record that is in it, and the day.
IN_STATE: dict[str, tuple[Any, str]] = {
    "applied": (applied(), "2024-03-01"),
    "reviewed": (
        after("agreement", applied(), "review", "2024-04-01", network_review_ref="NR-3"),
        "2024-04-01",
    ),
    "rejected": (after("agreement", applied(), "reject", "2024-04-01"), "2024-04-01"),
    "published": (signed(), "2024-05-19"),
    "signed": (signed(), "2024-05-20"),
    "trial": (in_trial(), "2024-11-20"),
    "trial_over": (in_trial(), "2024-11-21"),
    "regular": (regular(), "2024-11-20"),
    "leaving": (
        after("agreement", regular(), "announce_exit", "2025-03-01", exit_on="2025-04-01"),
        "2025-03-31",
    ),
    "suspended": (suspended(), "2025-03-20"),
    "overdue": (suspended(), "2025-03-21"),
    "expired": (regular(), "2026-05-20"),
    "exited": (
        after("agreement", regular(), "announce_exit", "2025-03-01", exit_on="2025-04-01"),
        "2025-04-01",
    ),
    "revoked": (revoked(), "2025-03-21"),
    "access_closed": (closed(), "2025-03-22"),
    "deleted": (after("agreement", closed(), "confirm_deletion", "2025-04-01"), "2025-09-22"),
    "closed": (after("agreement", closed(), "confirm_deletion", "2025-04-01"), "2025-09-23"),
}

# Written by hand from the plan, not from the tables of the code.
RUNNING = {
    *("file_papers", "amend", "report_security", "report_year", "reapply", "suspend"),
    *("revoke_for_illegality", "announce_exit"),
}
BROKEN = {"file_papers", "report_security", "report_year", "rectify", "revoke_for_illegality"}
MATRIX: dict[str, set[str]] = {
    "applied": {"review", "reject", "file_papers"},
    "reviewed": {"publish", "reject", "file_papers"},
    "rejected": set(),
    "published": {"sign", "reject", "file_papers"},
    "signed": RUNNING | {"begin_trial", "approve_operation"},
    "trial": RUNNING | {"approve_operation"},
    "trial_over": RUNNING | {"approve_operation"},
    "regular": RUNNING | {"renew"},
    "leaving": {
        *("file_papers", "report_security", "report_year", "suspend", "revoke_for_illegality"),
    },
    "suspended": BROKEN,
    "overdue": BROKEN | {"revoke"},
    "expired": {"close_access"},
    "exited": {"close_access"},
    "revoked": {"close_access"},
    "access_closed": {"confirm_deletion"},
    "deleted": set(),
    "closed": set(),
}
EVENTS = {event for legal in MATRIX.values() for event in legal} | {"apply"}


def test_the_matrix_is_whole() -> None:
    machine = MACHINES["agreement"]
    assert set(machine.states) == set(MATRIX) == set(IN_STATE)
    assert {one.name for one in machine.events} == EVENTS


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_only_what_the_plan_says_can_happen(name: str) -> None:
    record, day = IN_STATE[name]
    assert state(record, day) == name
    for event in [*sorted(EVENTS - MATRIX[name]), "vanish"]:
        error = refusal("agreement", record, event, day)
        assert error.reason == Reason.TRANSITION_ILLEGAL, event
        assert error.metadata["state"] == name
        assert set(filter(None, error.metadata["legal"].split(","))) == MATRIX[name]
    for event in MATRIX[name]:
        known = MACHINES["agreement"].event(event)
        assert isinstance(known, Event)
        if known.must:
            error = refusal("agreement", record, event, day)
            assert error.reason == Reason.ARGUMENT_INVALID, event


def test_an_application_is_the_only_beginning() -> None:
    error = refusal("agreement", None, "sign", "2024-03-01", valid_until="2026-03-01")
    assert (error.metadata["state"], error.metadata["legal"]) == ("none", "apply")


@pytest.mark.parametrize(
    ("on", "last"),
    [("2024-05-20", "2026-05-20"), ("2024-02-29", "2026-02-28"), ("2023-12-31", "2025-12-31")],
)
def test_a_term_is_two_years_at_most(on: str, last: str) -> None:
    early = Agreement.model_validate(
        {
            **applied().model_dump(),
            "applied_on": "2023-10-06",
            "reviewed_on": "2023-10-07",
            "published_on": "2023-10-08",
        }
    )
    before, beyond = (date.fromisoformat(last).toordinal() + days for days in (-1, 1))
    for until in (date.fromordinal(before).isoformat(), last):
        assert after("agreement", early, "sign", on, valid_until=until).valid_until == until
    too_long = date.fromordinal(beyond).isoformat()
    error = refusal("agreement", early, "sign", on, valid_until=too_long)
    assert (error.reason, error.metadata["guard"]) == (Reason.TRANSITION_REFUSED, "term")


def test_the_very_day_two_years_after_signature_is_over() -> None:
    one = signed("2024-05-20", "2026-05-20")
    assert state(one, "2026-05-19") == "signed"
    assert state(one, "2026-05-20") == "expired"
    assert due(one, "2026-05-19")["term_end"] == "2026-05-19"


@pytest.mark.parametrize(
    ("begun", "last", "beyond"),
    [
        ("2024-05-20", "2024-11-20", "2024-11-21"),
        ("2024-08-31", "2025-02-28", "2025-03-01"),
        ("2024-08-30", "2025-02-28", "2025-03-01"),
        ("2024-06-30", "2024-12-30", "2024-12-31"),
    ],
)
def test_a_trial_is_six_months_at_most(begun: str, last: str, beyond: str) -> None:
    assert state(in_trial(begun, last), last) == "trial"
    assert state(in_trial(begun, last), beyond) == "trial_over"
    error = refusal("agreement", signed(), "begin_trial", begun, trial_until=beyond)
    assert (error.metadata["guard"], error.metadata["field"]) == ("trial", "trial_until")


@pytest.mark.parametrize("lacking", ["emergency_plan_ref", "training_passed_on"])
def test_nothing_is_operated_without_plan_and_training(lacking: str) -> None:
    one = signed().model_copy(update={lacking: None})
    error = refusal("agreement", one, "begin_trial", "2024-05-20", trial_until="2024-06-20")
    assert (error.reason, error.metadata["field"]) == (Reason.TRANSITION_REFUSED, lacking)


def test_an_audit_lasts_two_years() -> None:
    one = in_trial()
    for audited, guard in (("2022-11-20", "audited"), ("2024-11-21", "audited")):
        spoilt = one.model_copy(update={"review_on": audited})
        error = refusal("agreement", spoilt, "approve_operation", "2024-11-20")
        assert error.metadata["guard"] == guard
    fresh = one.model_copy(update={"review_on": "2022-11-21"})
    assert after("agreement", fresh, "approve_operation", "2024-11-20").regular_from == "2024-11-20"


@pytest.mark.parametrize(
    ("until", "opens", "early"),
    [("2026-05-19", "2026-02-19", "2026-02-18"), ("2026-05-20", "2026-02-20", "2026-02-19")],
)
def test_the_window_opens_three_months_before(until: str, opens: str, early: str) -> None:
    one = regular().model_copy(update={"valid_until": until})
    error = refusal("agreement", one, "reapply", early)
    assert (error.reason, error.metadata["guard"]) == (Reason.TRANSITION_REFUSED, "window")
    assert due(one, early)["reapplication_opens"] == opens
    assert "reapplication_opens" not in due(one, opens)
    again = after("agreement", one, "reapply", opens)
    assert "reapplication" in due(one, opens)
    assert "reapplication" not in due(again, opens)
    assert state(again, opens) == "regular"


def test_a_window_is_clamped_to_the_months_end() -> None:
    one = regular().model_copy(update={"signed_on": "2024-06-01", "valid_until": "2026-05-31"})
    assert refusal("agreement", one, "reapply", "2026-02-27").metadata["guard"] == "window"
    assert after("agreement", one, "reapply", "2026-02-28").reapplied_on == "2026-02-28"


def test_a_renewal_needs_the_application_and_is_a_term_anew() -> None:
    one = regular()
    error = refusal("agreement", one, "renew", "2026-05-01", valid_until="2028-05-01")
    assert error.metadata["guard"] == "reapplied"
    one = after("agreement", one, "reapply", "2026-03-01")
    error = refusal("agreement", one, "renew", "2026-05-01", valid_until="2028-05-02")
    assert error.metadata["guard"] == "term"
    one = after("agreement", one, "renew", "2026-05-01", valid_until="2028-05-01")
    assert (state(one, "2026-05-20"), one.reapplied_on) == ("regular", None)


def test_reports_are_due_every_six_months_and_every_year() -> None:
    one = regular()
    assert due(one, "2024-12-01")["security_report"] == "2024-11-20"
    one = after("agreement", one, "report_security", "2025-08-31")
    assert due(one, "2025-08-31")["security_report"] == "2026-02-28"
    assert due(one, "2025-05-20")["annual_report"] == "2025-05-20"
    assert due(one, "2025-08-31")["annual_report"] == "2025-05-20"
    one = after("agreement", one, "report_year", "2025-09-01")
    assert "annual_report" not in due(one, "2025-09-01")
    assert due(one, "2026-05-19").get("annual_report") is None
    longer = one.model_copy(update={"annual_report_on": "2025-05-20"})
    assert due(longer, "2025-09-01")["annual_report"] == "2026-05-20"


def test_a_breach_is_put_right_in_time_or_revoked() -> None:
    one = suspended()
    assert due(one, "2025-03-20")["rectification"] == "2025-03-20"
    assert refusal("agreement", one, "revoke", "2025-03-20").reason == Reason.TRANSITION_ILLEGAL
    cleared = after("agreement", one, "rectify", "2025-03-20")
    assert state(cleared, "2025-03-20") == "regular"
    # Recorded a day late, but put right in time.
    assert after("agreement", one, "rectify", "2025-03-21", cleared_on="2025-03-20") == cleared
    error = refusal("agreement", one, "rectify", "2025-03-21")
    assert error.metadata["guard"] == "rectified_in_time"
    assert due(one, "2025-03-21")["revocation"] == "2025-03-21"
    again = after("agreement", cleared, "suspend", "2025-06-01", rectify_by="2025-06-02")
    assert (again.cleared_on, state(again, "2025-06-01")) == (None, "suspended")


def test_the_exit_closes_access_then_deletes_and_keeps_logs() -> None:
    leaving, _ = IN_STATE["leaving"]
    assert refusal("agreement", leaving, "close_access", "2025-03-31").metadata["legal"]
    error = refusal(
        "agreement", leaving, "close_access", "2025-04-02", access_closed_on="2025-03-31"
    )
    assert error.metadata["guard"] == "after_the_end"
    assert due(leaving, "2025-04-02") == {"access_closing": "2025-04-01"}
    one = after("agreement", leaving, "close_access", "2025-04-02")
    assert one.logs_kept_until == "2025-10-03"  # 184 days
    assert due(one, "2025-04-02") == {"deletion": "2025-04-02", "log_keeping": "2025-10-03"}
    short = {"logs_kept_until": "2025-10-02"}
    error = refusal("agreement", leaving, "close_access", "2025-04-02", **short)
    assert error.metadata["guard"] == "logs_kept"
    one = after("agreement", one, "confirm_deletion", "2025-04-05")
    assert due(one, "2025-04-05") == {"log_keeping": "2025-10-03"}
    assert (state(one, "2025-10-03"), state(one, "2025-10-04")) == ("deleted", "closed")
    assert not dues(one, "2025-10-04")


def test_nothing_is_recorded_before_it_happens() -> None:
    error = refusal("agreement", applied(), "reject", "2024-03-02", rejected_on="2024-03-03")
    assert error.metadata == {
        "kind": "agreement",
        "event": "reject",
        "guard": "happened",
        "field": "rejected_on",
    }


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "valid_until"),
        ({"valid_until": "2026-5-1"}, "valid_until"),
        ({"valid_until": 20260501}, "valid_until"),
        ({"valid_until": "2026-05-01", "id": "AO-4"}, "id"),
        ({"valid_until": "2026-05-01", "exit_on": None}, "exit_on"),
    ],
)
def test_what_is_malformed_is_told_by_field(given: dict[str, object], field: str) -> None:
    published, day = IN_STATE["published"]
    error = refusal("agreement", published, "sign", day, **given)
    assert (error.reason, error.metadata["field"]) == (Reason.ARGUMENT_INVALID, field)


def test_papers_are_at_least_one() -> None:
    assert refusal("agreement", applied(), "file_papers", "2024-03-01").reason == (
        Reason.ARGUMENT_INVALID
    )


def lawful(said: dict[str, Any]) -> bool:
    """Whether HZ-AO-1, -2, -10 and -11 let it pass."""
    return (
        said["state"] == "valid"
        and said["term"] == "allowed"
        and said["trial"] in {"none", "inside"}
        and said["operation"] == "running"
        and said["exit"] in {"none", "announced"}
    )


@pytest.mark.parametrize("name", sorted(IN_STATE))
def test_the_law_lets_pass_what_is_in_operation(name: str) -> None:
    record, day = IN_STATE[name]
    today = date.fromisoformat(day)
    tables = revision().tables
    base = make_facts("operation_product").standing.agreement
    assert base is not None
    recorded = record.model_dump(include={one.name for one in fields(base)})
    said = projected(replace(base, **recorded), Day(today, tables.cuts[tables.edition(today)]))
    assert lawful(said) == (name in {"signed", "trial", "regular", "leaving"}), said
