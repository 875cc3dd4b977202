"""The agencies as real processes: who may call, effects once, crashes, and a clean stop."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.unit.client.authority import Authority, Pair

import xbgateway
from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as overpayment
from xbgateway.api.socialsecurity.v1 import pension_pb2 as pension
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.api.socialsecurity.v1.contribution_pb2_grpc import ContributionServiceStub
from xbgateway.api.socialsecurity.v1.life_pb2_grpc import ProofOfLifeServiceStub
from xbgateway.api.socialsecurity.v1.overpayment_pb2_grpc import OverpaymentServiceStub
from xbgateway.api.socialsecurity.v1.pension_pb2_grpc import PensionVerificationServiceStub
from xbgateway.demo.agencies.fss import certificate_digest
from xbgateway.demo.identifiers import bir_check, citizen_check
from xbgateway.demo.population import generate

COUNT = 400
# The package may not be installed; the agencies are run from where this suite found it.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(xbgateway.__file__).parent.parent)}
PEOPLE = generate(1, COUNT)
TODAY = date(2026, 3, 16)
AUTHORITY = Authority()
PARTY = "spiffe://macao.xbg.test/party/mo.ias"
GATEWAY = "spiffe://macao.xbg.test/node/macao"
NODE = AUTHORITY.issue(GATEWAY)
UNKNOWN_PRC_ID = "99040418800101001" + citizen_check("99040418800101001")
CONTRIBUTOR = next(PEOPLE.contributors())
PENSIONER = next(PEOPLE.macao_pensioners())


@dataclass
class Agency:
    """One agency process, and how to start it again on the same register."""

    command: list[str]
    register: Path
    process: subprocess.Popen[str] = field(init=False)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        # The suite itself needs to read one line only, so a pipe never fills.
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(10)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.register}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    @asynccontextmanager
    async def channel(self, pair: Pair | None = NODE) -> AsyncIterator[grpc.aio.Channel]:
        credentials = grpc.ssl_channel_credentials(
            AUTHORITY.roots, pair.key if pair else None, pair.certificate if pair else None
        )
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials) as channel:
            yield channel


def command(folder: Path, name: str, *extra: str) -> list[str]:
    certificate, key = AUTHORITY.issue(f"spiffe://x.test/party/{name}").write(folder, name)
    roots = folder / "roots.pem"
    roots.write_bytes(AUTHORITY.roots)
    return [
        *(sys.executable, "-m", "xbgateway.demo.agencies", "--agency", name, "--port", "0"),
        *("--register", str(folder / f"{name}.db"), "--cert", str(certificate)),
        *("--key", str(key), "--roots", str(roots), "--gateway", GATEWAY),
        *("--count", str(COUNT), "--today", TODAY.isoformat(), *extra),
    ]


@asynccontextmanager
async def agency(folder: Path, name: str, *extra: str) -> AsyncIterator[Agency]:
    started = Agency(command(folder, name, *extra), folder / f"{name}.db")
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGKILL)


def said(exchange_id: str) -> grpc.aio.Metadata:
    return grpc.aio.Metadata(
        ("xb-exchange-id", exchange_id), ("xb-sender", "cn.hengqin.window"), ("xb-purpose", "P")
    )


def attestation(**changes: Any) -> life.SubmitAttestationRequest:
    given: dict[str, Any] = {
        "bir_no": PENSIONER.bir_no,
        "year": 2026,
        "alive_on": "2026-03-10",
        "result": life.ATTESTATION_RESULT_ALIVE,
        "method": life.ATTESTATION_METHOD_COUNTER,
    }
    return life.SubmitAttestationRequest(
        attestation=life.ProofOfLifeAttestation(**{**given, **changes})
    )


async def test_the_fund_answers_as_much_as_it_is_asked_for(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss") as fss, fss.channel() as channel:
        stub = ContributionServiceStub(channel)
        number = CONTRIBUTOR.fss_no or ""
        full = await stub.QueryContributions(
            c.QueryContributionsRequest(pid_token="pt_x", fss_no=number), metadata=said("1")
        )
        status = await stub.QueryContributions(
            c.QueryContributionsRequest(fss_no=number, detail=c.CONTRIBUTION_DETAIL_STATUS),
            metadata=said("2"),
        )
        nobody = await stub.QueryContributions(
            c.QueryContributionsRequest(fss_no="SYN999999"), metadata=said("3")
        )
        digest = certificate_digest(CONTRIBUTOR)
        verdicts = [
            (
                await stub.MatchCertificate(
                    c.MatchCertificateRequest(pid_token=token, record_digest=text),
                    metadata=said(f"m{i}"),
                )
            ).match
            for i, (token, text) in enumerate(
                [
                    (CONTRIBUTOR.pid_token, digest),
                    (CONTRIBUTOR.pid_token, digest[:-1] + "x"),
                    ("pt_nobody", digest),
                ]
            )
        ]
    mine = [p for p in CONTRIBUTOR.periods if p.scheme.startswith("MO_")]
    assert [(p.period_from, p.period_to, p.months) for p in full.periods] == [
        (p.first, p.last, p.months) for p in mine
    ]
    assert full.pid_token == "pt_x"
    assert full.person.bir_no == CONTRIBUTOR.bir_no
    assert full.person.name_hant == CONTRIBUTOR.names.hant
    assert full.record_digest == digest
    assert status.records[0].status == full.records[0].status
    assert not status.periods
    assert not status.HasField("person")
    assert not status.records[0].start_on
    assert [r.status for r in nobody.records] == [terms.INSURANCE_STATUS_UNKNOWN]
    assert not nobody.HasField("person")
    assert verdicts == [terms.VERDICT_YES, terms.VERDICT_NO, terms.VERDICT_UNKNOWN]


async def test_one_exchange_has_one_effect_also_after_a_kill(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss", "--answer-delay", "30") as fss:
        async with fss.channel() as channel:
            stub = ProofOfLifeServiceStub(channel)
            call = asyncio.create_task(_submit(stub, attestation(), "e-1"))
            async with asyncio.timeout(10):
                while not fss.rows("SELECT 1 FROM effects"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            # The effect is durable, the answer is not out yet.
            fss.end(signal.SIGKILL)
            with pytest.raises(grpc.aio.AioRpcError):
                await call
        fss.command = fss.command[:-2]
        fss.start()
        async with fss.channel() as channel:
            stub = ProofOfLifeServiceStub(channel)
            first = await _submit(stub, attestation(), "e-1")
            again = await _submit(stub, attestation(), "e-1")
        assert first == again
        assert first.receipt_no == "POL-2026-000001"
        assert list(first.covers) == [1, 2, 3]
        assert fss.rows("SELECT exchange_id, method, count_asked, count_done FROM effects") == [
            ("e-1", "SubmitAttestation", 3, 1)
        ]
        assert fss.rows("SELECT count(*), sum(matched) FROM attestation") == [(1, 1)]


async def _submit(
    stub: Any, request: life.SubmitAttestationRequest, exchange_id: str
) -> life.SubmitAttestationResponse:
    answer: life.SubmitAttestationResponse = await stub.SubmitAttestation(
        request, metadata=said(exchange_id)
    )
    return answer


async def test_proofs_of_one_year_and_proofs_that_cannot_be(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss") as fss, fss.channel() as channel:
        stub = ProofOfLifeServiceStub(channel)
        first = await _submit(stub, attestation(), "e-1")
        second = await _submit(stub, attestation(alive_on="2026-03-12"), "e-2")
        other = await _submit(stub, attestation(bir_no=f"9999991({bir_check('9999991')})"), "e-3")
        assert (first.receipt_no, first.received_on) == ("POL-2026-000001", "2026-03-16")
        assert second == first
        assert other.receipt_no == "POL-2026-000002"
        assert fss.rows("SELECT matched FROM attestation ORDER BY receipt_no") == [(1,), (0,)]
        refusals: list[tuple[dict[str, Any], str]] = [
            ({"alive_on": "2025-12-31"}, "outside the year"),
            ({"alive_on": "2026-03-17"}, "in the future"),
            ({"alive_on": "yesterday"}, "Invalid isoformat"),
            ({"result": 0}, "result is missing"),
            ({"bir_no": "9000001(7)"}, "check digit"),
        ]
        for number, (changes, why) in enumerate(refusals):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _submit(stub, attestation(**changes), f"bad-{number}")
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert why in str(caught.value.details())
        with pytest.raises(grpc.aio.AioRpcError, match="another request"):
            await _submit(stub, attestation(alive_on="2026-03-11"), "e-1")
        assert fss.rows("SELECT count(*) FROM effects") == [(3,)]


async def test_many_at_once_each_have_their_effect(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss") as fss, fss.channel() as channel:
        stub = ContributionServiceStub(channel)
        request = c.QueryContributionsRequest(fss_no=CONTRIBUTOR.fss_no or "")
        await asyncio.gather(
            *(stub.QueryContributions(request, metadata=said(str(n % 50))) for n in range(200))
        )
        assert fss.rows("SELECT count(*), sum(count_asked), sum(count_done) FROM effects") == [
            (50, 200, 50)
        ]


async def test_the_bureau_says_yes_no_or_unknown_and_its_journal_counts_calls(
    tmp_path: Path,
) -> None:
    drawing = next(PEOPLE.mainland_pensioners())
    working = next(p for p in PEOPLE.persons if p.prc_id_no and not p.mainland_pension)
    async with agency(tmp_path, "cn.zhuhai.hrss") as hrss, hrss.channel() as channel:
        checks, journal = PensionVerificationServiceStub(channel), OverpaymentServiceStub(channel)
        found = [
            await checks.CheckPension(
                pension.CheckPensionRequest(prc_id_no=number), metadata=said(number)
            )
            for number in (drawing.prc_id_no, working.prc_id_no, UNKNOWN_PRC_ID)
            if number
        ]
        notice = overpayment.RecordNoticeRequest(
            pid_token=drawing.pid_token, decision_ref="OP-2026-000001", overlap_months=2
        )
        lines = [await journal.RecordNotice(notice, metadata=said("j-1")) for _ in range(2)]
        effects = hrss.rows("SELECT count_asked, count_done FROM effects WHERE exchange_id='j-1'")
    assert [f.in_payment for f in found] == [1, 2, 3]
    assert [f.check_due for f in found][1:] == [3, 3]
    due = drawing.checked_on is None or drawing.checked_on <= TODAY.replace(year=2025)
    assert found[0].check_due == (terms.VERDICT_YES if due else terms.VERDICT_NO)
    assert [line.journal_no for line in lines] == [1, 2]
    assert effects == [(2, 2)]


async def test_only_the_own_node_may_call(tmp_path: Path) -> None:
    request = c.QueryContributionsRequest(fss_no="SYN000001")
    strangers: list[tuple[Pair | None, grpc.StatusCode]] = [
        (AUTHORITY.issue(GATEWAY + "2"), grpc.StatusCode.PERMISSION_DENIED),
        (
            AUTHORITY.issue("spiffe://macao.xbg.test/party/mo.ias"),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
        (Authority("another").issue(GATEWAY), grpc.StatusCode.UNAVAILABLE),
        (None, grpc.StatusCode.UNAVAILABLE),
    ]
    async with agency(tmp_path, "mo.fss") as fss:
        for pair, code in strangers:
            async with fss.channel(pair) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ContributionServiceStub(channel).QueryContributions(
                        request, metadata=said("1")
                    )
            assert caught.value.code() is code
        async with fss.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="xb-exchange-id"):
                await ContributionServiceStub(channel).QueryContributions(request)
        assert fss.rows("SELECT count(*) FROM effects") == [(0,)]


async def test_health_and_a_clean_stop(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss") as fss:
        async with fss.channel() as channel:
            for service in ("", "xbgateway.api.socialsecurity.v1.ContributionService"):
                check = HealthStub(channel).Check  # type: ignore[attr-defined] # set at run time
                answer = await check(HealthCheckRequest(service=service))
                assert answer.status == HealthCheckResponse.SERVING
        assert fss.end(signal.SIGTERM) == 0
    # The last connection that closes in good order leaves no write-ahead log behind.
    assert not fss.register.with_name("mo.fss.db-wal").exists()


async def test_it_stops_by_itself_after_its_time(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss", "--stop-after", "0.2") as fss:
        assert fss.process.wait(10) == 0
        assert fss.process.stdout is not None
        fss.process.stdout.close()


def test_it_does_not_outlive_its_parent(tmp_path: Path) -> None:
    # A parent that starts the agency, waits until it serves, tells its pid and dies.
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({command(tmp_path, 'mo.fss')!r}, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", parent],
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        timeout=30,
    )
    pid = json.loads(done.stdout)["pid"]
    watch = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else None
    if watch is not None:
        import select

        assert select.select([watch], [], [], 10)[0], "the agency is still there"
        os.close(watch)


async def test_a_register_of_another_population_is_refused(tmp_path: Path) -> None:
    async with agency(tmp_path, "mo.fss"):
        pass
    other = [*command(tmp_path, "mo.fss"), "--seed", "2"]
    done = await asyncio.to_thread(
        subprocess.run,
        other,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "holds" in done.stderr
