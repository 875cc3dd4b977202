"""Records become the facts of a corridor."""

import hashlib
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.harness.facts import make_facts
from tests.harness.scale import scaled

from xbgateway.exchange.archive import facts_bytes, read_facts, standing_bytes
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import UNCOUNTED, Facts, Standing
from xbgateway.model.papers import PLAIN
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


PAPERS: list[dict[str, Any]] = [
    {
        "id": "K-1",
        "kind": "contract",
        "type": "entrusting",
        "signed": True,
        "effective_on": "2026-03-02",
        "purposes": ["ID_MATCH"],
        "parties": ["cn.window", "mo.fss"],
        "terms": ["purpose"],
    },
    {"id": "MP-1", "kind": "mo_processing", "started_on": "2026-03-01", "auth_no": "1/2026"},
    {"id": "RA-1", "kind": "risk_assessment", "assessed_on": "2026-01-01"},
    {"id": "E-1", "kind": "evidence", "type": "labour_rule", "since": "2026-01-01"},
    {
        "id": "AP-1",
        "kind": "application",
        "scenario": "SC-1",
        "datasets": ["DS-T-1"],
        "recipients": ["mo.fss"],
        "approved_on": "2026-01-01",
    },
    {
        "id": "I-1",
        "kind": "incident",
        "severity": "major",
        "opened_on": "2026-03-01",
        "parties": ["cn.window"],
        "mechanisms": ["GBA-1"],
    },
    {
        "id": "I-2",
        "kind": "incident",
        "severity": "ordinary",
        "opened_on": "2026-03-01",
        "datasets": ["DS-T-3"],
    },
    {
        "id": "I-3",
        "kind": "incident",
        "severity": "ordinary",
        "opened_on": "2026-03-01",
        "datasets": ["DS-T-2"],
    },
    {
        "id": "AO-1",
        "kind": "agreement",
        "authority": "mo.fss",
        "operator": "cn.window",
        "scenarios": [{"scenario": "SC-1", "datasets": ["DS-T-2"]}],
        "signed_on": "2026-01-01",
        "valid_until": "2027-12-31",
    },
]


@pytest.fixture
def papers(load: Load, document: dict[str, Any], catalogue: Catalogue) -> Callable[[], Standing]:
    """The request leg of a register that has one paper of every kind."""
    joined = {"id": "DS-T-2", "owner": "cn.window", "title": document["datasets"][0]["title"]}
    document["datasets"][0] |= {"sources": ["DS-T-2"], "origin": "MO", "collected_for": ["STATS"]}
    document["datasets"].append({**joined, "origin": "CN", "important": True})
    document["datasets"].append({**joined, "id": "DS-T-3"})
    document["instruments"] += PAPERS
    document["instruments"][0] |= {"evidence_ref": "E-1", "kinds": ["identity"]}
    document["nodes"][0]["operator_reads"] = True
    document["scenarios"][0]["request"] |= {
        "contract": "K-1",
        "mo_processing": "MP-1",
        "risk_assessment": "RA-1",
        "agreement": "AO-1",
        "onward": {"regions": ["macao"], "third_party": True, "conditions": ["record"]},
        "document": {"certifier": "esigntrust"},
        "adverse_effect": "automatic",
        "storage": "macao",
    }

    def asked() -> Standing:
        return standing(
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

    return asked


def test_every_paper_becomes_a_fact(papers: Callable[[], Standing]) -> None:
    facts = papers()
    assert facts.contract is not None
    assert (facts.contract.ref, facts.contract.type, facts.contract.terms) == (
        *("K-1", "entrusting", ("purpose",)),
    )
    assert facts.mo_processing is not None
    assert facts.mo_processing.auth_no == "1/2026"
    assert facts.risk_assessment is not None
    assert facts.evidence is not None
    assert (facts.evidence.ref, facts.evidence.type) == ("E-1", "labour_rule")
    assert facts.mechanism is not None
    assert (facts.mechanism.ref, facts.mechanism.kinds) == ("GBA-1", ("identity",))
    assert [one.ref for one in facts.applications] == ["AP-1"]
    assert facts.onward is not None
    assert facts.onward.conditions == ("record",)
    assert facts.document is not None
    assert facts.document.certifier == "esigntrust"
    assert (facts.handling.adverse_effect, facts.handling.storage) == ("automatic", "macao")
    assert facts.handling.operator_reads
    assert facts.agreement is not None
    assert (facts.agreement.lists_scenario, facts.agreement.lists_dataset) == (True, False)
    assert (facts.agreement.authority_kind, facts.agreement.names_operator) == (
        *("social_security", True),
    )


def test_a_dataset_has_its_sources_and_their_controllers(papers: Callable[[], Standing]) -> None:
    dataset = papers().dataset
    assert dataset.controllers == ("cn.window", "mo.fss")
    assert [(one.dataset_id, one.origin, one.important) for one in dataset.sources] == [
        ("DS-T-2", "CN", True)
    ]
    assert dataset.collected_for == ("STATS",)


def test_only_the_incidents_that_strike_the_corridor_are_facts(
    papers: Callable[[], Standing],
) -> None:
    party, source = papers().incidents
    assert (party.ref, party.severity) == ("I-1", "major")
    assert (party.dataset, party.sender, party.recipient, party.mechanism) == (
        *(False, True, False, True),
    )
    assert (source.ref, source.dataset, source.sender) == ("I-3", True, False)


def test_a_register_that_says_none_of_it_has_none(ask: Ask) -> None:
    facts = ask()
    papers = (facts.contract, facts.mo_processing, facts.agreement, facts.evidence, facts.onward)
    assert papers == (None,) * 5
    assert (facts.applications, facts.incidents) == ((), ())
    assert facts.handling.copies == "case"
    assert facts.dataset.controllers == ("mo.fss",)


def test_recorded_facts_are_read_back_as_they_were(papers: Callable[[], Standing]) -> None:
    facts = papers()
    digest, raw = standing_bytes(facts)
    moment = make_facts(moment={"content": {"objected": ["a"]}, "counts": {"pi_year": 3}}).moment
    read = read_facts(facts_bytes(Facts(facts, moment), digest), raw)
    assert read == Facts(facts, moment)


def test_facts_recorded_before_a_fact_was_known_are_read(ask: Ask) -> None:
    facts = Facts(ask(), make_facts().moment)
    standing_document = orjson.loads(standing_bytes(facts.standing)[1])
    for name in ("contract", "dataset", "handling", "incidents", "agreement"):
        del standing_document[name]
    del standing_document["mechanism"]["kinds"]
    raw = orjson.dumps(standing_document, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(raw).hexdigest()
    recorded = orjson.loads(facts_bytes(facts, digest))
    for name in ("counts", "case", "content", "protection"):
        del recorded["moment"][name]
    read = read_facts(orjson.dumps(recorded), raw)
    assert read.moment.counts == UNCOUNTED
    assert read.standing.contract is None
    assert read.standing.handling == PLAIN
    recorded["moment"]["surprise"] = 1
    with pytest.raises(TypeError, match="surprise"):
        read_facts(orjson.dumps(recorded), raw)
