"""Rules that only warn or only observe (table ``rule_modes``), and what no table can soften."""

from collections.abc import Mapping

import pytest
from tests.harness.facts import make_facts, policy_files

from xbgateway.model.decision import Decision
from xbgateway.model.errors import Refused
from xbgateway.model.facts import Facts
from xbgateway.policy.check import check_directory
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.memo import Decider
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_revision

TABLE = "tables/rule_modes.yaml"


def with_modes(modes: Mapping[str, str], effective_from: str = "2021-11-01") -> dict[str, bytes]:
    rows = "".join(f"\n      - {{rule: {rule}, mode: {mode}}}" for rule, mode in modes.items())
    table = policy_files()[TABLE].decode().replace("rows: []", f"rows:{rows or ' []'}")
    table = table.replace("2021-11-01", effective_from)
    return {**policy_files(), TABLE: table.encode()}


def decided(facts: Facts, modes: Mapping[str, str], effective_from: str = "2021-11-01") -> Decision:
    revision = load_revision(with_modes(modes, effective_from))
    snapshot = EmbeddedEngine().load(revision.bundle())
    try:
        decider = Decider(snapshot, Projector(revision), revision, None, timeout_ms=10_000)
        return decider.decide(facts).decision
    finally:
        snapshot.close()


def rules(found: tuple[object, ...]) -> set[str]:
    return {getattr(one, "rule") for one in found}  # noqa: B009 - findings


RESTRICTED: dict[str, object] = {"recipient": {"restricted_list": True}}  # CN-PIPL-42-1 denies
UNAPPROVED: dict[str, object] = {"applications": []}  # ZH-CAT-2 holds


@pytest.mark.parametrize(
    ("change", "rule", "verdict"),
    [(RESTRICTED, "CN-PIPL-42-1", "deny"), (UNAPPROVED, "ZH-CAT-2", "hold")],
    ids=["a denial", "a hold"],
)
def test_a_rule_is_enforced_told_or_only_observed(
    change: dict[str, object], rule: str, verdict: str
) -> None:
    facts = make_facts(standing=change)
    enforced = decided(facts, {})
    assert enforced.verdict == verdict
    assert rule in rules((*enforced.denials, *enforced.holds))
    assert decided(facts, {rule: "enforce"}).verdict == verdict

    warning = decided(facts, {rule: "warn"})
    assert (warning.verdict, warning.observed) == ("allow", ())
    assert rule in rules(warning.warnings)

    observing = decided(facts, {rule: "observe"})
    assert (observing.verdict, rules(observing.observed)) == ("allow", {rule})
    assert rule not in rules(observing.warnings)


def test_a_mode_counts_from_its_day_on() -> None:
    facts = make_facts(standing=RESTRICTED)  # on 16 March 2026
    assert decided(facts, {"CN-PIPL-42-1": "observe"}, "2026-03-16").verdict == "allow"
    assert decided(facts, {"CN-PIPL-42-1": "observe"}, "2026-03-17").verdict == "deny"


def test_duties_stay_with_a_warning_and_go_with_an_observation() -> None:
    rule = "CN-NDSR-12-1"  # asks that the log is kept 1,096 days
    facts = make_facts()

    def asks(modes: Mapping[str, str]) -> bool:
        return any(rule in duty.rules for duty in decided(facts, modes).duties)

    assert asks({})
    assert asks({rule: "warn"})
    assert not asks({rule: "observe"})


def test_fields_are_dropped_whatever_the_mode() -> None:
    facts = make_facts("contribution_answer")
    drops = {one.path for one in decided(facts, {}).fields if one.how == "drop"}
    observed = decided(facts, {"CN-PIPL-6-1": "observe"})
    assert {one.path for one in observed.fields if one.how == "drop"} == drops


@pytest.mark.parametrize("rule", ["GW-SHAPE-1", "CN-SEC-1", "CN-DSL-21-1"])
def test_what_is_always_enforced_has_no_mode(rule: str) -> None:
    with pytest.raises(Refused) as caught:
        load_revision(with_modes({rule: "warn"}))
    assert caught.value.metadata["file"] == TABLE
    assert int(caught.value.metadata["line"]) > 1


def test_a_mode_of_no_rule_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("modes")
    for name, content in with_modes({"CN-PIPL-999-1": "warn"}).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    problems = check_directory(folder, EmbeddedEngine()).problems
    assert [str(one) for one in problems if "CN-PIPL-999-1" in str(one)]
