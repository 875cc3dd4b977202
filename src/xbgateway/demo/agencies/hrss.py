"""cn.zhuhai.hrss, the Zhuhai bureau: pension checks by yes or no, and an old journal.

The journal is a service of the kind that knows no exchange id: every call is a new line, and
only the gateway keeps a notice from being entered twice.
"""

import sqlite3
from datetime import date

from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as overpayment
from xbgateway.api.socialsecurity.v1 import overpayment_pb2_grpc as overpayment_grpc
from xbgateway.api.socialsecurity.v1 import pension_pb2 as pension
from xbgateway.api.socialsecurity.v1 import pension_pb2_grpc as pension_grpc
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.demo.agencies.desk import Context, Desk
from xbgateway.demo.agencies.ledger import Declined, instant
from xbgateway.demo.identifiers import check_pid_token, check_prc_id
from xbgateway.demo.making import years_before
from xbgateway.demo.population import Population

SCHEMA = """
CREATE TABLE IF NOT EXISTS insured(
  prc_id_no TEXT PRIMARY KEY, pid_token TEXT NOT NULL UNIQUE,
  pension INTEGER NOT NULL, checked_on TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS journal(
  no INTEGER PRIMARY KEY AUTOINCREMENT, pid_token TEXT NOT NULL, decision_ref TEXT NOT NULL,
  decision_on TEXT NOT NULL, overlap_months INTEGER NOT NULL, at TEXT NOT NULL
) STRICT;
"""


def fill(connection: sqlite3.Connection, population: Population) -> None:
    """Write everyone who has a citizen number, in the caller's transaction."""
    connection.executemany(
        "INSERT INTO insured VALUES (?, ?, ?, ?)",
        [
            (
                *(p.prc_id_no, p.pid_token, int(p.mainland_pension)),
                p.checked_on and p.checked_on.isoformat(),
            )
            for p in population.persons
            if p.prc_id_no is not None
        ],
    )


class PensionChecks(pension_grpc.PensionVerificationServiceServicer):
    """Case C02: is a Mainland pension in payment, and is its yearly check due."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def CheckPension(  # noqa: N802 - named by the proto
        self, request: pension.CheckPensionRequest, context: Context
    ) -> pension.CheckPensionResponse:
        """Yes, no or unknown; never why."""
        answer = await self._desk.once(
            context,
            "CheckPension",
            request,
            lambda db: _check(db, request.prc_id_no, self._desk.today()),
        )
        return pension.CheckPensionResponse.FromString(answer)


class Overpayments(overpayment_grpc.OverpaymentServiceServicer):
    """Case C08: notices of months that both sides paid."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def RecordNotice(  # noqa: N802 - named by the proto
        self, request: overpayment.RecordNoticeRequest, context: Context
    ) -> overpayment.RecordNoticeResponse:
        """A new line in the journal, at every call."""
        answer = await self._desk.always(
            context, "RecordNotice", request, lambda db: _record(db, request)
        )
        return overpayment.RecordNoticeResponse.FromString(answer)


def _check(db: sqlite3.Connection, prc_id_no: str, today: date) -> bytes:
    try:
        check_prc_id(prc_id_no, "test")
    except ValueError as error:
        raise Declined(str(error)) from error
    row = db.execute(
        "SELECT pension, checked_on FROM insured WHERE prc_id_no = ?", (prc_id_no,)
    ).fetchone()
    answer = pension.CheckPensionResponse(
        in_payment=terms.VERDICT_UNKNOWN, check_due=terms.VERDICT_UNKNOWN
    )
    if row is not None:
        answer.in_payment = terms.VERDICT_YES if row[0] else terms.VERDICT_NO
        if row[0]:
            due = row[1] is None or row[1] <= years_before(today, 1).isoformat()
            answer.check_due = terms.VERDICT_YES if due else terms.VERDICT_NO
    return answer.SerializeToString()


def _record(db: sqlite3.Connection, request: overpayment.RecordNoticeRequest) -> bytes:
    try:
        check_pid_token(request.pid_token)
    except ValueError as error:
        raise Declined(str(error)) from error
    row = db.execute(
        "INSERT INTO journal(pid_token, decision_ref, decision_on, overlap_months, at)"
        " VALUES (?, ?, ?, ?, ?) RETURNING no",
        (
            *(request.pid_token, request.decision_ref, request.decision_on),
            *(request.overlap_months, instant()),
        ),
    ).fetchone()
    return overpayment.RecordNoticeResponse(journal_no=row[0]).SerializeToString()
