"""The projection and the rules together: never finer than the law, never open where blind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.harness.facts import ALLOWED, make_facts, policy_files
from tests.harness.scale import scaled

from xbgateway.model.errors import Unavailable
from xbgateway.model.facts import UNREAD, ContentFacts, Counts, Facts
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.fixtures import merged
from xbgateway.policy.memo import Decider, Memo
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.revision import load_revision

# Every date of the corridor base, and the edges that the law or the tables make of them.
DAYS = {
    "mechanism.effective_on": "2026-03-02",
    "mechanism.filing_due": "2026-03-16",
    "mechanism.expires_on": "2028-03-01",
    "state_assessment.valid_until": "2027-06-30",
    "pipia.approved_on": "2026-01-05",
    "mo_transfer.notif_on": "2026-02-18",
    "consent.given_on": "2026-03-10",
    "consent.withdrawn_on": "2026-08-01",
    "consent.expires_on": "2026-09-30",
    "application.valid_until": "2028-01-20",
    "mo_processing.window": "2026-02-24",
    "dataset.record": "2027-02-20",
    "agreement.renewal": "2026-02-20",
    "agreement.valid_until": "2026-05-19",
    "edition": "2025-11-04",
    "leap": "2026-02-28",
}
CONSENT = {
    "ref": "CNS-CANARY",
    "kind": "separate",
    "purposes": ["PROOF_OF_LIFE", "CONTRIB_QUERY"],
    "recipients": ["mo.fss"],
    "given_on": DAYS["consent.given_on"],
    "withdrawn_on": None,
    "expires_on": DAYS["consent.expires_on"],
}

INCIDENT = {
    "ref": "INC-CANARY",
    "severity": "major",
    "opened_on": DAYS["pipia.approved_on"],
    "dataset": True,
    "sender": False,
    "recipient": False,
    "mechanism": False,
}


@cache
def decider(*, memo: bool) -> Decider:
    revision = load_revision(policy_files())
    return Decider(
        EmbeddedEngine().load(revision.bundle()),
        Projector(revision),
        revision,
        Memo() if memo else None,
        timeout_ms=10_000,
    )


def local_midnight(day: str) -> datetime:
    """The instant at which ``day`` begins on both sides (UTC+8)."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=8)


def rfc3339(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@st.composite
def facts_at_edges(draw: st.DrawFn) -> list[Facts]:
    """The same standing object at a second before, at and after an edge, in some order."""
    patch: dict[str, Any] = {}
    if draw(st.booleans()):
        patch["mechanism"] = {"filing_no": None, "filed_on": None}
    if draw(st.booleans()):
        withdrawn = draw(st.sampled_from([None, DAYS["consent.withdrawn_on"]]))
        patch["consent"] = {**CONSENT, "withdrawn_on": withdrawn}
        patch["basis"] = {"cn": draw(st.sampled_from(["consent", "statutory_duty"]))}
    if draw(st.booleans()):
        patch["incidents"] = [
            {**INCIDENT, "closed_on": draw(st.sampled_from([None, DAYS["leap"]]))}
        ]
    if draw(st.booleans()):
        patch["retention_days"] = draw(st.sampled_from([29, 30, 31, 400, 401, None]))
    facts = make_facts(draw(st.sampled_from(ALLOWED)), standing=patch)
    day = datetime.fromisoformat(draw(st.sampled_from(sorted(DAYS.values())))).date()
    day += timedelta(days=draw(st.sampled_from([0, 1])))
    midnight = local_midnight(day.isoformat())
    seconds = draw(st.permutations([-1, 0, 1]))
    sent = draw(st.sampled_from([None, -301, -300, 0, 300, 301]))
    return [
        replace(
            facts,
            moment=replace(
                facts.moment,
                now=rfc3339(midnight + timedelta(seconds=second)),
                sent_at=None
                if sent is None
                else rfc3339(midnight + timedelta(seconds=second + sent)),
                counts=Counts(pi_year=draw(st.sampled_from([None, 99_999, 100_000, 1_000_000]))),
                content=draw(st.sampled_from([UNREAD, ContentFacts(record_on="2025-03-16")])),
                queries_person_day=draw(st.sampled_from([None, 2, 3, 5, 6])),
                replayed=draw(st.booleans()),
            ),
        )
        for second in seconds
    ]


@settings(
    max_examples=scaled(60, most=10),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(facts_at_edges())
def test_memo_and_caches_never_change_a_decision(several: list[Facts]) -> None:
    remembering = decider(memo=True)
    for facts in several:
        remembered = remembering.decide(facts)
        fresh = decider(memo=False)
        anew = fresh.evaluate(Projected.of(Projector(fresh.revision).input_bytes(replace(facts))))
        assert remembered.input_bytes == anew.input_bytes
        assert remembered.decision_bytes == anew.decision_bytes
        assert remembered.decision == anew.decision


# What a register change may do to a corridor: each turns one paper or party, or takes it away.
CHANGES: tuple[dict[str, Any], ...] = (
    {"consent": None, "basis": {"cn": "statutory_duty"}},
    {"consent": CONSENT, "basis": {"cn": "consent"}},
    {
        "consent": {**CONSENT, "withdrawn_on": DAYS["consent.withdrawn_on"]},
        "basis": {"cn": "consent"},
    },
    {"mechanism": {"filing_no": None, "filed_on": None}},
    {"mechanism": {"filing_no": "GDCAC-1", "filed_on": DAYS["mechanism.effective_on"]}},
    {"state_assessment": {"valid_until": DAYS["pipia.approved_on"]}},
    {"state_assessment": {"valid_until": DAYS["state_assessment.valid_until"]}},
    {"recipient": {"restricted_list": True}},
    {"recipient": {"restricted_list": False}},
    {"incidents": [{**INCIDENT, "closed_on": None}]},
    {"incidents": []},
    {"applications": []},
)


@cache
def two_revisions() -> tuple[tuple[Decider, Decider], ...]:
    """The policy and a stricter edition of it: with one memo for both, and with none."""
    files = policy_files()
    table = files["tables/thresholds.yaml"]
    stricter = table.replace(b"rate_person_day, value: 5", b"rate_person_day, value: 4")
    assert stricter != table
    memo = Memo()
    found = []
    for each in (files, {**files, "tables/thresholds.yaml": stricter}):
        revision = load_revision(each)
        snapshot = EmbeddedEngine().load(revision.bundle())
        found.append(
            (
                Decider(snapshot, Projector(revision), revision, memo, timeout_ms=10_000),
                Decider(snapshot, Projector(revision), revision, None, timeout_ms=10_000),
            )
        )
    return tuple(found)


STEPS = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(CHANGES)),
    st.tuples(st.just("activate"), st.sampled_from([0, 1])),
    st.tuples(
        st.just("clock"), st.tuples(st.sampled_from(sorted(DAYS)), st.sampled_from([-1, 0, 1]))
    ),
)


@settings(max_examples=scaled(40, most=25), deadline=None)
@given(st.sampled_from(ALLOWED), st.lists(STEPS, min_size=4, max_size=12))
def test_memo_and_engine_agree_on_every_walk(base: str, walk: list[tuple[str, Any]]) -> None:
    """Registers change, revisions are activated, the clock steps over edges: asked each time."""
    standing: dict[str, Any] = {}
    now, revision = "2026-03-16T02:00:00Z", 0
    for what, value in walk:
        match what:
            case "change":
                standing = merged(standing, value)
            case "activate":
                revision = value
            case "clock":
                edge, second = value
                now = rfc3339(local_midnight(DAYS[edge]) + timedelta(seconds=second))
        remembering, forgetting = two_revisions()[revision]
        facts = make_facts(base, standing=standing, moment={"now": now, "sent_at": None})
        remembered, anew = remembering.decide(facts), forgetting.decide(facts)
        assert remembered == anew
        assert remembered.decision.revision == remembering.revision.id


@pytest.mark.parametrize("day", sorted(DAYS.values()))
def test_a_day_is_one_input_and_its_midnight_the_only_edge(day: str) -> None:
    """Within one local day no instant can be told from another."""
    base = make_facts(moment={"sent_at": None})
    project = decider(memo=True).project
    start = local_midnight(day)
    inside = [0, 1, 3600 * 8 - 1, 3600 * 8, 86_399]

    def at(second: int) -> Projected:
        now = rfc3339(start + timedelta(seconds=second))
        return project(replace(base, moment=replace(base.moment, now=now)))

    assert len({at(second).digest for second in inside}) == 1


def paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key of every object in a document."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*above, key)
            yield from paths(below, (*above, key))
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield from paths(below, (*above, position))


def lacking(document: dict[str, Any], path: tuple[str | int, ...]) -> bytes:
    copy: Any = json.loads(json.dumps(document))
    place = copy
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return orjson.dumps(copy, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("base", ALLOWED)
def test_nothing_is_allowed_with_any_path_left_out(base: str) -> None:
    deciding = decider(memo=True)
    facts = make_facts(base)
    assert deciding.decide(facts).decision.verdict == "allow"
    document = orjson.loads(deciding.project(facts).input_bytes)
    tried = 0
    for path in paths(document):
        if len(path) > 1 and path[0] == "fields" and path[1] != 0 and scaled(10) <= 10:
            continue  # all fields have one shape; the first one stands for them in short runs
        projected = Projected.of(lacking(document, path))
        try:
            verdict = deciding.evaluate(projected).decision.verdict
        except Unavailable:
            verdict = "deny"  # no decision moves no data
        assert verdict == "deny", path
        tried += 1
    assert tried > 80


CANARIES = st.text(alphabet="qxzjkw", min_size=12, max_size=20)


@settings(max_examples=scaled(40), deadline=None)
@given(st.lists(CANARIES, min_size=12, max_size=12, unique=True), st.integers(0, 86_399))
def test_no_id_name_or_instant_passes_the_projection(canaries: list[str], second: int) -> None:
    now = rfc3339(local_midnight("2026-03-16") + timedelta(seconds=second, microseconds=987_651))
    facts = make_facts(
        standing={
            "register_version": canaries[0],
            "service": canaries[1],
            "method": canaries[2],
            "scenario_id": canaries[3],
            "dataset_id": canaries[4],
            "sender": {"org": canaries[5], "child_rules_ref": canaries[9]},
            "recipient": {"org": canaries[6], "subprocessors": [canaries[7]]},
            "dataset": {"important_notice_ref": canaries[9], "controllers": [canaries[5]]},
            "handling": {"retention_ref": canaries[7]},
            "applications": [
                {"ref": canaries[8], "approved_on": "2026-01-20", "valid_until": None}
            ],
            "incidents": [{**INCIDENT, "ref": canaries[8], "closed_on": None}],
            "contract": {"ref": canaries[8], "parties": [canaries[5], canaries[6]]},
            "mo_processing": {"ref": canaries[8], "notif_no": canaries[9], "auth_no": canaries[9]},
            "basis": {
                "necessity": canaries[7],
                "emergency_since": now,
                "competent_approval_ref": canaries[9],
                "cn_ref": canaries[7],
                "mo_ref": canaries[7],
                "explicit_law_ref": canaries[7],
            },
            "consent": {**CONSENT, "ref": canaries[8], "recipients": [canaries[6]]},
            "notice": {"ref": canaries[8], "exempt_cn_ref": canaries[9]},
            "pipia": {"ref": canaries[8], "recipients": [canaries[6]]},
            "mechanism": {
                "ref": canaries[8],
                "filing_no": canaries[9],
                "parties": [canaries[5], canaries[6]],
                "pipia_ref": canaries[8],
            },
            "state_assessment": {"ref": canaries[8], "recipients": [canaries[6]]},
            "mo_transfer": {"notif_no": canaries[9], "auth_no": canaries[9]},
        },
        moment={"exchange": canaries[10], "salt": canaries[11], "now": now, "sent_at": now},
    )
    text = decider(memo=True).project(facts).input_bytes.decode()
    for canary in canaries:
        assert canary not in text
    assert "987651" not in text
    for part in ("2026-", "2027-", "2028-", ":00", "T0", "T1"):
        assert part not in text
    assert json.loads(text)["m"]["names_parties"] is True
    assert json.loads(text)["pipia"]["of_mechanism"] is True
