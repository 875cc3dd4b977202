"""mo.fss again: whether the person at the other side's counter is one of its own."""

import sqlite3

from xbgateway.api.socialsecurity.v1 import identity_pb2 as identity
from xbgateway.api.socialsecurity.v1 import identity_pb2_grpc as identity_grpc
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.demo.agencies.desk import Context, Desk
from xbgateway.demo.agencies.ledger import Declined
from xbgateway.demo.agencies.matching import same_person
from xbgateway.demo.identifiers import check_bir


class Identities(identity_grpc.IdentityServiceServicer):
    """Answers yes, no or unknown; never why, and never which benefit."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def MatchBeneficiary(  # noqa: N802 - named by the proto
        self, request: identity.MatchBeneficiaryRequest, context: Context
    ) -> identity.MatchBeneficiaryResponse:
        """Whether the person has a benefit of the fund."""
        answer = await self._desk.once(
            context, "MatchBeneficiary", request, lambda db: _match(db, request)
        )
        return identity.MatchBeneficiaryResponse.FromString(answer)


def _match(db: sqlite3.Connection, asked: identity.MatchBeneficiaryRequest) -> bytes:
    try:
        check_bir(asked.bir_no, "test")
        verdict = _verdict(db, asked)
    except ValueError as error:
        raise Declined(str(error)) from error
    return identity.MatchBeneficiaryResponse(match=verdict).SerializeToString()


def _verdict(
    db: sqlite3.Connection, asked: identity.MatchBeneficiaryRequest
) -> terms.Verdict.ValueType:
    """Unknown also for who is not found, and for whom the fund has as dead: a person looks."""
    row = db.execute(
        "SELECT name_hant, name_hans, name_latin, birth_on, died_on, pension"
        " FROM insured WHERE bir_no = ?",
        (asked.bir_no,),
    ).fetchone()
    if row is None or row[4]:
        return terms.VERDICT_UNKNOWN
    given = (asked.name_hant, asked.name_hans, asked.name_latin)
    if not same_person(given, row[:3], (asked.birth_date, row[3])):
        return terms.VERDICT_UNKNOWN
    return terms.VERDICT_YES if row[5] else terms.VERDICT_NO
