"""Records become the facts of a corridor."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.harness.scale import scaled

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import Standing
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.document import Register
from xbgateway.register.standing import standing

SERVICE = "test.population.v1.PopulationService"
Load = Callable[[dict[str, Any]], Register]
Ask = Callable[..., Standing]


@pytest.fixture
def ask(load: Load, document: dict[str, Any], catalogue: Catalogue) -> Ask:
    register = load(document)

    def asked(**more: Any) -> Standing:
        corridor: dict[str, Any] = {
            "leg": "request",
            "sender": "cn.window",
            "recipient": "mo.fss",
            "service": SERVICE,
            "method": "Find",
            "purpose": "ID_MATCH",
            "scenario_id": "SC-1",
            "references": (),
        }
        return standing(register, catalogue, **{**corridor, **more})

    return asked


ANSWER = {"leg": "answer", "sender": "mo.fss", "recipient": "cn.window"}


def test_the_request_leg(ask: Ask, catalogue: Catalogue) -> None:
    facts = ask()
    assert facts.scenario_authorised
    assert facts.dataset_registered
    assert (facts.dataset_id, facts.mode, facts.direction) == ("DS-T-1", "predicate", "CN2MO")
    assert (facts.sender.org, facts.sender.powers) == ("cn.window", ("ID_MATCH",))
    assert (facts.recipient.org, facts.recipient.jurisdiction) == ("mo.fss", "MO")
    assert facts.fields is catalogue.method(SERVICE, "Find").request.fields
    assert facts.basis.cn == "statutory_duty"
    assert facts.consent is None
    assert facts.notice is not None
    assert facts.notice.items == ("handler", "purpose")
    assert facts.mechanism is not None
    assert (facts.mechanism.ref, facts.mechanism.effective_on) == ("GBA-1", "2026-03-02")
    assert facts.pipia is not None
    assert facts.pipia.keep_until == "2029-01-05"
    assert facts.state_assessment is not None
    assert facts.state_assessment.valid_until == "2027-06-30"
    assert facts.mo_transfer is not None
    assert facts.mo_transfer.kind == "art20_1"
    assert (facts.retention_days, facts.log_retention_days) == (30, 1096)
    assert facts.environment == "test"


def test_the_answer_leg_goes_from_the_provider(ask: Ask) -> None:
    facts = ask(**ANSWER)
    assert facts.scenario_authorised
    assert (facts.mode, facts.direction) == ("payload", "MO2CN")
    assert facts.sender.org == "mo.fss"
    assert facts.consent is not None
    assert facts.consent.ref == "CNS-1"


def test_the_callers_references_take_the_place_of_the_scenarios(ask: Ask) -> None:
    facts = ask(**ANSWER, references=("CNS-2", "N-2"))
    assert facts.consent is not None
    assert facts.consent.ref == "CNS-2"
    assert facts.notice is not None
    assert (facts.notice.ref, facts.notice.exempt_cn_ref) == ("N-2", "PIPL 35")


@pytest.mark.parametrize(
    "more",
    [
        {"purpose": "STATS"},
        {"sender": "mo.fss", "recipient": "cn.window"},
        {"sender": "mo.fss"},
        {"leg": "answer"},
    ],
    ids=["purpose", "turned", "self", "leg"],
)
def test_what_the_scenario_does_not_list_is_a_fact_and_no_error(
    ask: Ask, more: dict[str, Any]
) -> None:
    assert not ask(**more).scenario_authorised


def test_a_scenario_without_the_dataset_or_service_does_not_authorise(
    load: Load, document: dict[str, Any], catalogue: Catalogue
) -> None:
    corridor: dict[str, Any] = {
        "leg": "request",
        "sender": "cn.window",
        "recipient": "mo.fss",
        "service": SERVICE,
        "method": "Find",
        "purpose": "ID_MATCH",
        "scenario_id": "SC-1",
    }
    scenario = document["scenarios"][0]
    for key in ("datasets", "services"):
        kept, scenario[key] = scenario[key], []
        facts = standing(load(document), catalogue, **corridor)
        assert not facts.scenario_authorised, key
        assert facts.dataset_registered
        scenario[key] = kept
    scenario["datasets"], document["datasets"] = [], []
    assert not standing(load(document), catalogue, **corridor).dataset_registered


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"scenario_id": "SC-9"}, Reason.REFERENCE_UNKNOWN),
        ({"references": ("N-9",)}, Reason.REFERENCE_UNKNOWN),
        ({"references": ("GBA-1",)}, Reason.REFERENCE_MALFORMED),
        ({"references": ("N-1", "N-2")}, Reason.REFERENCE_MALFORMED),
        ({"sender": "cn.nobody"}, Reason.PARTY_UNKNOWN),
        ({"service": "a.B"}, Reason.SERVICE_UNKNOWN),
        ({"method": "Lose"}, Reason.METHOD_UNKNOWN),
        ({"method": "Watch"}, Reason.METHOD_NOT_UNARY),
    ],
    ids=["scenario", "reference", "kind", "two", "party", "service", "method", "stream"],
)
def test_what_nobody_registered_is_refused(ask: Ask, more: dict[str, Any], reason: Reason) -> None:
    for _ in range(2):  # a refusal is not kept
        with pytest.raises(Refused) as refused:
            ask(**more)
        assert refused.value.reason is reason


def test_equal_questions_get_the_same_object(ask: Ask) -> None:
    assert ask() is ask()
    assert ask(references=("CNS-2",)) is not ask()
    assert ask(**ANSWER) is not ask()


def test_another_register_is_another_answer(
    load: Load, document: dict[str, Any], catalogue: Catalogue, ask: Ask
) -> None:
    before = ask()
    document["scenarios"][0]["request"]["retention_days"] = 31
    after = standing(
        load(document),
        catalogue,
        leg="request",
        sender="cn.window",
        recipient="mo.fss",
        service=SERVICE,
        method="Find",
        purpose="ID_MATCH",
        scenario_id="SC-1",
    )
    assert (before.retention_days, after.retention_days) == (30, 31)
    assert before.register_version != after.register_version


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sys.modules[standing.__module__]._kept
    kept.clear()
    monkeypatch.setattr(limits, "STANDINGS_CACHED_MAX", 3)
    first = ask(purpose="P_0")
    for i in range(1, scaled(10)):
        ask(purpose=f"P_{i}")
        assert len(kept) <= 3
    again = ask(purpose="P_0")
    assert again is not first
    assert again == first
