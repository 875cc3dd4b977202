import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.harness.facts import ALLOWED, make_facts, policy_files

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.policy.projection import CORRIDORS_MAX, MOMENTS_MAX, Projected, Projector
from xbgateway.policy.revision import load_revision

REVISION = load_revision(policy_files())
SCHEMA = json.loads(policy_files()["schema/input.v1.json"])


def project(base: str = "proof_of_life_request", **changes: Any) -> dict[str, Any]:
    return Projector(REVISION).project(make_facts(base, **changes))


@pytest.mark.parametrize("base", ALLOWED)
def test_inputs_fit_the_documented_schema(base: str) -> None:
    jsonschema.validate(project(base), SCHEMA)


def test_an_input_from_empty_registers_still_fits_the_schema() -> None:
    nothing = dict.fromkeys(
        ["consent", "notice", "pipia", "mechanism", "state_assessment", "mo_transfer"]
    )
    empty = {"cn": None, "cn_ref": None, "mo": None, "mo_ref": None}
    document = project(
        standing={**nothing, "basis": empty, "direction": None, "mode": None},
        moment={"subjects": None, "synthetic": "none"},
        retention_days=None,
        log_retention_days=None,
    )
    jsonschema.validate(document, SCHEMA)
    assert {document[name]["state"] for name in ("consent", "notice", "pipia", "m")} == {"none"}
    assert "days" not in document["retention"]


def test_canonical_bytes_are_sorted_and_hashed() -> None:
    projector = Projector(REVISION)
    projected = projector.projected(make_facts())
    value = json.loads(projected.input_bytes)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert projected.input_bytes == again.encode()
    assert projected == Projected.of(projected.input_bytes)


@pytest.mark.parametrize(
    ("now", "state"),
    [
        ("2026-03-01T15:59:59Z", "not_yet"),
        ("2026-03-01T16:00:00Z", "valid"),
        ("2028-03-01T15:59:59.999999Z", "valid"),
        ("2028-03-01T16:00:00Z", "ended"),
    ],
)
def test_days_are_local_and_the_last_is_inside(now: str, state: str) -> None:
    assert project(now=now)["m"]["state"] == state


def test_fields_are_those_present_and_sorted() -> None:
    document = project(fields_present=["attestation.year", "attestation.bir_no"])
    assert [one["name"] for one in document["fields"]] == ["bir_no", "year"]
    assert project(fields_present=[])["fields"] == []


def test_a_field_that_the_type_has_not_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        project(fields_present=["attestation.nobody_declared"])
    assert caught.value.reason is Reason.CONTENT_UNDECLARED


@pytest.mark.parametrize("now", ["2026-03-16T02:00:00+00:00", "2026-03-16 nonsenseZ", ""])
def test_a_clock_reading_that_is_none_is_no_decision(now: str) -> None:
    with pytest.raises(Unavailable) as caught:
        project(now=now)
    assert caught.value.reason is Reason.POLICY_ERROR


def test_before_any_table_every_verdict_is_unknown() -> None:
    document = project(now="2001-01-01T00:00:00Z", queries_person_day=1)
    assert document["effective"] == 0
    assert document["t"]["freshness"] == "unknown"
    assert document["t"]["rate_person"] == "unknown"
    assert document["m"]["filing"] == "none"
    assert document["log"]["retention"] == "short"
    assert "max_days" not in document["retention"]


def test_projector_caches_stay_bounded_and_right() -> None:
    projector = Projector(REVISION)
    facts = make_facts()
    expected = projector.input_bytes(facts)
    for number in range(MOMENTS_MAX + 5):
        moment = replace(facts.moment, approvals=(f"role_{number}",))
        projector.input_bytes(replace(facts, moment=moment))
    for _ in range(CORRIDORS_MAX + 5):
        other = replace(facts, standing=replace(facts.standing, purpose="CONTRIB_QUERY"))
        assert b'"CONTRIB_QUERY"' in projector.input_bytes(other)
    for day in range(1, 29):
        moment = replace(facts.moment, now=f"2026-05-{day:02d}T02:00:00Z")
        projector.input_bytes(replace(facts, moment=moment))
    assert projector.input_bytes(facts) == expected
    assert len(projector._corridors) <= CORRIDORS_MAX


def test_equal_standing_objects_give_equal_bytes() -> None:
    projector = Projector(REVISION)
    assert projector.input_bytes(make_facts()) == projector.input_bytes(make_facts())


def test_a_remembered_projection_takes_microseconds() -> None:
    """30 us is the aim on a quiet machine (measured: 2); ten times that is a broken cache."""
    projector = Projector(REVISION)
    facts = make_facts()
    many = [
        replace(facts, moment=replace(facts.moment, now=f"2026-03-16T02:00:{i % 60:02d}Z"))
        for i in range(2000)
    ]
    projector.projected(facts)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for one in many:
            projector.projected(one)
        best = min(best, (time.perf_counter() - start) / len(many))
    assert best < 300e-6


def test_the_schema_of_the_input_is_where_the_docs_say() -> None:
    root = Path(__file__).resolve().parents[3]
    assert (root / "policies" / "schema" / "input.v1.json").is_file()
