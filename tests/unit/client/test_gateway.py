"""The SDK against a real gRPC server over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import jwt
import pytest
from tests.unit.client.authority import Authority, Pair
from tests.unit.client.node import EXCHANGE, NODE, Seen, plain, refusal, running

from xbgateway.api.exchange.v1 import exchange_pb2 as exchange
from xbgateway.api.socialsecurity.v1.contribution_pb2 import (
    MatchCertificateRequest,
    QueryContributionsRequest,
    QueryContributionsResponse,
)
from xbgateway.api.socialsecurity.v1.contribution_pb2_grpc import ContributionServiceStub
from xbgateway.client import Gateway, GatewayCallError, ProvenEntry
from xbgateway.client.tokens import certificate_thumbprint
from xbgateway.model.errors import Reason

AUTHORITY = Authority()
SERVER = AUTHORITY.issue(NODE)
PARTY = AUTHORITY.issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window")
PATH = "xbgateway.api.socialsecurity.v1.ContributionService/QueryContributions"
ASKED = QueryContributionsRequest(pid_token="pt_a", fss_no="SYN000001")
SAID: dict[str, Any] = {"purpose": "CONTRIB_QUERY", "scenario": "SC-CQ"}


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def address(seen: Seen) -> AsyncIterator[str]:
    async with running(AUTHORITY, seen, SERVER) as where:
        yield where


def open_gateway(address: str, pair: Pair = PARTY, roots: bytes = AUTHORITY.roots) -> Gateway:
    return Gateway.connect(
        address,
        certificate=pair.certificate,
        key=pair.key,
        roots=roots,
        party="cn.hengqin.window",
        node=NODE,
        system="counter-3",
        timeout_s=10,
    )


async def test_three_lines_to_an_answer_and_its_receipt(address: str, seen: Seen) -> None:
    async with open_gateway(address) as gateway:
        fss = ContributionServiceStub(gateway.channel())
        answer, receipt = await gateway.call(
            fss.QueryContributions, ASKED, purpose="CONTRIB_QUERY", scenario="SC-CQ"
        )
    assert answer.pid_token == "pt_a"
    assert receipt.exchange_id == EXCHANGE
    assert receipt.entries == (ProvenEntry(b"entry", b"proof", "log", 7),)
    assert receipt.outcome == "EXECUTED"
    assert receipt.dropped_fields == ("answer:periods.months", "answer:person.bir_no")
    assert receipt.masked_fields == ()
    sent = seen.of("QueryContributions")[0]
    assert (sent["xb-purpose"], sent["xb-scenario"]) == ("CONTRIB_QUERY", "SC-CQ")
    assert UUID(sent["xb-request-id"]).version == 4
    age = datetime.now(UTC) - datetime.fromisoformat(sent["xb-sent-at"])
    assert 0 <= age.total_seconds() < 10
    assert "xb-references" not in sent


async def test_every_call_carries_a_token_bound_to_the_certificate(
    address: str, seen: Seen
) -> None:
    async with open_gateway(address) as gateway:
        await gateway.get_exchange(EXCHANGE)
        async for _ in gateway.tail("log"):
            break
    for method in ("GetExchange", "TailEntries"):
        scheme, token = seen.of(method)[0]["authorization"].split(" ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert scheme == "Bearer"
        assert claims["cnf"] == {"x5t#S256": certificate_thumbprint(PARTY.certificate)}
        assert (claims["iss"], claims["sub"], claims["aud"]) == (
            *("cn.hengqin.window", "counter-3"),
            NODE,
        )


async def test_a_channel_speaks_for_its_stubs_and_a_call_speaks_for_itself(
    address: str, seen: Seen
) -> None:
    async with open_gateway(address) as gateway:
        channel = gateway.channel(
            purpose="CONTRIB_QUERY", scenario="SC-CQ", references=("N-7", "C-1"), case_id="Z"
        )
        stub = ContributionServiceStub(channel)
        await stub.QueryContributions(ASKED)
        own = grpc.aio.Metadata(("xb-purpose", "RIGHTS_REQUEST"), ("xb-request-id", "mine"))
        await stub.QueryContributions(ASKED, metadata=own)
    first, second = seen.of("QueryContributions")
    assert first["xb-references"] == "N-7,C-1"
    assert first["xb-case-id"] == "Z"
    assert first["xb-purpose"] == "CONTRIB_QUERY"
    assert second["xb-purpose"] == "RIGHTS_REQUEST"
    assert second["xb-request-id"] == "mine"
    assert second["xb-scenario"] == "SC-CQ"


async def test_an_own_token_source_is_asked_and_awaited(address: str, seen: Seen) -> None:
    async def source() -> str:
        await asyncio.sleep(0)
        return "from-elsewhere"

    gateway = Gateway.connect(
        address,
        certificate=PARTY.certificate,
        key=PARTY.key,
        roots=AUTHORITY.roots,
        token=source,
    )
    async with gateway:
        await gateway.list_logs()
    assert seen.of("ListLogs")[0]["authorization"] == "Bearer from-elsewhere"


async def test_retries_keep_request_id_and_time(address: str, seen: Seen) -> None:
    seen.failures = [plain(grpc.StatusCode.UNAVAILABLE)] * 2
    async with open_gateway(address) as gateway:
        fss = ContributionServiceStub(gateway.channel())
        await gateway.call(fss.QueryContributions, ASKED, purpose="P", scenario="S")
    attempts = seen.of("QueryContributions")
    assert len(attempts) == 3
    assert len({attempt["xb-request-id"] for attempt in attempts}) == 1
    assert len({attempt["xb-sent-at"] for attempt in attempts}) == 1


async def test_four_attempts_and_then_the_callers_turn(address: str, seen: Seen) -> None:
    seen.failures = [refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")] * 9
    async with open_gateway(address) as gateway:
        fss = ContributionServiceStub(gateway.channel())
        with pytest.raises(GatewayCallError) as caught:
            await gateway.call(fss.QueryContributions, ASKED, purpose="P", scenario="S")
        assert len(seen.of("QueryContributions")) == 4
        assert caught.value.retryable
        seen.failures.clear()
        await gateway.call(
            fss.QueryContributions,
            ASKED,
            purpose="P",
            scenario="S",
            request_id=caught.value.request_id,
        )
    ids = {attempt["xb-request-id"] for attempt in seen.of("QueryContributions")}
    assert ids == {caught.value.request_id}


async def test_a_refusal_is_not_retried_and_tells_why(address: str, seen: Seen) -> None:
    seen.failures = [
        refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            "POLICY_DENIED",
            rule="CN-PIPL-36-1",
            exchange_id="e-1",
            outcome="refused",
        )
    ]
    async with open_gateway(address) as gateway:
        fss = ContributionServiceStub(gateway.channel())
        with pytest.raises(GatewayCallError, match="sentence of POLICY_DENIED") as caught:
            await gateway.call(fss.QueryContributions, ASKED, purpose="P", scenario="S")
    error = caught.value
    assert len(seen.calls) == 1
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "POLICY_DENIED")
    assert error.metadata["rule"] == "CN-PIPL-36-1"
    assert error.texts == {"zh-Hant": "zh-Hant text", "pt": "pt text", "en": "en text"}
    assert (error.exchange_id, error.outcome) == ("e-1", "refused")
    assert error.request_id == seen.calls[0][1]["xb-request-id"]
    assert not error.retryable


async def test_errors_of_others_are_not_taken_for_the_gateways(address: str, seen: Seen) -> None:
    seen.failures = [
        refusal(grpc.StatusCode.INTERNAL, "POLICY_DENIED", domain="proxy.example"),
        plain(grpc.StatusCode.PERMISSION_DENIED),
        plain(grpc.StatusCode.CANCELLED),
    ]
    async with open_gateway(address) as gateway:
        for wanted in ("INTERNAL", "PERMISSION_DENIED", "CANCELLED"):
            with pytest.raises(GatewayCallError) as caught:
                await gateway.get_exchange(EXCHANGE)
            assert caught.value.reason == wanted
            assert caught.value.exchange_id is None
            assert caught.value.retryable is (wanted == "CANCELLED")


async def test_stub_errors_can_be_read_too(address: str, seen: Seen) -> None:
    seen.failures = [refusal(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_UNKNOWN", field="x")]
    async with open_gateway(address) as gateway:
        stub = ContributionServiceStub(gateway.channel())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.MatchCertificate(MatchCertificateRequest(pid_token="pt_a"))
    error = GatewayCallError.of(caught.value)
    assert (error.reason, error.metadata) == ("FIELD_UNKNOWN", {"field": "x"})


async def test_the_explicit_way_needs_no_stub(address: str, seen: Seen) -> None:
    async with open_gateway(address) as gateway:
        answer, known = await gateway.call_method(
            PATH, ASKED, QueryContributionsResponse, purpose="CONTRIB_QUERY", scenario="SC-CQ"
        )
        decision = await gateway.validate(PATH, ASKED, purpose="CONTRIB_QUERY", scenario="SC-CQ")
    assert answer.pid_token == "pt_a"
    assert known.outcome == exchange.OUTCOME_EXECUTED
    assert decision.verdict == "deny"
    assert decision.findings[0].rule == "CN-PIPL-36-1"
    submitted, validated = seen.submitted
    assert submitted.service == "xbgateway.api.socialsecurity.v1.ContributionService"
    assert submitted.method == "QueryContributions"
    assert submitted.request_id != validated.request_id
    assert (submitted.validate_only, validated.validate_only) == (False, True)
    assert abs(submitted.sent_at.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() < 10


async def test_lists_run_over_all_pages(address: str, seen: Seen) -> None:
    async with open_gateway(address) as gateway:
        found = [one.exchange_id async for one in gateway.list_exchanges(page_size=2)]
        indexes = [one.index async for one in gateway.list_entries("log", start=1, page_size=3)]
    assert found == ["0", "1", "2", "3", "4"]
    assert indexes == [1, 2, 3, 4]
    assert len(seen.of("ListExchanges")) == 3
    assert len(seen.of("ListEntries")) == 2


async def test_a_tail_ends_when_the_reader_leaves(address: str, seen: Seen) -> None:
    async with open_gateway(address) as gateway:
        tail = gateway.tail("log", start=3)
        indexes = [(await anext(tail)).index for _ in range(3)]
        await tail.aclose()  # type: ignore[attr-defined] # an async generator
        await asyncio.wait_for(seen.tail_cancelled.wait(), 5)
    assert indexes == [3, 4, 5]


async def test_logs_proofs_and_later_receipts(address: str) -> None:
    async with open_gateway(address) as gateway:
        assert [one.origin for one in await gateway.list_logs()] == ["log"]
        assert await gateway.prove("log", 7) == ProvenEntry(b"entry", b"proof", "log", 7)
        receipt = await gateway.receipt(EXCHANGE)
    assert receipt.outcome == "HELD"
    assert receipt.dropped_fields == ("request:attestation.mobile",)
    assert len(receipt.entries) == 1


async def test_a_node_under_another_root_is_not_spoken_to(address: str, seen: Seen) -> None:
    async with open_gateway(address, roots=Authority("another").roots) as gateway:
        with pytest.raises(GatewayCallError) as caught:
            await gateway.get_exchange(EXCHANGE)
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.NODE_UNTRUSTED)
    assert not error.retryable
    assert "does not verify" in error.sentence
    assert seen.calls == []


async def test_a_node_of_another_name_is_not_spoken_to(address: str, seen: Seen) -> None:
    gateway = Gateway.connect(
        address,
        certificate=PARTY.certificate,
        key=PARTY.key,
        roots=AUTHORITY.roots,
        server_name="macao.node.macao.xbg.test",
    )
    async with gateway:
        with pytest.raises(GatewayCallError) as caught:
            await gateway.get_exchange(EXCHANGE)
    assert caught.value.reason == Reason.NODE_UNTRUSTED
    assert seen.calls == []


async def test_a_certificate_that_tls_refuses_is_a_clear_error(address: str, seen: Seen) -> None:
    strange = Authority("another").issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window")
    expired = AUTHORITY.issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window", hours=-1)
    for pair, words in (
        (strange, "most often it refused the certificate"),
        (expired, "The client certificate ended at "),
    ):
        async with open_gateway(address, pair) as gateway:
            with pytest.raises(GatewayCallError, match=words) as caught:
                await gateway.get_exchange(EXCHANGE)
            with pytest.raises(GatewayCallError, match=words):
                async for _ in gateway.tail("log"):
                    pass
        error = caught.value
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.HANDSHAKE_FAILED)
        assert datetime.fromisoformat(error.metadata["certificate_not_after"]).tzinfo is UTC
    assert seen.calls == []


async def test_an_ended_certificate_is_named_whatever_grpc_says_of_the_attempt() -> None:
    expired = AUTHORITY.issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window", hours=-1)
    async with open_gateway("127.0.0.1:1", expired) as gateway:
        with pytest.raises(GatewayCallError, match="The client certificate ended at ") as caught:
            await gateway.get_exchange(EXCHANGE)
    assert caught.value.reason == Reason.HANDSHAKE_FAILED


async def test_a_node_that_is_not_there_is_no_matter_of_certificates() -> None:
    async with open_gateway("127.0.0.1:1") as gateway:
        with pytest.raises(GatewayCallError) as caught:
            await gateway.get_exchange(EXCHANGE)
    assert caught.value.reason == "UNAVAILABLE"
    assert caught.value.retryable


async def test_credentials_can_be_files(address: str, tmp_path: Path) -> None:
    certificate, key = PARTY.write(tmp_path, "party")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(AUTHORITY.roots)
    gateway = Gateway.connect(address, certificate=certificate, key=key, roots=roots)
    async with gateway:
        assert (await gateway.get_exchange(EXCHANGE)).exchange_id == EXCHANGE


@pytest.mark.parametrize(
    "extra",
    [{"party": "p"}, {"node": NODE}, {"party": "p", "node": NODE, "token": lambda: "t"}],
)
def test_half_an_identity_is_refused_at_once(extra: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="party and node"):
        Gateway.connect(
            "localhost:1",
            certificate=PARTY.certificate,
            key=PARTY.key,
            roots=AUTHORITY.roots,
            **extra,  # type: ignore[arg-type]
        )


def test_secrets_do_not_show_in_representations() -> None:
    shown = repr(vars(open_gateway("localhost:1")))
    assert "localhost:1" in shown
    assert "PRIVATE" not in shown


async def test_a_submission_says_what_a_call_says_and_how_long_it_lives(
    address: str, seen: Seen
) -> None:
    async with open_gateway(address) as gateway:
        found = await gateway.submit(PATH, ASKED, **SAID, time_to_live=timedelta(hours=2))
        seen.failures = [refusal(grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED", rule="r")]
        with pytest.raises(GatewayCallError) as caught:
            await gateway.submit(PATH, ASKED, **SAID, request_id=EXCHANGE)
    assert (found.exchange_id, found.outcome) == (EXCHANGE, exchange.OUTCOME_PENDING)
    assert seen.lives == [timedelta(hours=2)]
    assert seen.submitted[0].payload == ASKED.SerializeToString()
    assert (caught.value.reason, caught.value.request_id) == ("POLICY_DENIED", EXCHANGE)


async def test_a_watch_goes_on_where_it_broke_and_says_nothing_twice(
    address: str, seen: Seen
) -> None:
    gone = plain(grpc.StatusCode.UNAVAILABLE)
    seen.failures = [gone, refusal(grpc.StatusCode.UNAVAILABLE, "DRAINING"), gone]
    async with open_gateway(address) as gateway:
        states = [one.etag async for one in gateway.exchanges.watch(EXCHANGE)]
        assert states == ["1", "2", "3", "4"]
        assert len(seen.of("WatchExchange")) == 4
        seen.failures = [refusal(grpc.StatusCode.NOT_FOUND, "EXCHANGE_UNKNOWN")]
        with pytest.raises(GatewayCallError) as caught:
            _ = [one async for one in gateway.exchanges.watch(EXCHANGE, etag="2")]
    assert caught.value.reason == "EXCHANGE_UNKNOWN"


async def test_a_submission_waits_for_room_as_long_as_the_node_says(
    address: str, seen: Seen
) -> None:
    full = grpc.StatusCode.RESOURCE_EXHAUSTED
    seen.failures = [refusal(full, "QUOTA_EXCEEDED", retry_s=0.2) for _ in range(2)]
    async with open_gateway(address) as gateway:
        started = asyncio.get_running_loop().time()
        found = await gateway.submit(PATH, ASKED, **SAID)
        assert asyncio.get_running_loop().time() - started >= 0.4
        assert found.exchange_id == EXCHANGE
        assert len(seen.of("Submit")) == 3
        # Longer than there is time for, or without a word of when: told at once.
        late = refusal(full, "QUOTA_EXCEEDED", retry_s=5.0)
        for failure in (late, refusal(full, "PAYLOAD_TOO_LARGE")):
            seen.failures = [failure]
            with pytest.raises(GatewayCallError) as caught:
                await gateway.submit(PATH, ASKED, **SAID, timeout_s=2.0)
            assert caught.value.code is full
    assert len(seen.of("Submit")) == 5
    assert len({one.request_id for one in seen.submitted}) == 1
