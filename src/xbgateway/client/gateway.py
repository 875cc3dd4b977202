"""One service system's connection to its own node: calls with receipts, and what the logs say.

Every method raises :class:`~xbgateway.client.errors.GatewayCallError`. Calls on stubs over
:meth:`Gateway.channel` raise gRPC's own error; ``GatewayCallError.of`` reads it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from xbgateway.api.exchange.v1 import exchange_pb2 as exchange
from xbgateway.api.exchange.v1.exchange_pb2_grpc import ExchangeServiceStub
from xbgateway.api.holds.v1.holds_pb2_grpc import HoldServiceStub
from xbgateway.api.log.v1 import log_pb2 as log
from xbgateway.api.log.v1.log_pb2_grpc import LogServiceStub
from xbgateway.client.channel import Endpoint, References, open_channel, submission
from xbgateway.client.duties import Duties
from xbgateway.client.errors import GatewayCallError
from xbgateway.client.exchanges import Exchanges
from xbgateway.client.holds import Holds, Operations
from xbgateway.client.inbox import DeadLetters, Inbox
from xbgateway.client.paging import paged
from xbgateway.client.registers import Registers
from xbgateway.client.revisions import Revisions
from xbgateway.client.streams import Streams
from xbgateway.client.tokens import TokenMint, TokenSource

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")

# Below the node's own maximum of 60 s, so that the caller learns its status and not a hang-up.
TIMEOUT_S = 30.0
OUTCOME_PREFIX = "OUTCOME_"


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """One log entry, and a c2sp.org/tlog-proof@v1 file that a stranger can check offline."""

    entry: bytes
    proof: bytes
    origin: str
    index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What proves an exchange. Paths of fields are given by leg: ``answer:periods.months``."""

    exchange_id: str
    entries: tuple[ProvenEntry, ...]
    outcome: str = ""  # EXECUTED, …; empty where the node did not say
    dropped_fields: tuple[str, ...] = ()
    masked_fields: tuple[str, ...] = ()


class Gateway:
    """A connection; made by :meth:`connect`, in use within its ``async with``, then closed."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._open = AsyncExitStack()

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        certificate: bytes | Path,
        key: bytes | Path,
        roots: bytes | Path,
        token: TokenSource | None = None,
        party: str | None = None,
        node: str | None = None,
        system: str = "sdk",
        token_key: bytes | Path | None = None,
        kid: str = "1",
        roles: Sequence[str] = (),
        server_name: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """Prepare a connection to the own node; the first call opens it.

        Certificate, key and roots are PEM or files of it. With ``party`` and ``node`` (the node's
        SPIFFE id) tokens are minted for ``system``, signed by ``token_key`` (the certificate's
        key where none is given) under ``kid``, with the officer's ``roles``; with ``token`` they
        come from elsewhere; with neither the certificate alone says who calls. Raises
        ``ValueError`` for half of a pair.
        """
        chain, private = _pem(certificate), _pem(key)
        if (party is None) is not (node is None):
            raise ValueError("a party's token needs both party and node")
        if party is not None and node is not None:
            if token is not None:
                raise ValueError("give either a token source or party and node")
            token = TokenMint(
                key=private if token_key is None else _pem(token_key),
                certificate=chain,
                party=party,
                system=system,
                node=node,
                kid=kid,
                roles=roles,
            )
        return cls(Endpoint(address, chain, private, _pem(roots), token, server_name), timeout_s)

    async def __aenter__(self) -> Self:
        # Channels belong to the loop that runs when they are made, so not before this point.
        own = self.channel()
        self._exchanges = ExchangeServiceStub(own)
        self._logs = LogServiceStub(own)
        self.duties = Duties(own, self._explained, self._timeout_s)
        self.holds = Holds(HoldServiceStub(own), self._explained, self._timeout_s)
        self.revisions = Revisions(own, self._explained, self._timeout_s)
        self.inbox = Inbox(own, self._explained, self._timeout_s)
        self.dead_letters = DeadLetters(own, self._explained, self._timeout_s)
        self.operations = Operations(own, self._explained, self._timeout_s)
        self.exchanges = Exchanges(
            self._exchanges, self.operations, self._explained, self._told, self._timeout_s
        )
        self.registers = Registers(own, self._timeout_s, self._explained)
        self.streams = Streams(own, self._explained, self._told, self._timeout_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    def channel(
        self,
        *,
        purpose: str = "",
        scenario: str = "",
        references: Sequence[str] = (),
        recipient: str = "",
        case_id: str = "",
    ) -> grpc.aio.Channel:
        """A channel for the provider's own stubs; it is closed with this connection.

        What is given here goes with every call on it, and a call's own metadata goes before.
        """
        said = References(purpose, scenario, references, recipient, case_id)
        channel = open_channel(self._endpoint, said)
        self._open.push_async_callback(channel.close)
        return channel

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer],
        request: Request,
        *,
        purpose: str = "",
        scenario: str = "",
        references: Sequence[str] = (),
        recipient: str = "",
        case_id: str = "",
        attachment: str = "",
        request_id: str | None = None,
        timeout_s: float | None = None,
    ) -> tuple[Answer, Receipt]:
        """Call a stub's method over :meth:`channel`, and fetch the receipt of its exchange.

        ``attachment`` is the id of an upload (``streams``) that goes along.

        The same ``request_id`` with the same request gives the stored answer; so a caller that
        got an error after the effect (its ``request_id`` is in the error) just asks again. A
        receipt without entries could not be fetched just now: :meth:`receipt` gives it later.
        """
        words = References(purpose, scenario, references, recipient, case_id, attachment=attachment)
        said = words.metadata()
        sent = dict(submission())
        if request_id is not None:
            sent["xb-request-id"] = request_id
        call = method(
            request,
            metadata=grpc.aio.Metadata(*sent.items(), *said),
            timeout=timeout_s or self._timeout_s,
        )
        answer = await self._explained(call, sent["xb-request-id"])
        told = dict(await call.trailing_metadata() or ())
        exchange_id = str(told.get("xb-exchange-id", ""))
        try:
            proven = await self._proven(exchange_id, sent["xb-request-id"])
        except (GatewayCallError, asyncio.CancelledError):
            # The answer is here; its proofs wait in the logs. A node that drains just now must
            # not make the caller lose what it has.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            proven = ()
        return answer, Receipt(
            exchange_id,
            proven,
            str(told.get("xb-outcome", "")).removeprefix(OUTCOME_PREFIX).upper(),
            _listed(told, "xb-dropped-fields"),
            _listed(told, "xb-masked-fields"),
        )

    async def submit(
        self,
        path: str,
        request: Message,
        *,
        purpose: str,
        scenario: str,
        references: Sequence[str] = (),
        recipient: str = "",
        attachment: str = "",
        request_id: str | None = None,
        time_to_live: timedelta | None = None,
        timeout_s: float | None = None,
    ) -> exchange.Exchange:
        """Hand a call over and go: it is in the log when this returns, and cannot be lost.

        ``path`` is ``package.Service/Method``. The other side has to begin it within
        ``time_to_live``, by default as long as its provider allows. Watch it, or come back for
        its answer, by :attr:`exchanges`. The same ``request_id`` with the same request gives the
        same exchange.
        """
        said = References(purpose, scenario, references, recipient, attachment=attachment)
        asked = _call_request(path, request, said, request_id)
        return await self.exchanges.submit(asked, time_to_live, timeout_s)

    async def call_method(
        self,
        path: str,
        request: Message,
        answer_type: type[Answer],
        *,
        purpose: str,
        scenario: str,
        references: Sequence[str] = (),
        recipient: str = "",
        attachment: str = "",
        request_id: str | None = None,
        timeout_s: float | None = None,
    ) -> tuple[Answer, exchange.Exchange]:
        """The explicit way: ``path`` is ``package.Service/Method``; no provider stub is needed."""
        said = References(purpose, scenario, references, recipient, attachment=attachment)
        asked = _call_request(path, request, said, request_id)
        answered = await self._explained(
            self._exchanges.Call(asked, timeout=timeout_s or self._timeout_s), asked.request_id
        )
        return answer_type.FromString(answered.payload), answered.exchange

    async def validate(
        self,
        path: str,
        request: Message,
        *,
        purpose: str,
        scenario: str,
        references: Sequence[str] = (),
        recipient: str = "",
    ) -> exchange.Decision:
        """Would this call be allowed, and why; moves nothing."""
        said = References(purpose, scenario, references, recipient, validate_only=True)
        answered = await self._explained(
            self._exchanges.Call(_call_request(path, request, said, None), timeout=self._timeout_s)
        )
        return answered.decision

    async def get_exchange(self, exchange_id: str) -> exchange.Exchange:
        """What is known of an exchange."""
        request = exchange.GetExchangeRequest(exchange_id=exchange_id)
        return await self._explained(self._exchanges.GetExchange(request, timeout=self._timeout_s))

    async def list_exchanges(self, *, page_size: int = 0) -> AsyncIterator[exchange.Exchange]:
        """Exchanges of this party, newest first, page by page."""
        request = exchange.ListExchangesRequest(page_size=page_size)

        def ask(asked: exchange.ListExchangesRequest) -> Awaitable[Any]:
            return self._explained(self._exchanges.ListExchanges(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "exchanges"):
            yield one

    async def receipt(self, exchange_id: str) -> Receipt:
        """The receipt as it stands now: later entries join it as they become durable."""
        known = await self.get_exchange(exchange_id)
        return Receipt(
            exchange_id,
            await self._proven(exchange_id),
            exchange.Outcome.Name(known.outcome).removeprefix(OUTCOME_PREFIX),
            tuple(known.dropped_fields),
            tuple(known.masked_fields),
        )

    async def list_logs(self) -> list[log.Log]:
        """Own logs, mirrors and the home log. For auditors."""
        answer = await self._explained(
            self._logs.ListLogs(log.ListLogsRequest(), timeout=self._timeout_s)
        )
        return list(answer.logs)

    async def list_entries(
        self, origin: str, *, start: int = 0, page_size: int = 0, exchange_id: str = ""
    ) -> AsyncIterator[log.LogEntry]:
        """Entries of one log in order, page by page. For auditors."""
        request = log.ListEntriesRequest(
            origin=origin, start=start, page_size=page_size, exchange_id=exchange_id
        )

        def ask(asked: log.ListEntriesRequest) -> Awaitable[Any]:
            return self._explained(self._logs.ListEntries(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "entries", place="start", following="next_start"):
            yield one

    async def tail(self, origin: str = "", *, start: int = 0) -> AsyncIterator[log.LogEntry]:
        """Entries from ``start`` on, then each new one, until the caller leaves the loop."""
        call = self._logs.TailEntries(log.TailEntriesRequest(origin=origin, start=start))
        try:
            async for one in call:
                yield one
        except grpc.aio.AioRpcError as error:
            raise self._told(error) from error
        finally:
            call.cancel()

    async def prove(self, origin: str, index: int) -> ProvenEntry:
        """One entry with its proof. For auditors."""
        request = log.ProveEntryRequest(origin=origin, index=index)
        answer = await self._explained(self._logs.ProveEntry(request, timeout=self._timeout_s))
        return ProvenEntry(answer.entry, answer.proof, origin, index)

    async def _proven(
        self, exchange_id: str, request_id: str | None = None
    ) -> tuple[ProvenEntry, ...]:
        request = exchange.GetReceiptRequest(exchange_id=exchange_id)
        call = self._exchanges.GetReceipt(request, timeout=self._timeout_s)
        answer = await self._explained(call, request_id)
        return tuple(ProvenEntry(e.entry, e.proof, e.origin, e.index) for e in answer.entries)

    async def _explained(self, call: Awaitable[Result], request_id: str | None = None) -> Result:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise self._told(error, request_id) from error

    def _told(self, error: grpc.aio.AioRpcError, request_id: str | None = None) -> GatewayCallError:
        return GatewayCallError.of(error, request_id, self._endpoint.certificate)


def _call_request(
    path: str, request: Message, said: References, request_id: str | None
) -> exchange.CallRequest:
    service, _, method = path.strip("/").partition("/")
    asked = exchange.CallRequest(
        request_id=request_id or str(uuid4()),
        service=service,
        method=method,
        payload=request.SerializeToString(),
        purpose=said.purpose,
        scenario=said.scenario,
        references=said.references,
        recipient=said.recipient,
        validate_only=said.validate_only,
        attachment=said.attachment,
    )
    asked.sent_at.FromDatetime(datetime.now(UTC))
    return asked


def _listed(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(part for part in str(told.get(name, "")).split(",") if part)


def _pem(value: bytes | Path) -> bytes:
    return value.read_bytes() if isinstance(value, Path) else value
