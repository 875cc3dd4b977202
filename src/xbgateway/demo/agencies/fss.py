"""mo.fss, the Macao fund: contribution records and proofs of life of synthetic people.

Its answers are careless on purpose: asked without a wish, it tells all it has. What the purpose
does not allow, the gateway has to remove.
"""

import hashlib
import sqlite3
from datetime import date

import orjson

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import contribution_pb2_grpc as c_grpc
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import life_pb2_grpc as life_grpc
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.demo.agencies.desk import Context, Desk, Today
from xbgateway.demo.agencies.ledger import Declined, next_number
from xbgateway.demo.identifiers import check_bir
from xbgateway.demo.people import Person
from xbgateway.demo.population import Population

SCHEMA = """
CREATE TABLE IF NOT EXISTS insured(
  fss_no TEXT PRIMARY KEY, bir_no TEXT NOT NULL UNIQUE, pid_token TEXT NOT NULL UNIQUE,
  name_hant TEXT NOT NULL, name_hans TEXT NOT NULL, name_latin TEXT NOT NULL,
  birth_on TEXT NOT NULL, died_on TEXT, pension INTEGER NOT NULL, record_digest TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS participation(
  fss_no TEXT NOT NULL, scheme TEXT NOT NULL, institution TEXT NOT NULL, status TEXT NOT NULL,
  start_on TEXT NOT NULL, end_on TEXT NOT NULL, PRIMARY KEY (fss_no, scheme)
) STRICT;
CREATE TABLE IF NOT EXISTS period(
  fss_no TEXT NOT NULL, scheme TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
  months INTEGER NOT NULL, kind TEXT NOT NULL, wage_band TEXT NOT NULL,
  PRIMARY KEY (fss_no, scheme, first)
) STRICT;
CREATE TABLE IF NOT EXISTS attestation(
  receipt_no TEXT PRIMARY KEY, bir_no TEXT NOT NULL, year INTEGER NOT NULL,
  alive_on TEXT NOT NULL, result TEXT NOT NULL, method TEXT NOT NULL, office TEXT NOT NULL,
  officer_id TEXT NOT NULL, received_on TEXT NOT NULL, matched INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS attestation_once
  ON attestation(bir_no, year) WHERE result = 'ATTESTATION_RESULT_ALIVE';
"""
ANSWERED_IN_FULL = (c.CONTRIBUTION_DETAIL_UNSPECIFIED, c.CONTRIBUTION_DETAIL_FULL)
COVERS = (life.COVERED_BODY_MO_FSS, life.COVERED_BODY_MO_IAS, life.COVERED_BODY_MO_FP)


def certificate_digest(person: Person) -> str:
    """Fingerprint of the contribution certificate that the fund issues to this person."""
    record = {
        "fss_no": person.fss_no,
        "schemes": [p for p in person.participations if p.scheme.startswith("MO_")],
        "periods": [p for p in person.periods if p.scheme.startswith("MO_")],
    }
    return "sha256:" + hashlib.sha256(orjson.dumps(record)).hexdigest()


def fill(connection: sqlite3.Connection, population: Population) -> None:
    """Write everyone who has a number of the fund, in the caller's transaction."""
    for person in population.persons:
        if person.fss_no is None or person.bir_no is None:
            continue
        number, names = person.fss_no, person.names
        connection.execute(
            "INSERT INTO insured VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(number, person.bir_no, person.pid_token),
                *(names.hant, names.hans, names.latin, person.birth_on.isoformat()),
                person.died_on and person.died_on.isoformat(),
                *(int(person.macao_pension), certificate_digest(person)),
            ),
        )
        connection.executemany(
            "INSERT INTO participation VALUES (?, ?, ?, ?, ?, ?)",
            [
                (number, p.scheme, p.institution, p.status, p.start_on, p.end_on or "")
                for p in person.participations
                if p.scheme.startswith("MO_")
            ],
        )
        connection.executemany(
            "INSERT INTO period VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (number, p.scheme, p.first, p.last, p.months, p.kind, p.wage_band)
                for p in person.periods
                if p.scheme.startswith("MO_")
            ],
        )


class Contributions(c_grpc.ContributionServiceServicer):
    """Case C09: what the fund knows of a person's contributions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def QueryContributions(  # noqa: N802 - named by the proto
        self, request: c.QueryContributionsRequest, context: Context
    ) -> c.QueryContributionsResponse:
        """Schemes and status, and unless less was asked for, periods and person."""
        answer = await self._desk.once(
            context, "QueryContributions", request, lambda db: _query(db, request)
        )
        return c.QueryContributionsResponse.FromString(answer)

    async def IssueCertificate(  # noqa: N802 - named by the proto
        self, request: c.IssueCertificateRequest, context: Context
    ) -> c.IssueCertificateResponse:
        """Schemes, periods and the fingerprint of both."""
        answer = await self._desk.once(
            context, "IssueCertificate", request, lambda db: _issue(db, request)
        )
        return c.IssueCertificateResponse.FromString(answer)

    async def MatchCertificate(  # noqa: N802 - named by the proto
        self, request: c.MatchCertificateRequest, context: Context
    ) -> c.MatchCertificateResponse:
        """Whether a certificate's fingerprint is the one of today's record."""
        answer = await self._desk.once(
            context, "MatchCertificate", request, lambda db: _match(db, request)
        )
        return c.MatchCertificateResponse.FromString(answer)


class ProofsOfLife(life_grpc.ProofOfLifeServiceServicer):
    """Case C01: one proof per person and year, for three bodies at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def SubmitAttestation(  # noqa: N802 - named by the proto
        self, request: life.SubmitAttestationRequest, context: Context
    ) -> life.SubmitAttestationResponse:
        """File the attestation and give a receipt; a second proof gets the first receipt."""
        answer = await self._desk.once(
            context,
            "SubmitAttestation",
            request,
            lambda db: _submit(db, request.attestation, self._desk.today),
        )
        return life.SubmitAttestationResponse.FromString(answer)


def _query(db: sqlite3.Connection, request: c.QueryContributionsRequest) -> bytes:
    answer = c.QueryContributionsResponse(pid_token=request.pid_token)
    full = request.detail in ANSWERED_IN_FULL
    more = full or request.detail == c.CONTRIBUTION_DETAIL_PERIODS
    rows = db.execute(
        "SELECT scheme, status, institution, start_on, end_on FROM participation"
        " WHERE fss_no = ? ORDER BY scheme",
        (request.fss_no,),
    ).fetchall()
    for scheme, status, institution, start_on, end_on in rows:
        answer.records.add(
            scheme=terms.Scheme.Value(f"SCHEME_{scheme}"),
            status=terms.InsuranceStatus.Value(f"INSURANCE_STATUS_{status.upper()}"),
            institution=institution,
            start_on=start_on if more else "",
            end_on=end_on if more else "",
        )
    if not rows:
        # The same words for "no such number" and "nothing paid": an answer tells no existence.
        answer.records.add(
            scheme=terms.SCHEME_MO_FSS_MAND,
            status=terms.INSURANCE_STATUS_UNKNOWN,
            institution="MO-FSS",
        )
        return answer.SerializeToString()
    if more:
        _add_periods(db, request.fss_no, answer)
    if full:
        _add_person(db, request.fss_no, answer)
    return answer.SerializeToString()


def _issue(db: sqlite3.Connection, request: c.IssueCertificateRequest) -> bytes:
    full = c.QueryContributionsRequest(pid_token=request.pid_token, fss_no=request.fss_no)
    record = c.QueryContributionsResponse.FromString(_query(db, full))
    if not record.record_digest:
        raise Declined("there is nothing to certify")
    return c.IssueCertificateResponse(
        pid_token=request.pid_token,
        records=record.records,
        periods=record.periods,
        record_digest=record.record_digest,
    ).SerializeToString()


def _add_periods(db: sqlite3.Connection, fss_no: str, answer: c.QueryContributionsResponse) -> None:
    for scheme, first, last, months, kind, band in db.execute(
        "SELECT scheme, first, last, months, kind, wage_band FROM period"
        " WHERE fss_no = ? ORDER BY scheme, first",
        (fss_no,),
    ):
        answer.periods.add(
            scheme=terms.Scheme.Value(f"SCHEME_{scheme}"),
            period_from=first,
            period_to=last,
            months=months,
            period_type=c.PeriodType.Value(f"PERIOD_TYPE_{kind.upper()}"),
            wage_band=c.WageBand.Value(f"WAGE_BAND_{band}"),
        )


def _add_person(db: sqlite3.Connection, fss_no: str, answer: c.QueryContributionsResponse) -> None:
    row = db.execute(
        "SELECT name_hant, name_hans, name_latin, bir_no, birth_on, record_digest"
        " FROM insured WHERE fss_no = ?",
        (fss_no,),
    ).fetchone()
    answer.person.name_hant, answer.person.name_hans, answer.person.name_latin = row[:3]
    answer.person.bir_no, answer.person.birth_date, answer.record_digest = row[3:]
    answer.person.fss_no = fss_no


def _match(db: sqlite3.Connection, request: c.MatchCertificateRequest) -> bytes:
    row = db.execute(
        "SELECT record_digest FROM insured WHERE pid_token = ?", (request.pid_token,)
    ).fetchone()
    match = terms.VERDICT_UNKNOWN
    if row is not None:
        match = terms.VERDICT_YES if row[0] == request.record_digest else terms.VERDICT_NO
    return c.MatchCertificateResponse(match=match).SerializeToString()


def _submit(db: sqlite3.Connection, given: life.ProofOfLifeAttestation, today: Today) -> bytes:
    received = today()
    _check(given, received)
    alive = given.result == life.ATTESTATION_RESULT_ALIVE
    earlier = db.execute(
        "SELECT receipt_no, received_on FROM attestation"
        " WHERE bir_no = ? AND year = ? AND result = 'ATTESTATION_RESULT_ALIVE'",
        (given.bir_no, given.year),
    ).fetchone()
    if alive and earlier is not None:
        return _receipt(*earlier)
    known = db.execute(
        "SELECT 1 FROM insured WHERE bir_no = ? AND pension = 1 AND died_on IS NULL",
        (given.bir_no,),
    ).fetchone()
    receipt_no = f"POL-{given.year}-{next_number(db, f'POL-{given.year}'):06d}"
    db.execute(
        "INSERT INTO attestation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(receipt_no, given.bir_no, given.year, given.alive_on),
            life.AttestationResult.Name(given.result),
            life.AttestationMethod.Name(given.method),
            *(given.office, given.officer_id, received.isoformat()),
            # Unmatched proofs are filed for an officer: refusing would tell who gets a pension.
            int(known is not None),
        ),
    )
    return _receipt(receipt_no, received.isoformat())


def _receipt(receipt_no: str, received_on: str) -> bytes:
    return life.SubmitAttestationResponse(
        receipt_no=receipt_no, received_on=received_on, covers=COVERS
    ).SerializeToString()


def _check(given: life.ProofOfLifeAttestation, today: date) -> None:
    try:
        check_bir(given.bir_no, "test")
        alive_on = date.fromisoformat(given.alive_on)
    except ValueError as error:
        raise Declined(str(error)) from error
    if alive_on.year != given.year:
        raise Declined("alive_on lies outside the year that is attested")
    if alive_on > today:
        raise Declined("alive_on lies in the future")
    if given.result == life.ATTESTATION_RESULT_UNSPECIFIED:
        raise Declined("the result is missing")
