import json
from typing import Any

import orjson
import pytest
from tests.harness.facts import make_facts, policy_files

from xbgateway.model.decision import Duty
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.explain import explain, explain_lines
from xbgateway.policy.memo import Decided, Decider, Memo, parse_decision
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import Revision, load_revision

REVISION = load_revision(policy_files())


@pytest.fixture(scope="module")
def snapshot() -> Any:
    loaded = EmbeddedEngine().load(REVISION.bundle())
    yield loaded
    loaded.close()


def decider(snapshot: Any, memo: Memo | None = None, revision: Revision = REVISION) -> Decider:
    return Decider(snapshot, Projector(revision), revision, memo, timeout_ms=10_000)


class Broken:
    """An engine that answers what no engine of ours would, or fails."""

    opa_version = "0"
    revision = REVISION.id

    def __init__(self, answer: bytes | Unavailable) -> None:
        self.answer = answer
        self.asked = 0

    def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
        assert input_bytes
        assert timeout_ms > 0
        self.asked += 1
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return self.answer

    def close(self) -> None:
        """Nothing to give back."""


def test_equal_inputs_are_decided_once(snapshot: Any) -> None:
    memo = Memo()
    deciding = decider(snapshot, memo)
    first = deciding.decide(make_facts())
    second = deciding.decide(make_facts(now="2026-03-16T03:00:00Z", sent_at="2026-03-16T03:00:00Z"))
    assert second is first
    assert (memo.hits, memo.misses, memo.evicted, len(memo)) == (1, 1, 0, 1)
    projected = deciding.project(make_facts())
    assert deciding.lookup(projected) is first
    assert deciding.lookup(deciding.project(make_facts(replayed=True))) is None


def test_the_oldest_unused_decision_goes_first(snapshot: Any) -> None:
    memo = Memo(capacity=2)
    deciding = decider(snapshot, memo)
    for days in (1, 2):
        deciding.decide(make_facts(retention_days=days))
    deciding.decide(make_facts(retention_days=1))
    deciding.decide(make_facts(retention_days=3))
    assert (len(memo), memo.evicted) == (2, 1)
    kept = [deciding.lookup(deciding.project(make_facts(retention_days=n))) for n in (1, 2, 3)]
    assert [one is not None for one in kept] == [True, False, True]


def test_another_revisions_decision_is_never_found(snapshot: Any) -> None:
    memo = Memo()
    deciding = decider(snapshot, memo)
    decided = deciding.decide(make_facts())
    assert memo.get("0" * 64, decided.decision.input_digest) is None


def test_an_engine_of_another_revision_is_not_used(snapshot: Any) -> None:
    files = {**policy_files(), "cn/more.rego": b"package xb.cn.more\n"}
    with pytest.raises(Unavailable) as caught:
        decider(snapshot, revision=load_revision(files))
    assert caught.value.reason is Reason.POLICY_STALE


@pytest.mark.parametrize(
    "reason", [Reason.POLICY_TIMEOUT, Reason.POLICY_ERROR, Reason.POLICY_UNDEFINED]
)
def test_failures_are_passed_on_and_not_remembered(reason: Reason) -> None:
    broken, memo = Broken(Unavailable(reason, "no")), Memo()
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            decider(broken, memo).decide(make_facts())
        assert caught.value.reason is reason
    assert (broken.asked, len(memo)) == (2, 0)


DUTIES = {"drop": [], "mask": [], "log_keep_days": 184, "data_keep_days": None}


def allowed_document() -> dict[str, Any]:
    return {
        "decision": "allow",
        "revision": REVISION.id,
        "deny": [],
        "holds": [],
        "warns": [],
        "obligations": DUTIES,
    }


FINDING: dict[str, Any] = {"rule": "X-1", "article": "a", "text": {"en": "t"}}


@pytest.mark.parametrize(
    "patch",
    [
        {"decision": "deny"},
        {"decision": "hold"},
        {"decision": "permit"},
        {"deny": [FINDING]},
        {"holds": [FINDING]},
        {"decision": "deny", "holds": [FINDING]},
        {"decision": "hold", "deny": [FINDING], "holds": [FINDING]},
        {"deny": None},
        {"deny": [{"rule": "X-1"}]},
        {"obligations": {}},
        {"obligations": {"drop": [], "mask": [], "log_keep_days": "1", "data_keep_days": 1}},
        {"obligations": {"drop": [], "mask": [], "log_keep_days": 1, "data_keep_days": 1.5}},
        {"obligations": {**DUTIES, "duties": [{"verb": "applaud", "rules": ["X-1"]}]}},
        {"obligations": {**DUTIES, "duties": [{"verb": "sign", "rules": ["X-1"], "value": "1"}]}},
        {"obligations": {**DUTIES, "duties": [{"verb": "sign"}]}},
    ],
)
def test_a_document_that_is_wrong_or_contradicts_itself_is_no_decision(
    patch: dict[str, Any],
) -> None:
    raw = orjson.dumps({**allowed_document(), **patch})
    with pytest.raises(Unavailable) as caught:
        decider(Broken(raw), Memo()).decide(make_facts())
    assert caught.value.reason is Reason.POLICY_ERROR


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b'"allow"', b"{", b"\xff"])
def test_bytes_that_are_no_document_are_no_decision(raw: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        parse_decision(raw, "0", REVISION.id)
    assert caught.value.reason is Reason.POLICY_ERROR


def test_another_revision_in_the_document_is_stale() -> None:
    raw = orjson.dumps({**allowed_document(), "revision": "00"})
    with pytest.raises(Unavailable) as caught:
        parse_decision(raw, "0", REVISION.id)
    assert caught.value.reason is Reason.POLICY_STALE


def denied(snapshot: Any) -> Decided:
    facts = make_facts(
        state_assessment={"valid_until": "2026-03-15"},
        fields={"attestation.mobile": {"level": "L3", "identifier": "phone"}},
        moment={"replayed": True},
    )
    return decider(snapshot).decide(facts)


def test_findings_are_complete_and_sorted(snapshot: Any) -> None:
    decided = denied(snapshot)
    decision = decided.decision
    assert [one.rule for one in decision.denials] == ["CN-PIPL-36-1", "GW-REPLAY-1"]
    for finding in decision.denials:
        assert set(finding.text) == {"zh-Hant", "zh-Hans", "pt", "en"}
        assert finding.article
        assert finding.path
    assert [(one.path, one.how, one.rule) for one in decision.fields] == [
        ("attestation.mobile", "drop", "CN-PIPL-6-1")
    ]
    assert decision.log_keep_days == 1827
    assert decision.data_keep_days == 30
    text = decided.decision_bytes.decode()
    again = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == again


def test_a_decision_is_explained_in_four_languages(snapshot: Any) -> None:
    decision = denied(snapshot).decision
    lines = explain_lines(decision)
    assert lines[0] == "denied (deny)"
    assert any("CN-PIPL-36-1 (PIPL Arts 36-37) [state_assessment.state]" in one for one in lines)
    assert "  field attestation.mobile: drop (CN-PIPL-6-1)" in lines
    assert "評估" in explain(decision, "zh-Hant")[0].sentence
    assert "评估" in explain(decision, "zh-Hans")[0].sentence
    assert "avaliação" in explain(decision, "pt")[0].sentence


def test_a_hold_names_whom_to_ask(snapshot: Any) -> None:
    decision = decider(snapshot).decide(make_facts("pension_claim_request", approvals=[])).decision
    assert decision.verdict == "hold"
    assert [one.role for one in decision.holds] == ["data_officer"]
    assert any("-> data_officer" in line for line in explain_lines(decision))


def test_duties_are_values_with_the_rules_that_ask() -> None:
    asked = {
        "verb": "notify",
        "who": "dspdp",
        "about": "incident",
        "value": 4,
        "unit": "hours",
        "rules": ["A-1", "B-2"],
    }
    waived = {**FINDING, "path": "m"}
    document = {
        **allowed_document(),
        "obligations": {**DUTIES, "duties": [asked, {"verb": "sign", "rules": ["C-3"]}]},
        "waives": [waived],
    }
    decision = parse_decision(orjson.dumps(document), "0", REVISION.id)
    notify, sign = decision.duties
    assert notify == Duty("notify", ("A-1", "B-2"), "dspdp", "incident", 4, "hours")
    assert notify.line() == "notify dspdp (incident): 4 hours"
    assert sign.line() == "sign"
    assert [one.rule for one in decision.waivers] == ["X-1"]
    lines = explain_lines(decision)
    assert "  duty notify dspdp (incident): 4 hours (A-1, B-2)" in lines
    assert any(line.startswith("  waive X-1") for line in lines)


def test_a_document_of_before_duties_is_still_a_decision() -> None:
    decision = parse_decision(orjson.dumps(allowed_document()), "0", REVISION.id)
    assert (decision.duties, decision.waivers) == ((), ())
