"""What is asked and answered in flow and fault tests: synthetic persons, three services."""

from uuid import uuid4

from tests.harness.simulator import submission, today

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import identity_pb2 as identity
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as o
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.demo.identifiers import bir_check
from xbgateway.exchange import Submission

TOKEN = "pt_" + "a" * 26
BIR = f"9000001({bir_check('9000001')})"


def query(*, fss_no: str = "SYN000123", **more: object) -> Submission:
    """A Hengqin window clerk asks for a Macao contribution record (case C09)."""
    asked = c.QueryContributionsRequest(pid_token=TOKEN, fss_no=fss_no)
    return submission(asked.SerializeToString(), **more)  # type: ignore[arg-type]


def attestation(
    *, mobile: str = "", bir_no: str = BIR, birth_date: str = "", alive_on: str = ""
) -> bytes:
    day = today()
    return life.SubmitAttestationRequest(
        attestation=life.ProofOfLifeAttestation(
            pid_token=TOKEN,
            bir_no=bir_no,
            birth_date=birth_date,
            year=day.year,
            alive_on=alive_on or day.isoformat(),
            method=life.ATTESTATION_METHOD_COUNTER,
            result=life.ATTESTATION_RESULT_ALIVE,
            mobile=mobile,
        )
    ).SerializeToString()


def proof_of_life(
    *,
    mobile: str = "",
    alive_on: str = "",
    bir_no: str = BIR,
    birth_date: str = "",
    scenario: str = "SC-POL",
    party: str = "cn.zhuhai.hrss",
    **more: object,
) -> Submission:
    """Zhuhai hands in a proof of life to the Macao fund (case C01)."""
    return submission(
        attestation(mobile=mobile, alive_on=alive_on, bir_no=bir_no, birth_date=birth_date),
        service="ProofOfLifeService",
        method="SubmitAttestation",
        party=party,
        purpose="PROOF_OF_LIFE",
        scenario=scenario,
        **more,  # type: ignore[arg-type]
    )


def notice(*, pid_token: str = TOKEN, **more: object) -> Submission:
    """The Macao fund enters a notice in a Zhuhai journal that does not honour the exchange id."""
    asked = o.RecordNoticeRequest(
        pid_token=pid_token,
        decision_ref="FSS-2026-000001",
        decision_on="2026-03-02",
        overlap_months=2,
    )
    return submission(
        asked.SerializeToString(),
        service="OverpaymentService",
        method="RecordNotice",
        party="mo.fss",
        purpose="OVERPAY_RECOVERY",
        scenario="SC-OP",
        **more,  # type: ignore[arg-type]
    )


def person(number: int) -> str:
    """A synthetic BIR number, another one for each number below 90,000."""
    for digits in (f"9{number:05}{last}" for last in range(10)):
        if len(check := str(bir_check(digits))) == 1:
            return f"{digits}({check})"
    raise AssertionError("one of ten has a check digit")


def request_id() -> str:
    return str(uuid4())


def fund(path: str, payload: bytes) -> bytes:
    """The Macao Social Security Fund: answers to its services."""
    if path.endswith("/SubmitAttestation"):
        life.SubmitAttestationRequest.FromString(payload)
        return life.SubmitAttestationResponse(
            receipt_no="FSS-2026-000001", received_on="2026-03-02"
        ).SerializeToString()
    if path.endswith("/MatchBeneficiary"):
        identity.MatchBeneficiaryRequest.FromString(payload)
        return identity.MatchBeneficiaryResponse(match=terms.VERDICT_YES).SerializeToString()
    if path.endswith("/IssueCertificate"):
        digest = "sha256:" + "0" * 64
        return c.IssueCertificateResponse(pid_token=TOKEN, record_digest=digest).SerializeToString()
    if path.endswith("/MatchCertificate"):
        return c.MatchCertificateResponse(match=terms.VERDICT_YES).SerializeToString()
    asked = c.QueryContributionsRequest.FromString(payload)
    return c.QueryContributionsResponse(pid_token=asked.pid_token).SerializeToString()


class Journal:
    """The Zhuhai journal: a new numbered line for every call."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, _path: str, payload: bytes) -> bytes:
        o.RecordNoticeRequest.FromString(payload)
        self.lines += 1
        return o.RecordNoticeResponse(journal_no=self.lines).SerializeToString()
