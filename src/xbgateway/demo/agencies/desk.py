"""What both agencies do with every call: see that the own node asks, work once, answer.

An agency has no other callers than its node; who stands behind it is the node's word, in metadata.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from xbgateway.demo.agencies.ledger import Declined, Incoming, Ledger, Work

Context = grpc.aio.ServicerContext[Any, Any]
Today = Callable[[], date]


@dataclass(frozen=True, slots=True)
class Desk:
    """An agency's register and its rules of entry."""

    ledger: Ledger
    gateway: str  # SPIFFE id of the only node that may call
    today: Today
    answer_delay_s: float = 0.0  # wait after the effect is durable, for tests of crashes

    async def once(self, context: Context, method: str, request: Message, work: Work) -> bytes:
        """Admit the caller, have the effect once for its exchange, return the answer's bytes."""
        return await self._serve(context, self.ledger.once, method, request, work)

    async def always(self, context: Context, method: str, request: Message, work: Work) -> bytes:
        """As :meth:`once`, for a method that does not know exchange ids."""
        return await self._serve(context, self.ledger.always, method, request, work)

    async def _serve(
        self,
        context: Context,
        keep: Callable[..., Any],
        method: str,
        request: Message,
        work: Work,
    ) -> bytes:
        call = await self._admit(context)
        try:
            answer: bytes = await keep(
                call, method, request.SerializeToString(deterministic=True), work
            )
        except Declined as declined:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(declined))
        if self.answer_delay_s:
            await asyncio.sleep(self.answer_delay_s)
        return answer

    async def _admit(self, context: Context) -> Incoming:
        ids = [value.decode() for value in context.auth_context().get("peer_spiffe_id", ())]
        if ids != [self.gateway]:
            await _abort(
                context,
                grpc.StatusCode.PERMISSION_DENIED,
                "this agency is called by its own gateway node only",
            )
        metadata = dict(context.invocation_metadata() or ())
        exchange_id = metadata.get("xb-exchange-id")
        if not exchange_id:
            await _abort(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "the metadata xb-exchange-id is missing",
            )
        return Incoming(
            str(exchange_id),
            str(metadata.get("xb-sender", "")),
            str(metadata.get("xb-purpose", "")),
        )


async def _abort(context: Context, code: grpc.StatusCode, sentence: str) -> NoReturn:
    await context.abort(code, sentence)
    raise AssertionError("abort raises")
