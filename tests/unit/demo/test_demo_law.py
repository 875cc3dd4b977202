"""The demo's register under the real rules and the real engine: what is allowed, dropped, refused.

Facts are gathered as a node does: standing from the register, fields and identifiers from messages
that the reference agencies would send.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from google.protobuf.message import Message
from tests.unit.demo.test_register import nodes

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as overpayment
from xbgateway.api.socialsecurity.v1 import pension_pb2 as pension
from xbgateway.demo.population import generate
from xbgateway.demo.register import demo_register
from xbgateway.model.decision import Decision
from xbgateway.model.facts import Facts, Leg, Moment, Protection
from xbgateway.policy.engine.embedded import LIBRARY, EmbeddedEngine
from xbgateway.policy.memo import Decider
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_directory
from xbgateway.register import build_catalogue, load_register, parse, standing, synthetic_verdict
from xbgateway.seal import SUITE

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="the engine's library is not built")
API = "xbgateway.api.socialsecurity.v1."
PEOPLE = generate(1, 400)
CONTRIBUTOR = next(PEOPLE.contributors())
PENSIONER = next(PEOPLE.macao_pensioners())
DRAWING = next(PEOPLE.mainland_pensioners())


def filled(message: Message, **known: Any) -> Message:
    """``message`` with something in every field, so that everything it can carry is carried."""
    for field in message.DESCRIPTOR.fields:
        held: Any = getattr(message, field.name)
        if field.message_type is not None:
            filled(held.add() if field.is_repeated else held, **known)
        else:
            text = field.type == field.TYPE_STRING
            value: Any = known.get(field.name, "x" if text else 1)
            if field.is_repeated:
                held.append(value)
            else:
                setattr(message, field.name, value)
    return message


KNOWN = {
    "bir_no": PENSIONER.bir_no,
    "fss_no": CONTRIBUTOR.fss_no,
    "prc_id_no": DRAWING.prc_id_no,
    "mobile": PENSIONER.mobile,
}
# method, purpose, scenario, caller, provider, request, answer
CASES = {
    "SC-CQ": (
        *("ContributionService", "QueryContributions", "CONTRIB_QUERY"),
        *("cn.hengqin.window", "mo.fss"),
        *(c.QueryContributionsRequest, c.QueryContributionsResponse),
    ),
    "SC-CC": (
        *("ContributionService", "MatchCertificate", "CONTRIB_CERT"),
        *("cn.zhuhai.hrss", "mo.fss", c.MatchCertificateRequest, c.MatchCertificateResponse),
    ),
    "SC-POL": (
        *("ProofOfLifeService", "SubmitAttestation", "PROOF_OF_LIFE"),
        *("cn.hengqin.window", "mo.fss"),
        *(life.SubmitAttestationRequest, life.SubmitAttestationResponse),
    ),
    "SC-PV": (
        *("PensionVerificationService", "CheckPension", "PENSION_VERIFY"),
        *("mo.fss", "cn.zhuhai.hrss", pension.CheckPensionRequest, pension.CheckPensionResponse),
    ),
    "SC-OP": (
        *("OverpaymentService", "RecordNotice", "OVERPAY_RECOVERY", "mo.fss", "cn.zhuhai.hrss"),
        *(overpayment.RecordNoticeRequest, overpayment.RecordNoticeResponse),
    ),
}
CASES["SC-POL-EXPIRED"] = CASES["SC-POL-NEW"] = CASES["SC-POL"]
DROPPED = {
    ("SC-CQ", "answer"): {
        *("records.start_on", "records.end_on", "record_digest"),
        *("periods.scheme", "periods.period_from", "periods.period_to"),
        *("periods.months", "periods.period_type", "periods.wage_band"),
        *("person.name_hant", "person.name_hans", "person.name_latin"),
        *("person.bir_no", "person.birth_date"),
    },
    ("SC-POL", "request"): {"attestation.mobile", "attestation.address_text"},
    ("SC-OP", "request"): {"mobile"},
}
MASKED = {("SC-CQ", "answer"): {"person.fss_no"}}
DAYS = [date(2026, 3, 16), date(2026, 11, 22), date(2028, 2, 29)]


@pytest.fixture(scope="module")
def decider() -> Iterator[Decider]:
    revision = load_directory()
    snapshot = EmbeddedEngine().load(revision.bundle())
    yield Decider(snapshot, Projector(revision), revision)
    snapshot.close()


def decide(decider: Decider, scenario: str, leg: Leg, today: date) -> Decision:
    register = load_register(yaml_of(demo_register(nodes("zhuhai", "macao"), today)), None)
    catalogue = build_catalogue(register)
    service, method, purpose, caller, provider, request, answer = CASES[scenario]
    sender, recipient = (caller, provider) if leg == "request" else (provider, caller)
    entry = catalogue.method(API + service, method)
    message = filled((request if leg == "request" else answer)(), **KNOWN)
    shape = entry.request if leg == "request" else entry.answer
    content = parse(shape, message.SerializeToString())
    moment = Moment(
        exchange="e",
        salt="00" * 16,
        now=f"{today.isoformat()}T02:00:00.000Z",
        sent_at=f"{today.isoformat()}T01:59:59.000Z" if leg == "request" else None,
        replayed=False,
        fields=content.paths(),
        subjects=len(content.subject_tokens()),
        synthetic=synthetic_verdict(content.identifiers()),
        queries_person_day=1,
        queries_requester_hour=1,
        tls="TLSv1.3",
        payload_sealed=True,
        sender_signed=True,
        gateway_signed=True,
        log_ok=True,
        protection=Protection(suite=SUITE, key_store="software", certificate="valid"),
    )
    corridor = standing(
        register,
        catalogue,
        leg=leg,
        sender=sender,
        recipient=recipient,
        service=API + service,
        method=method,
        purpose=purpose,
        scenario_id=scenario,
    )
    return decider.decide(Facts(corridor, moment)).decision


def yaml_of(document: dict[str, Any]) -> bytes:
    import yaml

    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()


@pytest.mark.parametrize("today", DAYS, ids=str)
@pytest.mark.parametrize("leg", ["request", "answer"])
@pytest.mark.parametrize(
    "scenario", [s for s in CASES if s not in ("SC-POL-EXPIRED", "SC-POL-NEW")]
)
def test_the_demo_cases_are_allowed_and_minimised(
    decider: Decider, scenario: str, leg: Leg, today: date
) -> None:
    decision = decide(decider, scenario, leg, today)
    assert [f.rule for f in (*decision.denials, *decision.holds)] == []
    assert decision.verdict == "allow"
    dropped = {action.path for action in decision.fields if action.how == "drop"}
    masked = {action.path for action in decision.fields if action.how != "drop"}
    assert dropped == DROPPED.get((scenario, leg), set())
    assert masked - dropped == MASKED.get((scenario, leg), set())


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_what_nobody_applied_for_waits_for_a_person(decider: Decider, today: date) -> None:
    decision = decide(decider, "SC-POL-NEW", "request", today)
    assert decision.verdict == "hold"
    assert {(f.rule, f.role) for f in decision.holds} == {("ZH-CAT-2", "cdo")}


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_the_expired_assessment_refuses_before_anything_leaves(
    decider: Decider, today: date
) -> None:
    decision = decide(decider, "SC-POL-EXPIRED", "request", today)
    assert decision.verdict == "deny"
    assert {finding.rule for finding in decision.denials} == {"CN-PIPL-36-1"}
    assert all(set(f.text) == {"zh-Hant", "zh-Hans", "pt", "en"} for f in decision.denials)
