"""The node's own services and the proxy, called as their users call them."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.unit.server.asking import health_of
from tests.unit.server.edge import QUERY, Edge
from tests.unit.server.fakes import API, AUDITOR, HOME, WINDOW, View, echo, state
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2 as wire
from xbgateway.api.exchange.v1.exchange_pb2_grpc import ExchangeServiceStub
from xbgateway.api.log.v1 import log_pb2
from xbgateway.api.log.v1.log_pb2_grpc import LogServiceStub
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.model import limits
from xbgateway.model.decision import Decision, FieldAction, Finding
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.outcome import Outcome

Code = grpc.StatusCode
TEXTS = {"zh-Hant": "須由人員決定", "zh-Hans": "须由人员决定", "pt": "Aguarda", "en": "Wait"}


def decision(findings: int = 1) -> Decision:
    holds = tuple(Finding(f"cn.rule.{n}", "Art. 1", TEXTS) for n in range(findings))
    return Decision(
        verdict="hold", revision="ab" * 32, denials=(), holds=holds, warnings=(),
        fields=(FieldAction("wage_base", "drop", "cn.rule.0"),), log_keep_days=1096,
        data_keep_days=30, input_digest="cd" * 32, decision_digest="ef" * 32,
    )  # fmt: skip


def request(**changed: Any) -> wire.CallRequest:
    sent_at = Timestamp()
    sent_at.FromDatetime(datetime(2026, 11, 22, 8, tzinfo=UTC))
    said = {
        "request_id": str(uuid4()),
        "service": f"{API}.ContributionService",
        "method": "QueryContributions",
        "payload": b"ask",
        "purpose": "CONTRIB_QUERY",
        "scenario": "SC-CQ",
        "sent_at": sent_at,
    }
    return wire.CallRequest(**{**said, **changed})


# ---- through the proxy ------------------------------------------------------------------------


async def test_the_path_gets_exactly_what_was_said(edge: Edge) -> None:
    words = edge.words(
        request_id="0193CAFE-0000-4000-8000-00000000000A",
        references="CNS-2026-1, N-7",
        recipient="mo.fss",
        case_id="case-9",
        sent_at="2026-11-22T08:00:00Z",
    )
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)(b"\x0a\x01x", metadata=words)
        assert await call == b"echo:\x0a\x01x"
        trailers = dict(await call.trailing_metadata())
    assert edge.path.seen == [
        Submission(
            party=WINDOW,
            subject="desk-7",
            request_id="0193cafe-0000-4000-8000-00000000000a",
            service=f"{API}.ContributionService",
            method="QueryContributions",
            payload=b"\x0a\x01x",
            purpose="CONTRIB_QUERY",
            scenario="SC-CQ",
            references=("CNS-2026-1", "N-7"),
            recipient="mo.fss",
            case_id="case-9",
            sent_at="2026-11-22T08:00:00.000Z",
            tls="TLSv1.3",
            validate_only=False,
        )
    ]
    assert trailers["xb-outcome"] == "executed"
    assert len(trailers["xb-exchange-id"]) == 36


async def test_a_dry_run_answers_an_empty_message_and_the_decision(edge: Edge) -> None:
    async def dry(submission: Submission) -> Finished:
        assert submission.validate_only
        return Finished(str(uuid4()), Outcome.REFUSED, reason="POLICY_HOLD", decision=decision(60))

    edge.path.work = dry
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)(b"", metadata=edge.words(validate_only="true"))
        assert await call == b""
        trailers = dict(await call.trailing_metadata())
    assert trailers["xb-outcome"] == "validated"
    assert trailers["xb-verdict"] == "hold"
    assert "xb-exchange-id" not in trailers  # nothing was begun
    assert len(trailers["xb-decision-bin"]) <= limits.STATUS_DETAILS_BYTES_MAX
    told = wire.Decision.FromString(trailers["xb-decision-bin"])
    assert [one.rule for one in told.findings] == [f"cn.rule.{n}" for n in range(60)]


async def test_a_services_error_in_chinese_reaches_the_caller(edge: Edge) -> None:
    async def fails(_: Submission) -> Finished:
        return Finished(
            "0193-id", Outcome.EXECUTED, reason="SERVICE_FAILED", sentence="查無此人 100%\n再試",
            service_code=5, dropped=("request:wage_base",),
        )  # fmt: skip

    edge.path.work = fails
    async with edge.channel() as channel:
        told = await failure(channel.unary_unary(QUERY)(b"", metadata=edge.words(language="pt")))
    assert (told.code, told.message, told.reason) == (
        Code.NOT_FOUND,
        "查無此人 100%\n再試",
        Reason.SERVICE_FAILED,
    )
    assert told.locale == "pt"
    assert told.trailers["xb-dropped-fields"] == "request:wage_base"
    assert told.trailers["xb-outcome"] == "executed"


# ---- ExchangeService ----------------------------------------------------------------------------


async def test_call_answers_with_the_exchange(edge: Edge) -> None:
    known = next(iter(edge.path.views))

    async def answer(submission: Submission) -> Finished:
        return Finished(known, Outcome.EXECUTED, payload=submission.payload * 2)

    edge.path.work = answer
    async with edge.channel() as channel:
        exchanges = ExchangeServiceStub(channel)
        got = await exchanges.Call(request(), metadata=edge.bearer())
        assert got.payload == b"askask"
        assert got.exchange.exchange_id == known
        assert got.exchange.entries[0].kind == "refused"
        assert got.exchange.entries[0].origin == HOME
        edge.path.work = echo  # its exchange has no view: the answer stands nevertheless
        got = await exchanges.Call(request(), metadata=edge.bearer())
        assert (got.payload, got.exchange.outcome) == (b"echo:ask", wire.OUTCOME_EXECUTED)
        assert edge.path.seen[0].sent_at == "2026-11-22T08:00:00.000Z"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"request_id": ""}, Reason.REQUEST_ID_MISSING),
        ({"purpose": ""}, Reason.REFERENCE_MISSING),
        ({"sent_at": None}, Reason.REFERENCE_MISSING),
        ({"sent_at": Timestamp(seconds=10**14)}, Reason.REFERENCE_MALFORMED),
        ({"references": ["a,b", "b"]}, Reason.REFERENCE_MALFORMED),
        ({"payload": b"x" * (limits.INLINE_PAYLOAD_BYTES_MAX + 1)}, Reason.PAYLOAD_TOO_LARGE),
    ],
)
async def test_call_checks_its_words_as_the_proxy_does(
    edge: Edge, changed: dict[str, Any], reason: Reason
) -> None:
    async with edge.channel() as channel:
        call = ExchangeServiceStub(channel).Call(request(**changed), metadata=edge.bearer())
        assert (await failure(call)).reason == reason
    assert edge.path.seen == []


async def test_call_gives_the_whole_decision_of_a_dry_run(edge: Edge) -> None:
    async def dry(_: Submission) -> Finished:
        return Finished("0193", Outcome.PENDING, decision=decision(), dropped=("request:a",))

    edge.path.work = dry
    async with edge.channel() as channel:
        call = ExchangeServiceStub(channel).Call(
            request(validate_only=True), metadata=edge.bearer()
        )
        got = await call
    assert not got.HasField("exchange")
    assert (got.decision.verdict, got.decision.revision) == ("hold", "ab" * 32)
    (finding,) = got.decision.findings
    assert (finding.rule, finding.effect, dict(finding.text)) == ("cn.rule.0", "hold", TEXTS)
    assert list(got.decision.dropped_fields) == ["request:a"]


async def test_another_partys_exchange_is_unknown_like_one_that_is_not(edge: Edge) -> None:
    known = str(uuid4())
    edge.path.views[known] = View(known, state(Outcome.EXECUTED), sender="cn.zhuhai.hrss")
    async with edge.channel() as channel, edge.channel(AUDITOR) as audit:
        mine, auditors = ExchangeServiceStub(channel), ExchangeServiceStub(audit)
        for one in (known, str(uuid4()), "no uuid", ""):
            get, receipt = wire.GetExchangeRequest, wire.GetReceiptRequest
            for call in (
                mine.GetExchange(get(exchange_id=one), metadata=edge.bearer()),
                mine.GetReceipt(receipt(exchange_id=one), metadata=edge.bearer()),
            ):
                told = await failure(call)
                assert (told.code, told.reason) == (Code.NOT_FOUND, Reason.EXCHANGE_UNKNOWN)
        got = await auditors.GetExchange(
            wire.GetExchangeRequest(exchange_id=known), metadata=edge.bearer(AUDITOR)
        )
    assert got.outcome == wire.OUTCOME_EXECUTED


async def test_lists_go_page_by_page_for_their_own_caller_only(edge: Edge) -> None:
    ids = {str(uuid4()) for _ in range(7)}
    edge.path.views = {one: View(one, state(Outcome.EXECUTED)) for one in ids}
    async with edge.channel() as channel, edge.channel(AUDITOR) as audit:
        mine = ExchangeServiceStub(channel)
        seen: list[str] = []
        page = wire.ListExchangesRequest(page_size=3)
        while True:
            got = await mine.ListExchanges(page, metadata=edge.bearer())
            seen += [one.exchange_id for one in got.exchanges]
            if not got.next_page_token:
                break
            assert len(got.exchanges) == 3
            page.page_token = got.next_page_token
        assert len(seen) == 7
        assert set(seen) == ids
        stolen = ExchangeServiceStub(audit).ListExchanges(page, metadata=edge.bearer(AUDITOR))
        assert (await failure(stolen)).reason == Reason.PAGE_TOKEN_INVALID
        below = mine.ListExchanges(wire.ListExchangesRequest(page_size=-1), metadata=edge.bearer())
        assert (await failure(below)).reason == Reason.ARGUMENT_INVALID
        many = await mine.ListExchanges(
            wire.ListExchangesRequest(page_size=10**6), metadata=edge.bearer()
        )
        assert len(many.exchanges) == 7


async def test_receipts_carry_the_proofs(edge: Edge) -> None:
    known = next(iter(edge.path.views))
    async with edge.channel() as channel:
        got = await ExchangeServiceStub(channel).GetReceipt(
            wire.GetReceiptRequest(exchange_id=known), metadata=edge.bearer()
        )
    (entry,) = got.entries
    assert (entry.entry, entry.proof, entry.origin, entry.index) == (b"entry", b"proof", HOME, 3)


# ---- LogService ---------------------------------------------------------------------------------


async def test_a_party_reads_its_own_entries_and_no_others(edge: Edge) -> None:
    mine = next(iter(edge.path.views))
    async with edge.channel() as channel:
        logs, who = LogServiceStub(channel), edge.bearer()
        entries = log_pb2.ListEntriesRequest
        got = await logs.ListEntries(entries(origin=HOME, exchange_id=mine), metadata=who)
        assert [one.index for one in got.entries] == [0]
        own = await logs.GetEntry(log_pb2.GetEntryRequest(origin=HOME), metadata=who)
        assert own.entry == edge.logs.rows[0]
        proven = await logs.ProveEntry(log_pb2.ProveEntryRequest(origin=HOME), metadata=who)
        assert (proven.entry, proven.proof) == (edge.logs.rows[0], b"proof")
        refused: list[tuple[Any, Reason]] = [
            (logs.ListLogs(log_pb2.ListLogsRequest(), metadata=who), Reason.AUDITOR_ONLY),
            (logs.ListEntries(entries(origin=HOME), metadata=who), Reason.AUDITOR_ONLY),
            (
                logs.ListEntries(entries(origin=HOME, exchange_id=str(uuid4())), metadata=who),
                Reason.EXCHANGE_UNKNOWN,
            ),
            (
                logs.TailEntries(log_pb2.TailEntriesRequest(origin=HOME), metadata=who).read(),
                Reason.AUDITOR_ONLY,
            ),
        ]
        for index in (1, 99, -1):
            get = log_pb2.GetEntryRequest(origin=HOME, index=index)
            prove = log_pb2.ProveEntryRequest(origin=HOME, index=index)
            refused.append((logs.GetEntry(get, metadata=who), Reason.ENTRY_UNKNOWN))
            refused.append((logs.ProveEntry(prove, metadata=who), Reason.ENTRY_UNKNOWN))
        for call, reason in refused:
            assert (await failure(call)).reason == reason


async def test_auditors_list_page_and_prove(edge: Edge) -> None:
    async with edge.channel(AUDITOR) as channel:
        logs, who = LogServiceStub(channel), edge.bearer(AUDITOR)
        (log,) = (await logs.ListLogs(log_pb2.ListLogsRequest(), metadata=who)).logs
        assert (log.origin, log.role, log.size) == (HOME, "home", 5)
        indexes: list[int] = []
        page = log_pb2.ListEntriesRequest(origin=HOME, page_size=2)
        while True:
            got = await logs.ListEntries(page, metadata=who)
            indexes += [one.index for one in got.entries]
            if not got.next_start:
                break
            page.start = got.next_start
        assert indexes == [0, 1, 2, 3, 4]
        elsewhere = log_pb2.ListEntriesRequest(origin="nowhere")
        told = await failure(logs.ListEntries(elsewhere, metadata=who))
        assert told.reason == Reason.ENTRY_UNKNOWN
        other = await logs.GetEntry(log_pb2.GetEntryRequest(origin=HOME, index=3), metadata=who)
        assert other.entry == edge.logs.rows[3]


async def test_a_tail_goes_on_with_what_comes(edge: Edge) -> None:
    async with edge.channel(AUDITOR) as channel:
        tail = LogServiceStub(channel).TailEntries(
            log_pb2.TailEntriesRequest(origin=HOME, start=3), metadata=edge.bearer(AUDITOR)
        )
        assert [(await tail.read()).index for _ in range(2)] == [3, 4]
        edge.logs.append(b"new")
        newest = await asyncio.wait_for(tail.read(), 5)
        assert (newest.index, newest.entry) == (5, b"new")


async def test_a_tail_ends_when_its_reader_may_no_longer_read(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDENTITY_CACHE_S_MAX", 0.2)
    async with edge.channel(AUDITOR) as channel:
        tail = LogServiceStub(channel).TailEntries(
            log_pb2.TailEntriesRequest(origin=HOME, start=5), metadata=edge.bearer(AUDITOR)
        )
        edge.logs.append(b"first")
        assert (await tail.read()).entry == b"first"
        edge.trust.reload({"macao.xbg.test": edge.material.roots["macao.xbg.test"].read_bytes()})
        told = await asyncio.wait_for(failure(tail.read()), 5)
    assert told.reason == Reason.IDENTITY_FOREIGN


# ---- health and reflection -------------------------------------------------------------------


async def test_health_is_told_for_each_service_and_follows_the_node(edge: Edge) -> None:
    names = ["", "xbgateway.api.exchange.v1.ExchangeService", f"{API}.ContributionService"]
    status = health_pb2.HealthCheckResponse
    async with edge.channel() as channel:
        health = health_of(channel)
        for name in names:
            got = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert got.status == status.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await health.Check(health_pb2.HealthCheckRequest(service="no.such"))
        assert error.value.code() is Code.NOT_FOUND
        watch = health.Watch(health_pb2.HealthCheckRequest(service=names[1]))
        assert (await watch.read()).status == status.SERVING
        edge.troubles.append(Unavailable(Reason.POLICY_UNAVAILABLE, "the engine is gone"))
        assert (await asyncio.wait_for(watch.read(), 5)).status == status.NOT_SERVING
        edge.troubles.clear()
        assert (await asyncio.wait_for(watch.read(), 5)).status == status.SERVING


def reflected(**fields: Any) -> reflection_pb2.ServerReflectionRequest:
    return reflection_pb2.ServerReflectionRequest(**fields)


async def test_reflection_knows_our_services_and_the_providers(edge: Edge) -> None:
    async with edge.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflected(list_services=""),
            reflected(file_containing_symbol=f"{API}.ContributionService"),
            reflected(file_containing_symbol="test.stream.v1.StreamService"),
            reflected(file_containing_symbol="xbgateway.api.exchange.v1.ExchangeService"),
            reflected(file_by_filename="test/stream.proto"),
            reflected(file_containing_symbol="no.such.Symbol"),
        ]
        got = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    names = {one.name for one in got[0].list_services_response.service}
    assert {
        *(f"{API}.ContributionService", "test.stream.v1.StreamService"),
        *("xbgateway.api.exchange.v1.ExchangeService", "grpc.health.v1.Health"),
    } <= names
    for answer in got[1:5]:
        assert answer.file_descriptor_response.file_descriptor_proto
    assert got[5].error_response.error_code == Code.NOT_FOUND.value[0]


@pytest.mark.tool("grpcurl")
async def test_grpcurl_calls_the_providers_method_through_the_node(edge: Edge) -> None:
    async def nothing(_: Submission) -> Finished:
        return Finished(str(uuid4()), Outcome.EXECUTED, payload=b"")

    edge.path.work = nothing
    own = edge.material.of("parties", WINDOW)
    headers = [f"-H={key}: {value!s}" for key, value in edge.words()]
    process = await asyncio.create_subprocess_exec(
        "grpcurl", "-v", f"-cacert={edge.material.folder}/trust/zhuhai.xbg.test.pem",
        f"-cert={own}/tls.crt", f"-key={own}/tls.key", *headers,
        '-d={"fss_no": "SYN000001"}', f"localhost:{edge.ports.clients}", QUERY[1:],
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "xb-outcome: executed" in out.decode()
    (submission,) = edge.path.seen
    assert b"SYN000001" in submission.payload
