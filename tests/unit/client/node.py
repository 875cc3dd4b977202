"""A small real gRPC server that stands where a gateway node stands, and tells what reached it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from tests.unit.client.authority import Authority, Pair

from xbgateway.api.exchange.v1 import exchange_pb2 as exchange
from xbgateway.api.exchange.v1 import exchange_pb2_grpc as exchange_grpc
from xbgateway.api.log.v1 import log_pb2 as log
from xbgateway.api.log.v1 import log_pb2_grpc as log_grpc
from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import contribution_pb2_grpc as c_grpc
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms

NODE = "spiffe://zhuhai.xbg.test/node/zhuhai"
EXCHANGE = "01900000-0000-7000-8000-000000000001"
Abort = Callable[[grpc.aio.ServicerContext[Any, Any]], Any]


@dataclass
class Seen:
    """What arrived, call by call, and what the next calls fail with."""

    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    failures: list[Abort] = field(default_factory=list)
    submitted: list[exchange.CallRequest] = field(default_factory=list)
    lives: list[timedelta] = field(default_factory=list)
    tail_cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, method: str) -> list[dict[str, str]]:
        return [metadata for name, metadata in self.calls if name == method]

    async def note(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        pairs = context.invocation_metadata() or ()
        self.calls.append((method, {str(k): str(v) for k, v in pairs}))
        if self.failures:
            await self.failures.pop(0)(context)


def refusal(
    code: grpc.StatusCode,
    reason: str,
    domain: str = "xbgateway",
    retry_s: float | None = None,
    **metadata: str,
) -> Abort:
    """Fails a call as a node does: one ErrorInfo and texts in four languages."""
    status = Status(code=code.value[0], message=f"sentence of {reason}")
    details: list[Any] = [
        ErrorInfo(reason=reason, domain=domain, metadata=metadata),
        *(LocalizedMessage(locale=tag, message=f"{tag} text") for tag in ("zh-Hant", "pt", "en")),
    ]
    if retry_s is not None:
        details.append(RetryInfo())
        details[-1].retry_delay.FromTimedelta(timedelta(seconds=retry_s))
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)

    async def abort(context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort_with_status(rpc_status.to_status(status))

    return abort


def plain(code: grpc.StatusCode) -> Abort:
    async def abort(context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(code, "no details")

    return abort


class Contributions(c_grpc.ContributionServiceServicer):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    async def QueryContributions(  # noqa: N802
        self, request: Any, context: Any
    ) -> c.QueryContributionsResponse:
        await self.seen.note("QueryContributions", context)
        context.set_trailing_metadata(
            (
                ("xb-exchange-id", EXCHANGE),
                ("xb-outcome", "OUTCOME_EXECUTED"),
                ("xb-dropped-fields", "answer:periods.months,answer:person.bir_no"),
                ("xb-masked-fields", ""),
            )
        )
        return c.QueryContributionsResponse(pid_token=request.pid_token)

    async def IssueCertificate(self, _request: Any, context: Any) -> c.IssueCertificateResponse:  # noqa: N802
        await self.seen.note("IssueCertificate", context)
        return c.IssueCertificateResponse()

    async def MatchCertificate(self, _request: Any, context: Any) -> c.MatchCertificateResponse:  # noqa: N802
        await self.seen.note("MatchCertificate", context)
        return c.MatchCertificateResponse(match=terms.VERDICT_NO)


class Exchanges(exchange_grpc.ExchangeServiceServicer):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    async def Call(self, request: exchange.CallRequest, context: Any) -> exchange.CallResponse:  # noqa: N802
        await self.seen.note("Call", context)
        self.seen.submitted.append(request)
        asked = c.QueryContributionsRequest.FromString(request.payload)
        if request.validate_only:
            finding = exchange.Finding(rule="CN-PIPL-36-1", effect="deny", text={"en": "why"})
            return exchange.CallResponse(
                decision=exchange.Decision(verdict="deny", findings=[finding])
            )
        answer = c.QueryContributionsResponse(pid_token=asked.pid_token)
        return exchange.CallResponse(
            payload=answer.SerializeToString(),
            exchange=exchange.Exchange(exchange_id=EXCHANGE, outcome=exchange.OUTCOME_EXECUTED),
        )

    async def Submit(self, request: exchange.SubmitRequest, context: Any) -> exchange.Exchange:  # noqa: N802
        await self.seen.note("Submit", context)
        self.seen.submitted.append(request.call)
        self.seen.lives.append(request.time_to_live.ToTimedelta())
        return exchange.Exchange(exchange_id=EXCHANGE, outcome=exchange.OUTCOME_PENDING)

    async def WatchExchange(  # noqa: N802
        self, request: exchange.WatchExchangeRequest, context: Any
    ) -> AsyncIterator[exchange.Exchange]:
        """States one to four; it breaks off after each as the seen failures say."""
        pairs = context.invocation_metadata() or ()
        self.seen.calls.append(("WatchExchange", {str(k): str(v) for k, v in pairs}))
        for state in range(int(request.etag or 0) + 1, 5):
            yield exchange.Exchange(exchange_id=request.exchange_id, etag=str(state))
            if self.seen.failures:
                await self.seen.failures.pop(0)(context)

    async def GetExchange(self, request: Any, context: Any) -> exchange.Exchange:  # noqa: N802
        await self.seen.note("GetExchange", context)
        return exchange.Exchange(
            exchange_id=request.exchange_id,
            outcome=exchange.OUTCOME_HELD,
            dropped_fields=["request:attestation.mobile"],
        )

    async def CancelExchange(self, request: Any, context: Any) -> exchange.Exchange:  # noqa: N802
        await self.seen.note("CancelExchange", context)
        return exchange.Exchange(exchange_id=request.exchange_id, etag="1")

    async def ListExchanges(self, request: Any, context: Any) -> exchange.ListExchangesResponse:  # noqa: N802
        await self.seen.note("ListExchanges", context)
        first = int(request.page_token or 0)
        ids = [str(n) for n in range(first, min(first + request.page_size, 5))]
        return exchange.ListExchangesResponse(
            exchanges=[exchange.Exchange(exchange_id=i) for i in ids],
            next_page_token=str(first + len(ids)) if first + len(ids) < 5 else "",
        )

    async def GetReceipt(self, request: Any, context: Any) -> exchange.Receipt:  # noqa: N802
        await self.seen.note("GetReceipt", context)
        entry = exchange.ProvenEntry(entry=b"entry", proof=b"proof", origin="log", index=7)
        return exchange.Receipt(exchange_id=request.exchange_id, entries=[entry])


class Logs(log_grpc.LogServiceServicer):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    async def ListLogs(self, _request: Any, context: Any) -> log.ListLogsResponse:  # noqa: N802
        await self.seen.note("ListLogs", context)
        return log.ListLogsResponse(logs=[log.Log(origin="log", role="own", size=5)])

    async def ListEntries(self, request: Any, context: Any) -> log.ListEntriesResponse:  # noqa: N802
        await self.seen.note("ListEntries", context)
        indexes = range(request.start, min(request.start + request.page_size, 5))
        return log.ListEntriesResponse(
            entries=[log.LogEntry(origin=request.origin, index=i) for i in indexes],
            next_start=indexes.stop if indexes.stop < 5 else 0,
        )

    async def GetEntry(self, request: Any, context: Any) -> log.LogEntry:  # noqa: N802
        await self.seen.note("GetEntry", context)
        return log.LogEntry(origin=request.origin, index=request.index)

    async def TailEntries(self, request: Any, context: Any) -> AsyncIterator[log.LogEntry]:  # noqa: N802
        await self.seen.note("TailEntries", context)
        index = request.start
        try:
            while True:
                yield log.LogEntry(origin=request.origin, index=index)
                index += 1
        finally:
            self.seen.tail_cancelled.set()

    async def ProveEntry(self, _request: Any, context: Any) -> log.ProveEntryResponse:  # noqa: N802
        await self.seen.note("ProveEntry", context)
        return log.ProveEntryResponse(proof=b"proof", entry=b"entry")


@asynccontextmanager
async def running(authority: Authority, seen: Seen, pair: Pair) -> AsyncIterator[str]:
    """The server's address while it runs."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    c_grpc.add_ContributionServiceServicer_to_server(Contributions(seen), server)
    exchange_grpc.add_ExchangeServiceServicer_to_server(Exchanges(seen), server)
    log_grpc.add_LogServiceServicer_to_server(Logs(seen), server)
    credentials = grpc.ssl_server_credentials(
        [(pair.key, pair.certificate)],
        root_certificates=authority.roots,
        require_client_auth=True,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
