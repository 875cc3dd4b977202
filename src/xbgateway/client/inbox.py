"""Inbox and dead letters: what a provider pulls and answers, what people settle.

Part of a :class:`Gateway` connection; every method raises ``GatewayCallError``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from xbgateway.api.inbox.v1 import inbox_pb2 as wire
from xbgateway.api.inbox.v1.inbox_pb2_grpc import DeadLetterServiceStub, InboxServiceStub
from xbgateway.client.paging import paged

# Awaits a call and raises ``GatewayCallError`` where it fails.
Explained = Callable[..., Any]


class Inbox:
    """The inbox of the connection's party."""

    def __init__(self, channel: grpc.aio.Channel, explained: Explained, timeout_s: float) -> None:
        self._stub: Any = InboxServiceStub(channel)
        self._explained = explained
        self._timeout_s = timeout_s

    async def pull(self, max_messages: int = 0, wait_s: float = 0.0) -> Sequence[wire.Message]:
        """Messages under a lease each; with ``wait_s`` (20 at most) it waits for the first."""
        wait = Duration()
        wait.FromTimedelta(timedelta(seconds=wait_s))
        asked = wire.PullRequest(max_messages=max_messages, wait=wait)
        call = self._stub.Pull(asked, timeout=self._timeout_s + wait_s)
        found: wire.PullResponse = await self._explained(call)
        return found.messages

    async def acknowledge(self, exchange_id: str, lease: str, answer: bytes) -> None:
        """The answer, serialised. The same again is no error."""
        asked = wire.AcknowledgeRequest(exchange_id=exchange_id, lease=lease, answer=answer)
        await self._explained(self._stub.Acknowledge(asked, timeout=self._timeout_s))

    async def fail(self, exchange_id: str, lease: str, code: int, message: str) -> None:
        """The service's own error: a gRPC code other than OK, and a text that names no person."""
        error = wire.ServiceError(code=code, message=message)
        asked = wire.AcknowledgeRequest(exchange_id=exchange_id, lease=lease, error=error)
        await self._explained(self._stub.Acknowledge(asked, timeout=self._timeout_s))

    async def extend(self, exchange_id: str, lease: str, seconds: int) -> wire.ExtendLeaseResponse:
        """Keep a message for so long from now."""
        asked = wire.ExtendLeaseRequest(exchange_id=exchange_id, lease=lease)
        asked.duration.seconds = seconds
        found: wire.ExtendLeaseResponse = await self._explained(
            self._stub.ExtendLease(asked, timeout=self._timeout_s)
        )
        return found

    async def release(self, exchange_id: str, lease: str) -> None:
        """Give a message back, unanswered."""
        asked = wire.ReleaseRequest(exchange_id=exchange_id, lease=lease)
        await self._explained(self._stub.Release(asked, timeout=self._timeout_s))


class DeadLetters:
    """What waits for officers of the connection's party."""

    def __init__(self, channel: grpc.aio.Channel, explained: Explained, timeout_s: float) -> None:
        self._stub: Any = DeadLetterServiceStub(channel)
        self._explained = explained
        self._timeout_s = timeout_s

    async def list(self, *, page_size: int = 0) -> AsyncIterator[wire.DeadLetter]:
        """What waits, oldest first, page by page."""
        request = wire.ListDeadLettersRequest(page_size=page_size)

        def ask(asked: wire.ListDeadLettersRequest) -> Any:
            return self._explained(self._stub.ListDeadLetters(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "dead_letters"):
            yield one

    async def get(self, exchange_id: str) -> wire.DeadLetter:
        """One item, also after it was settled."""
        return await self._said(self._stub.GetDeadLetter, wire.GetDeadLetterRequest, exchange_id)

    async def requeue(self, exchange_id: str) -> wire.DeadLetter:
        """Deliver a parked exchange anew."""
        return await self._said(
            self._stub.RequeueDeadLetter, wire.RequeueDeadLetterRequest, exchange_id
        )

    async def resolve(self, exchange_id: str, note: str, *, executed: bool) -> wire.DeadLetter:
        """End a parked exchange: it was not executed, or it was or may have been."""
        finding = wire.FINDING_UNKNOWN if executed else wire.FINDING_NOT_EXECUTED
        return await self._said(
            self._stub.ResolveDeadLetter,
            wire.ResolveDeadLetterRequest,
            exchange_id,
            note=note,
            finding=finding,
        )

    async def close(self, exchange_id: str, note: str) -> wire.DeadLetter:
        """Say that somebody has looked at an unknown outcome."""
        return await self._said(
            self._stub.CloseDeadLetter, wire.CloseDeadLetterRequest, exchange_id, note=note
        )

    async def _said(
        self, method: Any, request: Callable[..., Any], exchange_id: str, **more: object
    ) -> wire.DeadLetter:
        asked = request(exchange_id=exchange_id, **more)
        found: wire.DeadLetter = await self._explained(method(asked, timeout=self._timeout_s))
        return found
