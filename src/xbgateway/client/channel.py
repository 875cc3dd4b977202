"""A gRPC channel to the own node that fills in what the node needs to know of each call.

The provider's own stubs work on it unchanged. What a caller sets itself in the metadata stays.
The retry policy repeats a call that found nobody, with the same metadata and so with the same
request id: the node gives the stored result instead of running it again.
"""

import inspect
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, Metadata

from xbgateway.client.tokens import TokenSource

SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 4,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


@dataclass(frozen=True, slots=True)
class References:
    """What a channel says with every call; empty parts are left out."""

    purpose: str = ""
    scenario: str = ""
    references: Sequence[str] = ()
    recipient: str = ""
    case_id: str = ""
    validate_only: bool = False
    attachment: str = ""

    def metadata(self) -> list[tuple[str, str]]:
        """As metadata pairs."""
        pairs = [
            ("xb-purpose", self.purpose),
            ("xb-scenario", self.scenario),
            ("xb-references", ",".join(self.references)),
            ("xb-recipient", self.recipient),
            ("xb-case-id", self.case_id),
            ("xb-validate-only", "true" if self.validate_only else ""),
            ("xb-attachment", self.attachment),
        ]
        return [(name, value) for name, value in pairs if value]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the node is and how this system proves itself to it. All PEM."""

    address: str
    certificate: bytes
    key: bytes = field(repr=False)
    roots: bytes
    token: TokenSource | None = field(repr=False)
    server_name: str | None = None  # where the node's certificate has another name than address


def open_channel(endpoint: Endpoint, references: References) -> grpc.aio.Channel:
    """A new channel; channels to one endpoint share their connection."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=endpoint.roots,
        private_key=endpoint.key,
        certificate_chain=endpoint.certificate,
    )
    options: list[tuple[str, Any]] = list(OPTIONS)
    if endpoint.server_name:
        options.append(("grpc.ssl_target_name_override", endpoint.server_name))
    fill = _Fill(endpoint.token, references)
    return grpc.aio.secure_channel(
        endpoint.address,
        credentials,
        options=options,
        interceptors=[_FillUnary(fill), _FillStream(fill), _FillBoth(fill)],
    )


def submission() -> list[tuple[str, str]]:
    """A new request id, and this moment."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [("xb-request-id", str(uuid.uuid4())), ("xb-sent-at", now)]


@dataclass(frozen=True, slots=True)
class _Fill:
    token: TokenSource | None
    references: References

    async def __call__(self, details: ClientCallDetails) -> ClientCallDetails:
        """The same call with what the caller left out of its metadata."""
        given = list(details.metadata or ())
        names = {name for name, _ in given}
        wanted = [*submission(), *self.references.metadata()]
        if self.token is not None and "authorization" not in names:
            token = self.token()
            text = await token if inspect.isawaitable(token) else token
            wanted.append(("authorization", f"Bearer {text}"))
        filled = [*given, *((name, value) for name, value in wanted if name not in names)]
        return ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=Metadata(*filled),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )


class _FillUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, fill: _Fill) -> None:
        self._fill = fill

    async def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> Any:
        """Fill the metadata, then go on."""
        return await continuation(await self._fill(client_call_details), request)


class _FillStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, fill: _Fill) -> None:
        self._fill = fill

    async def intercept_unary_stream(
        self,
        continuation: Callable[[ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> AsyncIterator[Any] | Any:
        """Fill the metadata, then go on."""
        return await continuation(await self._fill(client_call_details), request)


class _FillBoth(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, fill: _Fill) -> None:
        self._fill = fill

    async def intercept_stream_stream(
        self,
        continuation: Callable[[ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: ClientCallDetails,
        request_iterator: Any,
    ) -> AsyncIterator[Any] | Any:
        """Fill the metadata, then go on."""
        return await continuation(await self._fill(client_call_details), request_iterator)
