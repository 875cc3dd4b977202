"""Every other kind of record: its terms at their edges, what is due, what disappears once met."""

from typing import Any

import pytest
from tests.harness.life import after, due, dues, refusal, state

from xbgateway.model.errors import Reason
from xbgateway.register.entries import Dataset, Party, Scenario

TEXTS = {"zh-Hans": "一", "zh-Hant": "一", "pt": "um", "en": "one"}
SCOPE = {"purposes": ["STATS"], "parties": ["a", "b"]}
TO = {"purposes": ["STATS"], "recipients": ["b"]}


def mechanism(type_: str, **more: object) -> Any:
    return after("mechanism", None, "draft", "2026-01-05", id="M", type=type_, **SCOPE, **more)


def contract(type_: str = "gba_sc", effective: str = "2026-03-02", **more: object) -> Any:
    given = {"effective_on": effective, "expires_on": "2028-03-01", "pipia_ref": "P", **more}
    return after("mechanism", mechanism(type_), "sign", "2026-03-01", **given)


def test_a_contract_is_filed_within_ten_working_days() -> None:
    one = contract()
    assert [state(one, day) for day in ("2026-03-01", "2026-03-16", "2026-03-17")] == [
        *("signed", "unfiled", "overdue"),
    ]
    assert due(one, "2026-03-17")["filing"] == "2026-03-16"
    filed = after("mechanism", one, "file", "2026-03-17", filing_no="GD-1")
    assert state(filed, "2026-03-17") == "filed"
    assert due(filed, "2026-03-17") == {"expiry": "2028-03-01"}
    assert state(filed, "2028-03-02") == "expired"
    assert not dues(filed, "2028-03-02")


@pytest.mark.parametrize(
    ("type_", "authority", "last", "role"),
    [
        # 1 to 7 October are off in the Mainland and 10 October is worked; Macao rests on 1 and 2.
        ("gba_sc", "CN", "2026-10-16", "compliance"),
        ("gba_sc", "MO", "2026-10-14", "mo_data_controller"),
        ("gba_sc", None, "2026-10-14", "compliance"),  # nobody said: the earlier
        ("cn_sc", None, "2026-10-16", "compliance"),
    ],
)
def test_working_days_are_those_of_the_authority(
    type_: str, authority: str | None, last: str, role: str
) -> None:
    one = contract(type_, "2026-09-28", authority=authority)
    filing = next(one for one in dues(one, "2026-09-28") if one.what == "filing")
    assert (filing.due_on, filing.role) == (last, role)


def test_a_supplement_is_filed_again() -> None:
    one = after("mechanism", contract(), "file", "2026-03-10", filing_no="GD-1")
    given = {"effective_on": "2026-05-06", "kinds": ["identity"]}
    one = after("mechanism", one, "supplement", "2026-05-06", **given)
    assert (state(one, "2026-05-06"), one.filing_no, one.kinds) == ("unfiled", None, ("identity",))


def test_a_contract_needs_its_assessment_first() -> None:
    given = {"effective_on": "2026-03-02", "expires_on": "2028-03-01"}
    error = refusal("mechanism", mechanism("gba_sc"), "sign", "2026-03-02", **given)
    assert error.metadata["field"] == "pipia_ref"
    assert refusal(
        "mechanism", mechanism("certification"), "sign", "2026-03-02", pipia_ref="P", **given
    ).metadata["guard"] == ("type")


@pytest.mark.parametrize("type_", ["security_assessment", "certification"])
def test_an_assessment_lasts_three_years(type_: str) -> None:
    draft = mechanism(type_)
    error = refusal("mechanism", draft, "approve", "2026-01-20", expires_on="2029-01-21")
    assert error.metadata["guard"] == "validity"
    one = after("mechanism", draft, "approve", "2026-01-20", expires_on="2029-01-20")
    assert one.effective_on == "2026-01-20"
    assert [state(one, day) for day in ("2029-01-20", "2029-01-21")] == ["approved", "expired"]


def test_an_extension_is_filed_sixty_working_days_before() -> None:
    given = {"approved_on": "2023-06-12", "expires_on": "2026-06-11"}
    one = after("mechanism", mechanism("security_assessment"), "approve", "2026-01-05", **given)
    assert due(one, "2026-03-15")["extension_opens"] == "2026-03-16"
    error = refusal("mechanism", one, "file_extension", "2026-03-15")
    assert error.metadata["guard"] == "window"
    assert due(one, "2026-03-16") == {"expiry": "2026-06-11", "extension": "2026-06-11"}
    assert refusal("mechanism", one, "extend", "2026-03-16", expires_on="2029-03-16").metadata[
        "guard"
    ] == ("extension_filed")
    filed = after("mechanism", one, "file_extension", "2026-03-16")
    assert due(filed, "2026-03-16") == {"expiry": "2026-06-11"}
    longer = after("mechanism", filed, "extend", "2026-06-01", expires_on="2029-06-01")
    assert (state(longer, "2026-06-12"), longer.extension_filed_on) == ("approved", None)


def test_a_terminated_mechanism_is_over_that_day() -> None:
    one = after("mechanism", contract(), "terminate", "2026-04-01")
    assert [state(one, day) for day in ("2026-03-31", "2026-04-01")] == ["overdue", "terminated"]
    claimed = after(
        "mechanism", None, "claim_exemption", "2026-03-01", id="E", exempt_art="CBDF5-1", **SCOPE
    )
    assert (claimed.type, state(claimed, "2026-03-01")) == ("exempt", "claimed")


def test_a_pipia_is_kept_three_years() -> None:
    draft = after("pipia", None, "draft", "2026-01-05", id="P", **TO)
    error = refusal("pipia", draft, "approve", "2026-01-05", keep_until="2029-01-04")
    assert (error.metadata["guard"], error.metadata["field"]) == ("kept", "keep_until")
    one = after("pipia", draft, "approve", "2026-01-05")
    assert one.keep_until == "2029-01-05"
    gone = after("pipia", one, "withdraw", "2026-06-01")
    assert [state(gone, day) for day in ("2026-05-31", "2026-06-01", "2029-01-05")] == [
        *("approved", "withdrawn", "withdrawn"),
    ]
    assert due(gone, "2029-01-05") == {"keeping": "2029-01-05"}
    assert (state(gone, "2029-01-06"), due(gone, "2029-01-06")) == ("disposable", {})
    changed = after("pipia", one, "revise", "2026-06-01", kinds=["identity"])
    assert (state(changed, "2026-06-01"), changed.approved_on) == ("drafted", None)


def test_a_state_assessment_is_approved_and_renewed() -> None:
    draft = after("state_assessment", None, "draft", "2026-01-05", id="SA", **TO)
    past = refusal("state_assessment", draft, "approve", "2026-01-05", valid_until="2026-01-04")
    assert past.metadata["guard"] == "leads_to"
    one = after("state_assessment", draft, "approve", "2026-01-05", valid_until="2026-06-30")
    assert due(one, "2026-06-30") == {"expiry": "2026-06-30"}
    assert (state(one, "2026-07-01"), due(one, "2026-07-01")) == ("expired", {})
    again = after("state_assessment", one, "renew", "2026-07-01", valid_until="2027-06-30")
    assert state(again, "2026-07-01") == "approved"


def give(**more: object) -> Any:
    given = {"id": "C", "consent_kind": "separate", **TO, **more}
    return after("consent", None, "give", "2026-03-01", **given)


def test_a_guardian_consents_for_a_child() -> None:
    named = {"id": "C", **TO}
    for kind, child, ref, guard in (
        ("separate", True, None, "guardian"),
        ("guardian", True, None, "guardianship"),
        ("separate", False, "G-1", "guardianship"),
    ):
        given = {"consent_kind": kind, "child": child, "guardian_ref": ref}
        error = refusal("consent", None, "give", "2026-03-01", **given, **named)
        assert error.metadata["guard"] == guard
    one = give(consent_kind="guardian", child=True, guardian_ref="G-1")
    assert state(one, "2026-03-01") == "given"


def test_a_withdrawn_consent_is_deleted_within_fifteen_working_days() -> None:
    one = after("consent", give(expires_on="2026-12-31"), "withdraw", "2026-03-10")
    assert [state(one, day) for day in ("2026-03-09", "2026-03-10")] == ["given", "withdrawn"]
    assert due(one, "2026-03-09") == {"expiry": "2026-12-31"}
    assert due(one, "2026-03-10") == {"deletion": "2026-03-31"}
    done = after("consent", one, "confirm_deletion", "2026-03-20")
    assert (state(done, "2026-03-20"), due(done, "2026-03-20")) == ("settled", {})
    assert refusal("consent", done, "withdraw", "2026-03-21").metadata["legal"] == ""


def test_a_consent_is_narrowed_and_never_widened() -> None:
    one = give(purposes=["STATS", "ID_MATCH"])
    assert after("consent", one, "narrow", "2026-03-02", purposes=["STATS"]).purposes == ("STATS",)
    assert after("consent", one, "narrow", "2026-03-02", kinds=["identity"]).kinds == ("identity",)
    for wider in ({"purposes": ["MED_ENROL"]}, {"recipients": ["b", "c"]}):
        error = refusal("consent", one, "narrow", "2026-03-02", **wider)
        assert error.metadata["guard"] == "narrower"
    limited = after("consent", one, "narrow", "2026-03-02", kinds=["identity"])
    assert refusal("consent", limited, "narrow", "2026-03-02", kinds=None).reason == (
        Reason.TRANSITION_REFUSED
    )


def test_macao_is_told_within_eight_days() -> None:
    one = after("mo_processing", None, "start", "2026-03-08", id="P", started_on="2026-03-08")
    assert [state(one, day) for day in ("2026-03-16", "2026-03-17")] == ["running", "overdue"]
    assert due(one, "2026-03-17") == {"notification": "2026-03-16"}
    told = after("mo_processing", one, "notify", "2026-03-17", notif_no="N-1")
    assert (state(told, "2026-03-17"), due(told, "2026-03-17")) == ("notified", {})
    later = after("mo_processing", None, "start", "2026-03-08", id="P", started_on="2026-03-09")
    assert state(later, "2026-03-08") == "announced"


@pytest.mark.parametrize(
    ("on", "until"), [("2026-03-15", "2029-03-15"), ("2024-02-29", "2027-02-28")]
)
def test_a_simplified_registration_lasts_three_years(on: str, until: str) -> None:
    one = after("mo_processing", None, "start", on, id="P", started_on=on)
    one = after("mo_processing", one, "notify", on, notif_no="N-1")
    beyond = until[:-2] + f"{int(until[-2:]) + 1:02}"
    if beyond != "2027-02-29":
        error = refusal("mo_processing", one, "register", on, valid_until=beyond)
        assert error.metadata["guard"] == "registration_term"
    one = after("mo_processing", one, "register", on)
    assert (one.valid_until, state(one, until)) == (until, "registered")
    assert set(due(one, on)) == {"registration_opens", "registration"}
    assert state(one, "2029-03-16") == "lapsed"
    renewed = after("mo_processing", one, "register", "2029-03-16")
    assert state(renewed, "2029-03-16") == "registered"


def test_a_transfer_out_of_macao_is_notified_or_authorised() -> None:
    one = after("mo_transfer", None, "declare", "2026-02-01", id="T", transfer_kind="art20_1")
    error = refusal("mo_transfer", one, "notify", "2026-02-18", notif_no="N")
    assert error.metadata["field"] == "ground"
    told = {"notif_no": "N", "ground": "public_interest"}
    assert state(after("mo_transfer", one, "notify", "2026-02-18", **told), "2026-02-18") == (
        "notified"
    )
    assert refusal("mo_transfer", one, "authorise", "2026-02-18", auth_no="A").metadata[
        "guard"
    ] == ("transfer_kind")
    asked = after(
        "mo_transfer", None, "declare", "2026-02-01", id="T", transfer_kind="art20_2_auth"
    )
    given = after("mo_transfer", asked, "authorise", "2026-02-18", auth_no="0021/2026")
    assert state(given, "2026-02-18") == "authorised"


def test_an_application_is_decided_within_eight_working_days() -> None:
    asked = {"id": "A", "scenario": "SC-1", "datasets": ["DS"], "recipients": ["b"]}
    one = after("application", None, "apply", "2026-03-02", **asked)
    assert due(one, "2026-03-02") == {"decision": "2026-03-12"}
    granted = after("application", one, "approve", "2026-03-12", valid_until="2026-12-31")
    assert due(granted, "2026-03-12") == {"expiry": "2026-12-31"}
    assert state(granted, "2027-01-01") == "expired"
    revoked = after("application", granted, "revoke", "2026-04-01")
    assert [state(revoked, day) for day in ("2026-03-31", "2026-04-01")] == ["approved", "revoked"]
    assert refusal("application", granted, "approve", "2026-03-12").metadata["legal"] == (
        "renew,revoke"
    )


def test_an_incident_is_reported_within_hours() -> None:
    found = {"id": "I", "opened_at": "2026-03-16T13:30:00Z", "datasets": ["DS"]}
    one = after("incident", None, "open", "2026-03-16", severity="major", **found)
    report = next(each for each in dues(one, "2026-03-16") if each.what == "report")
    assert (report.due_at, report.due_on) == ("2026-03-16T17:30:00Z", "2026-03-17")
    assert refusal("incident", one, "close", "2026-03-17").metadata["guard"] == "reported"
    one = after("incident", one, "report", "2026-03-17")
    assert set(due(one, "2026-03-17")) == {"informing"}
    one = after("incident", one, "inform", "2026-03-17")
    assert not dues(one, "2026-03-17")
    one = after("incident", one, "close", "2026-03-18")
    assert [state(one, day) for day in ("2026-03-17", "2026-03-18")] == ["reported", "closed"]
    assert state(after("incident", one, "reopen", "2026-03-19"), "2026-03-19") == "reported"
    minor = after("incident", None, "open", "2026-03-16", severity="ordinary", id="I")
    assert state(after("incident", minor, "close", "2026-03-16"), "2026-03-16") == "closed"


def test_what_was_entrusted_is_returned() -> None:
    asked = {"id": "K", "type": "entrusting", "effective_on": "2026-03-02", **SCOPE}
    one = after("contract", None, "draft", "2026-03-01", **asked)
    one = after("contract", one, "sign", "2026-03-01", expires_on="2026-06-30")
    assert [state(one, day) for day in ("2026-03-01", "2026-03-02", "2026-07-01")] == [
        *("ahead", "in_force", "expired"),
    ]
    assert due(one, "2026-03-02") == {"expiry": "2026-06-30"}
    assert due(one, "2026-07-01") == {"deletion": "2026-06-30"}
    assert not dues(after("contract", one, "confirm_return", "2026-07-02"), "2026-07-02")


def test_a_scenario_that_changes_is_reviewed_anew() -> None:
    leg = {"basis": {"cn": "statutory_duty"}}
    lists = {"services": ["a.B"], "callers": ["a"], "providers": ["b"], "purposes": ["STATS"]}
    content = {**lists, "datasets": ["DS"], "request": leg, "answer": leg}
    one = after("scenario", None, "apply", "2026-03-02", id="SC", title=TEXTS, **content)
    one = after("scenario", one, "review", "2026-03-03")
    one = after("scenario", one, "list", "2026-03-04")
    assert [state(one, f"2026-03-0{day}") for day in (2, 3, 4)] == ["applied", "reviewed", "listed"]
    changed = after("scenario", one, "amend", "2026-04-01", datasets=["DS", "DS-2"])
    assert (state(changed, "2026-04-01"), changed.listed_on) == ("applied", None)
    empty = after("scenario", one, "amend", "2026-04-01", datasets=[])
    assert refusal("scenario", empty, "review", "2026-04-02").metadata["guard"] == "one_list"
    held = after("scenario", one, "suspend", "2026-04-01")
    assert state(held, "2026-04-01") == "suspended"
    assert state(after("scenario", held, "resume", "2026-04-02"), "2026-04-02") == "listed"


PARTY: dict[str, Any] = {
    "id": "a",
    "node": "zhuhai",
    "name": TEXTS,
    "jurisdiction": "CN",
    "region": "zhuhai",
    "kind": "social_security",
    "role": "holder",
    "registered_in_gba": True,
    "state_organ": True,
    "ciio": False,
}


def test_a_party_is_restricted_suspended_and_withdrawn() -> None:
    one = after("party", None, "register", "2026-03-02", **PARTY)
    assert one == Party.model_validate({**PARTY, "restricted_list": False})
    assert after("party", one, "set_powers", "2026-03-02", powers=["STATS"]).powers == ("STATS",)
    listed = after("party", one, "restrict", "2026-03-03")
    assert (listed.restricted_list, state(listed, "2026-03-03")) == (True, "restricted")
    held = after("party", listed, "suspend", "2026-03-04")
    free = after("party", held, "lift_restriction", "2026-03-05")
    assert (state(free, "2026-03-05"), free.restricted_list) == ("suspended", False)
    back = after("party", free, "resume", "2026-03-06")
    assert state(back, "2026-03-06") == "registered"
    reported = after("party", back, "report_year", "2026-03-06")
    assert due(reported, "2026-03-06") == {"annual_report": "2027-03-06"}
    gone = after("party", back, "withdraw", "2026-03-07")
    assert refusal("party", gone, "resume", "2026-03-08").metadata["legal"] == ""


def test_a_dataset_is_classified_flagged_and_stopped() -> None:
    one = after("dataset", None, "register", "2026-03-02", id="DS", owner="a", title=TEXTS)
    graded = after("dataset", one, "classify", "2026-03-02", level="L3", important=False)
    assert (graded.level, state(graded, "2026-03-02")) == ("L3", "registered")
    flagged = after("dataset", graded, "flag", "2026-03-03")
    assert (flagged.inference_risk, state(flagged, "2026-03-03")) == (True, "flagged")
    stopped = after("dataset", flagged, "suspend", "2026-03-04", suspension="objection")
    assert state(stopped, "2026-03-04") == "suspended"
    resumed = after("dataset", stopped, "resume", "2026-03-05")
    assert (state(resumed, "2026-03-05"), resumed.suspension) == ("flagged", None)


def test_what_an_older_document_says_is_in_use() -> None:
    leg: dict[str, Any] = {"basis": {}}
    lists: dict[str, Any] = {
        key: [] for key in ("purposes", "datasets", "services", "callers", "providers")
    }
    scenario = Scenario.model_validate(
        {"id": "SC", "title": TEXTS, **lists, "request": leg, "answer": leg}
    )
    dataset = Dataset.model_validate({"id": "DS", "owner": "a", "title": TEXTS})
    party = Party.model_validate({**PARTY, "restricted_list": False})
    for day in ("1999-12-31", "2026-03-16"):
        assert state(scenario, day) == "listed"
        assert state(dataset, day) == "registered"
        assert state(party, day) == "registered"
