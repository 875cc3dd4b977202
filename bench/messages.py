"""The request and the answer of every benchmark: real messages of a registered service, 1 KiB each.

The answer carries dates that the purpose may not see, so that minimising has something to do. The
pseudonym of the request is longer than a real one: no other field of it may hold a kibibyte.
"""

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as contribution
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms

SERVICE = "xbgateway.api.socialsecurity.v1.ContributionService"
METHOD = "QueryContributions"
PATH = f"/{SERVICE}/{METHOD}"
PARTY = "cn.hengqin.window"
PURPOSE = "CONTRIB_QUERY"
SCENARIO = "SC-CQ"
PAYLOAD_BYTES = 1024
_SCHEMES = 8


def request(size: int = PAYLOAD_BYTES) -> bytes:
    """A query of ``size`` bytes."""
    message = contribution.QueryContributionsRequest(fss_no="SYN000123")
    message.pid_token = "pt_"  # noqa: S105 - a pseudonym, no secret
    message.pid_token += "a" * (size - message.ByteSize() - 1)
    raw = message.SerializeToString()
    assert len(raw) == size
    return raw


def answer(size: int = PAYLOAD_BYTES) -> bytes:
    """An answer of ``size`` bytes, 24 per scheme of which the purpose may not see."""
    message = contribution.QueryContributionsResponse(pid_token="pt_" + "a" * 26)
    for number in range(_SCHEMES):
        message.records.add(
            scheme=terms.SCHEME_MO_FSS_MAND,
            status=terms.INSURANCE_STATUS_ACTIVE,
            institution="MO-FSS",
            start_on=f"20{number:02d}-01-01",
            end_on=f"20{number:02d}-12-31",
        )
    while left := size - message.ByteSize():
        share = max(1, left // (2 * _SCHEMES))
        for record in message.records:
            record.institution += "S" * share
            if message.ByteSize() >= size:
                break
        assert message.ByteSize() <= size
    return message.SerializeToString()
