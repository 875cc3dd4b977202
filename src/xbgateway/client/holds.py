"""Holds: officers decide on them, callers follow them. Part of a :class:`Gateway` connection."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from xbgateway.api.holds.v1 import holds_pb2 as wire
from xbgateway.api.holds.v1.holds_pb2_grpc import HoldServiceStub
from xbgateway.client.paging import paged

# Awaits a call and raises ``GatewayCallError`` where it fails.
Explained = Callable[..., Any]
_PREFIX = "operations/"
_WAIT_S = 25.0  # the node answers after half a minute at the latest


class Holds:
    """What waits for the roles that the connection's token claims."""

    def __init__(self, stub: HoldServiceStub, explained: Explained, timeout_s: float) -> None:
        self._stub: Any = stub
        self._explained = explained
        self._timeout_s = timeout_s

    async def list(self, *, answered: bool = False, page_size: int = 0) -> AsyncIterator[wire.Hold]:
        """Holds of these roles, oldest first, page by page; or those decided already."""
        request = wire.ListHoldsRequest(answered=answered, page_size=page_size)

        def ask(asked: wire.ListHoldsRequest) -> Any:
            return self._explained(self._stub.ListHolds(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "holds"):
            yield one

    async def get(self, exchange_id: str) -> wire.Hold:
        """The newest hold of an exchange that is decided at this node."""
        asked = wire.GetHoldRequest(exchange_id=exchange_id)
        found: wire.Hold = await self._explained(self._stub.GetHold(asked, timeout=self._timeout_s))
        return found

    async def approve(self, exchange_id: str, note: str = "", *, etag: str = "") -> wire.Hold:
        """Yes. With ``etag`` only the hold that was read."""
        asked = wire.ApproveHoldRequest(exchange_id=exchange_id, etag=etag, note=note)
        found: wire.Hold = await self._explained(
            self._stub.ApproveHold(asked, timeout=self._timeout_s)
        )
        return found

    async def reject(self, exchange_id: str, reason: str, *, etag: str = "") -> wire.Hold:
        """No, with a reason."""
        asked = wire.RejectHoldRequest(exchange_id=exchange_id, etag=etag, reason=reason)
        found: wire.Hold = await self._explained(
            self._stub.RejectHold(asked, timeout=self._timeout_s)
        )
        return found


class Operations:
    """The party's exchanges as long-running operations (AIP-151)."""

    def __init__(self, channel: grpc.aio.Channel, explained: Explained, timeout_s: float) -> None:
        stub: Callable[[object], Any] = operations_pb2_grpc.OperationsStub
        self._stub = stub(channel)
        self._explained = explained
        self._timeout_s = timeout_s

    async def get(self, exchange_id: str) -> operations_pb2.Operation:
        """Where an exchange stands; its result or error once it is done."""
        asked = operations_pb2.GetOperationRequest(name=_PREFIX + exchange_id)
        return await self._explained(self._stub.GetOperation(asked, timeout=self._timeout_s))

    async def wait(self, exchange_id: str, timeout_s: float = _WAIT_S) -> operations_pb2.Operation:
        """The same once it is done, or after ``timeout_s``, half a minute at most."""
        asked = operations_pb2.WaitOperationRequest(name=_PREFIX + exchange_id)
        asked.timeout.CopyFrom(Duration(seconds=int(timeout_s)))
        call = self._stub.WaitOperation(asked, timeout=2 * timeout_s + self._timeout_s)
        return await self._explained(call)

    async def cancel(self, exchange_id: str) -> None:
        """As :meth:`Exchanges.cancel`."""
        asked = operations_pb2.CancelOperationRequest(name=_PREFIX + exchange_id)
        await self._explained(self._stub.CancelOperation(asked, timeout=self._timeout_s))
