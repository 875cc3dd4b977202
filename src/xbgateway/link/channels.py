"""Channels out of this node: one per target, kept, rebuilt when certificates change.

A client channel in gRPC Python cannot reload its certificate (grpc#41779): a new channel is made
and the old one closed once its calls have ended. Each channel trusts the one root of the trust
domain it goes to and pins the DNS name that only that node's certificate carries, since TLS alone
would accept any leaf of the domain.
"""

from dataclasses import dataclass

import grpc
import grpc.aio

from xbgateway.identity import CertificateFiles
from xbgateway.model.limits import (
    KEEPALIVE_TIME_MS,
    KEEPALIVE_TIMEOUT_MS,
    MESSAGE_BYTES_MAX,
    RECEIVE_BYTES_MAX,
    RECONNECT_BACKOFF_MS_MAX,
    RECONNECT_BACKOFF_MS_MIN,
)

_OPTIONS = (
    # A service's answer over our limit is withheld by our own check, with its reason.
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.initial_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MIN),
    ("grpc.min_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MIN),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MAX),
    # A rebuilt channel must not find the old one's connection and certificate again.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.lb_policy_name", "round_robin"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a channel goes: address, the trust domain that vouches for it, its DNS name."""

    address: str
    trust_domain: str
    server_name: str


class PeerChannels:
    """Kept channels, one per target. Owned by the event loop."""

    def __init__(self, certificates: CertificateFiles) -> None:
        self._certificates = certificates
        self._channels: dict[Target, grpc.aio.Channel] = {}
        self.generation = 0

    def get(self, target: Target) -> grpc.aio.Channel:
        """The channel to a target, made on first use."""
        channel = self._channels.get(target)
        if channel is None:
            current = self._certificates.current
            credentials = grpc.ssl_channel_credentials(
                root_certificates=current.roots[target.trust_domain],
                private_key=current.key,
                certificate_chain=current.chain,
            )
            options = (*_OPTIONS, ("grpc.ssl_target_name_override", target.server_name))
            channel = grpc.aio.secure_channel(target.address, credentials, options=options)
            self._channels[target] = channel
        return channel

    async def renew(self, grace_s: float) -> None:
        """Certificates changed: forget the channels; the old ones end with their calls."""
        old, self._channels = list(self._channels.values()), {}
        self.generation += 1
        for channel in old:
            await channel.close(grace=grace_s)

    async def close(self) -> None:
        """Close every channel at once."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
