"""Delivery to the local services of this node, over mTLS, with the exchange id as their key."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import grpc
import grpc.aio

from xbgateway.exchange.ports import Answered, EffectUnknown, NotReached
from xbgateway.model.errors import Reason, Refused

from .channels import PeerChannels, Target

# Codes with which gRPC itself speaks when a connection broke after the request may have left.
_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)


class Service(Protocol):
    """Where a service is, as the settings say it."""

    @property
    def address(self) -> str:
        """Host and port."""

    @property
    def server_name(self) -> str | None:
        """Name in its certificate, where it is not the host."""


def targets(services: Mapping[str, Service], trust_domain: str) -> dict[str, Target]:
    """The targets of services of this side, by full service name."""
    return {
        name: Target(one.address, trust_domain, one.server_name or one.address.rpartition(":")[0])
        for name, one in services.items()
    }


class Backends:
    """The services behind this node, by full service name."""

    def __init__(self, channels: PeerChannels, targets: Mapping[str, Target]) -> None:
        self._channels = channels
        self._targets = targets

    async def call(
        self, path: str, payload: bytes, metadata: Sequence[tuple[str, str]], timeout_s: float
    ) -> Answered:
        """Call one unary method with raw bytes.

        Raises ``NotReached`` when no connection could be had (the service was certainly not
        called) and ``EffectUnknown`` when the call broke off.
        """
        service = path.split("/")[1]
        target = self._targets.get(service)
        if target is None:
            raise Refused(Reason.SERVICE_UNKNOWN, f"no address is configured for {service}")
        channel = self._channels.get(target)
        await self._connected(channel, min(timeout_s, 2.0))
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        try:
            answer: bytes = await method(payload, timeout=timeout_s, metadata=tuple(metadata))
        except grpc.aio.AioRpcError as error:
            if error.code() in _BROKEN:
                raise EffectUnknown from error
            return Answered(b"", int(error.code().value[0]), error.details() or "")
        except grpc.aio.UsageError as error:
            raise NotReached from error  # the channel was closed before anything was sent
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # gRPC cancels what still runs on a channel that is closed after a renewal.
            raise EffectUnknown from error
        return Answered(answer)

    async def _connected(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        """Wait for a connection before anything is sent: what never left cannot have acted."""
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            return
        try:
            await asyncio.wait_for(channel.channel_ready(), timeout_s)
        except (TimeoutError, grpc.aio.UsageError) as error:  # in time, or at all: it was renewed
            raise NotReached from error
