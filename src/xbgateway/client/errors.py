"""What a call through the gateway can fail with, read from ``google.rpc.Status``.

A node answers with one ``ErrorInfo`` (stable reason, rule, article, exchange id) and texts in the
languages of both sides. Where gRPC itself refused, before the node could speak, the reason is read
from gRPC's own words as far as they are clear. Anything else that carries no detail (a proxy on the
way) gives the same error with the gRPC code's name as its reason.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
from cryptography import x509
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage, RetryInfo
from grpc_status import rpc_status

from xbgateway.identity.dialling import dialling_reason, never_connected
from xbgateway.model.clock import instant
from xbgateway.model.errors import Reason
from xbgateway.model.reasons import CATALOGUE

DOMAIN = "xbgateway"
# CANCELLED is somebody's on the way: whoever cancels a call of theirs gets ``CancelledError``.
_IN_DOUBT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_DIALLING = frozenset({Reason.HANDSHAKE_FAILED, Reason.NODE_UNTRUSTED})
_TOO_LARGE = "message larger than max"  # gRPC's, of either end

_TEXT_KEY = "text-"


class GatewayCallError(Exception):
    """A call that the gateway, the other side, or the way to it refused."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        sentence: str,
        *,
        metadata: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
        exchange_id: str | None = None,
        outcome: str | None = None,
        request_id: str | None = None,
        retry_s: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.reason = reason  # a Reason of the gateway, or the name of the code
        self.sentence = sentence  # English
        self.metadata: Mapping[str, str] = metadata or {}  # rule, article, …
        self.texts: Mapping[str, str] = texts or {}  # by language: zh-Hant, zh-Hans, pt, en
        self.exchange_id = exchange_id  # set once the exchange is in the log
        self.outcome = outcome  # what is known of that exchange
        self.retry_s = retry_s  # after so many seconds the node would like to be asked again
        self.request_id = request_id  # given again, it brings the result instead of a new call

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence}"

    @property
    def retryable(self) -> bool:
        """Whether the same call with the same request id may succeed later."""
        return self.code in _IN_DOUBT and self.reason != Reason.NODE_UNTRUSTED

    @classmethod
    def of(
        cls,
        error: grpc.aio.AioRpcError,
        request_id: str | None = None,
        certificate: bytes | None = None,
    ) -> "GatewayCallError":
        """The error that ``error`` carries.

        ``certificate`` is the caller's own chain (PEM): where no connection came about, its end is
        told in the metadata as ``certificate_not_after``, and as the cause if it is over.
        """
        trailing = {
            str(name): str(value)
            for name, value in (error.trailing_metadata() or ())
            if isinstance(value, str)
        }
        status = _status(error)
        info, texts = _details(status)
        metadata = dict(info.metadata) if info else {}
        reason, sentence = info.reason if info else _unsaid(error), error.details() or ""
        if info is None and never_connected(sentence):
            reason, sentence = _not_connected(reason, sentence, certificate, metadata)
        return cls(
            code=error.code(),
            reason=reason,
            sentence=sentence,
            metadata=metadata,
            texts=texts,
            exchange_id=metadata.get("exchange_id") or trailing.get("xb-exchange-id"),
            outcome=metadata.get("outcome") or trailing.get("xb-outcome"),
            request_id=request_id,
            retry_s=_retry_s(status),
        )

    @classmethod
    def of_status(cls, status: Any) -> "GatewayCallError":
        """The error that an operation carries: a ``google.rpc.Status``."""
        info, texts = _details(status)
        metadata = dict(info.metadata) if info else {}
        code = _code(status.code)
        return cls(
            code=code,
            reason=info.reason if info else code.name,
            sentence=status.message,
            metadata=metadata,
            texts=texts,
            exchange_id=metadata.get("exchange_id"),
            outcome=metadata.get("outcome"),
        )


def _retry_s(status: Any | None) -> float | None:
    for detail in status.details if status is not None else ():
        if detail.Is(RetryInfo.DESCRIPTOR):
            found = RetryInfo()
            detail.Unpack(found)
            return float(found.retry_delay.ToTimedelta().total_seconds())
    return None


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _unsaid(error: grpc.aio.AioRpcError) -> str:
    """The reason of an error that is gRPC's own."""
    code, said = error.code(), error.details() or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in said:
        return Reason.PAYLOAD_TOO_LARGE
    dialling = dialling_reason(said) if code is grpc.StatusCode.UNAVAILABLE else None
    return dialling or code.name


def _not_connected(
    reason: str, said: str, certificate: bytes | None, metadata: dict[str, str]
) -> tuple[str, str]:
    """Reason and sentence for a connection that never came about."""
    sentence = said
    if reason in _DIALLING:
        sentence = f"{CATALOGUE[Reason(reason)].meaning} ({said})"
    if certificate is not None and reason != Reason.NODE_UNTRUSTED:
        ends = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
        metadata["certificate_not_after"] = instant(ends)
        if ends < datetime.now(UTC):
            ended = f"The client certificate ended at {instant(ends)}. {sentence}"
            return Reason.HANDSHAKE_FAILED, ended
    return reason, sentence


def _status(error: grpc.aio.AioRpcError) -> Any | None:
    try:
        return rpc_status.from_call(error)  # type: ignore[arg-type] # it fits, untyped
    except ValueError:  # the status disagrees with the call: somebody between us made it up
        return None


def _details(status: Any | None) -> tuple[Any | None, dict[str, str]]:
    info, texts = None, {}
    for detail in status.details if status is not None else ():
        if detail.Is(ErrorInfo.DESCRIPTOR):
            found = ErrorInfo()
            detail.Unpack(found)
            if found.domain == DOMAIN:
                info = found
        elif detail.Is(LocalizedMessage.DESCRIPTOR):
            text = LocalizedMessage()
            detail.Unpack(text)
            texts[text.locale] = text.message
    if info is not None:
        # One LocalizedMessage at most (AIP-193): the other languages stand in the metadata.
        for key, text in info.metadata.items():
            if key.startswith(_TEXT_KEY):
                texts.setdefault(key.removeprefix(_TEXT_KEY), text)
    return info, texts
