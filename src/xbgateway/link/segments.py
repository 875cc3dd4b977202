"""How attachments cross: the receiver's node asks the sender's for sealed segments, in order.

Both ends hold a few segments at most: a reader that takes nothing slows the writer by gRPC's own
flow control. The link knows nothing of what it carries; who may have it is for ``served`` to say.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from xbgateway.api.link.v1 import link_pb2, link_pb2_grpc
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import STREAM_STALL_S_MAX

from .channels import PeerChannels, Target

# node that asks, exchange, first segment
Served = Callable[[str, str, int], AsyncGenerator[bytes, None]]
_NO: Mapping[grpc.StatusCode, Reason] = {
    grpc.StatusCode.PERMISSION_DENIED: Reason.STREAM_STOPPED,
    grpc.StatusCode.NOT_FOUND: Reason.PAYLOAD_MISSING,
}


class Segments(link_pb2_grpc.SegmentServiceServicer):
    """Both ends of one node."""

    def __init__(
        self,
        channels: PeerChannels,
        targets: Mapping[str, Target],
        identify: Callable[[Any], str],
        served: Served,
    ) -> None:
        """``targets`` are the peers' nodes; ``identify`` names the node at the other end."""
        self._channels = channels
        self._targets = targets
        self._identify = identify
        self._served = served

    def attach(self, server: grpc.aio.Server) -> None:
        """Serve on the peers' port."""
        link_pb2_grpc.add_SegmentServiceServicer_to_server(self, server)

    async def Fetch(  # noqa: N802 - named by the service
        self, request: link_pb2.FetchRequest, context: Any
    ) -> AsyncGenerator[link_pb2.FetchResponse, None]:
        """Segments of an exchange that was sent to the node that asks."""
        node = self._identify(context)
        async with aclosing(
            self._served(node, request.exchange_id, request.start_segment)
        ) as segments:
            async for sealed in segments:
                yield link_pb2.FetchResponse(sealed=sealed)

    async def fetch(self, peer: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Sealed segments from one on.

        Raises ``Unavailable(PEER_UNREACHABLE)`` where the line breaks or stalls, ``Refused`` where
        the sender's node says no: ``STREAM_STOPPED``, ``PAYLOAD_MISSING``.
        """
        stub: Any = link_pb2_grpc.SegmentServiceStub(self._channels.get(self._targets[peer]))
        call = stub.Fetch(link_pb2.FetchRequest(exchange_id=exchange, start_segment=start))
        try:
            while True:
                async with asyncio.timeout(STREAM_STALL_S_MAX):
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    return
                yield answer.sealed
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, TimeoutError) as error:
            code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
            reason = _NO.get(code) if code is not None else None
            if reason is not None:
                raise Refused(reason, "the sender's node does not serve the attachment") from error
            raise Unavailable(
                Reason.PEER_UNREACHABLE, f"node {peer} cannot be asked for segments now"
            ) from error
        finally:
            call.cancel()
