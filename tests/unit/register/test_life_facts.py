"""What the state of a record makes of the facts of a corridor."""

from collections.abc import Callable
from typing import Any

import pytest

from xbgateway.model.errors import Refused
from xbgateway.model.facts import Standing
from xbgateway.model.papers import StopFacts
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.document import Register
from xbgateway.register.standing import standing

SERVICE = "test.population.v1.PopulationService"
Load = Callable[[dict[str, Any]], Register]
Ask = Callable[[], Standing]


@pytest.fixture
def ask(load: Load, document: dict[str, Any], catalogue: Catalogue) -> Ask:
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


def paper(document: dict[str, Any], named: str) -> dict[str, Any]:
    return next(one for one in document["instruments"] if one["id"] == named)


def test_what_is_out_of_use_stands_in_the_facts(ask: Ask, document: dict[str, Any]) -> None:
    assert ask().stops == ()
    document["scenarios"][0] |= {"applied_on": "2026-03-01", "listed_on": "2026-03-10"}
    document["datasets"][0] |= {"withdrawn_on": "2026-05-01"}
    document["parties"][0] |= {"suspended_on": "2026-04-01", "resumed_on": "2026-04-10"}
    document["parties"][1] |= {"suspended_on": "2026-06-01"}
    facts = ask()
    assert set(facts.stops) == {
        StopFacts("scenario", "0001-01-01", "2026-03-10"),
        StopFacts("dataset", "2026-05-01", None),
        StopFacts("sender", "2026-04-01", "2026-04-10"),
        StopFacts("recipient", "2026-06-01", None),
    }
    assert facts.scenario_authorised
    assert facts.dataset_registered


def test_a_scenario_that_is_not_listed_has_no_last_day(ask: Ask, document: dict[str, Any]) -> None:
    document["scenarios"][0] |= {"applied_on": "2026-03-01"}
    assert ask().stops == (StopFacts("scenario", "0001-01-01", None),)


def test_a_draft_is_no_paper(ask: Ask, document: dict[str, Any]) -> None:
    for named, days in (("PIA-1", ("approved_on", "keep_until")), ("SA-1", ("valid_until",))):
        for day in days:
            del paper(document, named)[day]
    facts = ask()
    assert facts.pipia is None
    assert facts.state_assessment is None


def test_an_application_counts_once_it_is_approved(ask: Ask, document: dict[str, Any]) -> None:
    asked = {
        "id": "AP-1",
        "kind": "application",
        "scenario": "SC-1",
        "datasets": ["DS-T-1"],
        "recipients": ["mo.fss"],
        "applied_on": "2026-03-01",
    }
    document["instruments"].append(asked)
    assert ask().applications == ()
    asked |= {"approved_on": "2026-03-02", "withdrawn_on": "2026-04-01"}
    (found,) = ask().applications
    assert (found.ref, found.approved_on, found.withdrawn_on) == (
        "AP-1",
        "2026-03-02",
        "2026-04-01",
    )


def test_an_unsigned_agreement_is_told_as_such(ask: Ask, document: dict[str, Any]) -> None:
    applied = {
        "id": "AO-1",
        "kind": "agreement",
        "authority": "mo.fss",
        "operator": "cn.window",
        "scenarios": [{"scenario": "SC-1", "datasets": ["DS-T-1"]}],
        "applied_on": "2026-03-01",
    }
    document["instruments"].append(applied)
    document["scenarios"][0]["request"]["agreement"] = "AO-1"
    found = ask().agreement
    assert found is not None
    assert (found.signed_on, found.valid_until, found.lists_dataset) == (None, None, True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signed_on": "2026-01-01"}, "signed_on and valid_until stand together"),
        ({}, "neither signed_on nor applied_on"),
        (
            {"signed_on": "2026-01-01", "valid_until": "2027-01-01", "revoked_on": "2026-06-01"},
            "exit_on",
        ),
    ],
)
def test_an_agreement_says_nothing_by_halves(
    load: Load, document: dict[str, Any], changes: dict[str, str], why: str
) -> None:
    listed = [{"scenario": "SC-1", "datasets": ["DS-T-1"]}]
    half = {"id": "AO-1", "kind": "agreement", "authority": "mo.fss", "operator": "cn.window"}
    document["instruments"].append({**half, "scenarios": listed, **changes})
    with pytest.raises(Refused, match=why):
        load(document)
