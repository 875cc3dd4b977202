"""Exchanges that nobody waits for: submitted, watched, and their answers fetched.

Part of a :class:`Gateway` connection; every method raises ``GatewayCallError``.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from xbgateway.api.exchange.v1 import exchange_pb2 as wire
from xbgateway.api.exchange.v1.exchange_pb2_grpc import ExchangeServiceStub
from xbgateway.client.errors import GatewayCallError
from xbgateway.client.holds import Operations

Answer = TypeVar("Answer", bound=Message)
# Awaits a call and raises ``GatewayCallError`` where it fails.
Explained = Callable[..., Any]
_PAUSE_S, _PAUSE_S_MAX = 0.2, 5.0


class Exchanges:
    """The exchanges of the connection's party."""

    def __init__(
        self,
        stub: ExchangeServiceStub,
        operations: Operations,
        explained: Explained,
        told: Callable[[grpc.aio.AioRpcError], GatewayCallError],
        timeout_s: float,
    ) -> None:
        self._stub: Any = stub
        self._operations = operations
        self._explained = explained
        self._told = told
        self._timeout_s = timeout_s

    async def submit(
        self,
        call: wire.CallRequest,
        time_to_live: timedelta | None = None,
        timeout_s: float | None = None,
    ) -> wire.Exchange:
        """Hand a call over: it is durable when this returns. See :meth:`Gateway.submit`.

        A node without room says when it would like to be asked again; so it is, within
        ``timeout_s``.
        """
        asked = wire.SubmitRequest(call=call)
        if time_to_live is not None:
            asked.time_to_live.FromTimedelta(time_to_live)
        loop = asyncio.get_running_loop()
        ends = loop.time() + (timeout_s or self._timeout_s)
        while True:
            asked.call.sent_at.FromDatetime(datetime.now(UTC))
            sent = self._stub.Submit(asked, timeout=max(0.0, ends - loop.time()))
            try:
                found: wire.Exchange = await self._explained(sent, call.request_id)
            except GatewayCallError as error:
                exhausted = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
                if not exhausted or error.retry_s is None:
                    raise
                pause_s = error.retry_s * (1 + random.random() / 4)  # noqa: S311 - not all at once
                if loop.time() + pause_s >= ends:
                    raise
                await asyncio.sleep(pause_s)
            else:
                return found

    async def watch(self, exchange_id: str, *, etag: str = "") -> AsyncIterator[wire.Exchange]:
        """The exchange as it is, then each change, until its end.

        With ``etag`` of a state that was seen, only what came after it. Where the node goes away
        the watch goes on as soon as it is back, however long that takes, and says nothing twice.
        """
        pause_s = _PAUSE_S
        while True:
            call = self._stub.WatchExchange(
                wire.WatchExchangeRequest(exchange_id=exchange_id, etag=etag)
            )
            try:
                async for one in call:
                    etag, pause_s = one.etag, _PAUSE_S
                    yield one
            except grpc.aio.AioRpcError as error:
                told = self._told(error)
                if not told.retryable:
                    raise told from error
            else:
                return
            finally:
                call.cancel()
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def cancel(self, exchange_id: str) -> wire.Exchange:
        """Take an exchange back; on record when this returns, and its end says if in time.

        It is in time as long as no service can have heard of the exchange; :meth:`watch` it. The
        same again is no error.
        """
        asked = wire.CancelExchangeRequest(exchange_id=exchange_id)
        found: wire.Exchange = await self._explained(
            self._stub.CancelExchange(asked, timeout=self._timeout_s)
        )
        return found

    async def answer(self, exchange_id: str, answer_type: type[Answer]) -> Answer | None:
        """The answer of an exchange; ``None`` while it is not over.

        Raises ``GatewayCallError`` with the exchange's end where that is no answer.
        """
        operation = await self._operations.get(exchange_id)
        if not operation.done:
            return None
        if operation.HasField("error"):
            status: Status = operation.error
            raise GatewayCallError.of_status(status)
        response = wire.CallResponse()
        operation.response.Unpack(response)
        return answer_type.FromString(response.payload)
