"""Reading what a failed call told its caller."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class Told:
    """What a failed call told its caller."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    locale: str
    text: str
    help_url: str
    retry_s: float | None
    trailers: dict[str, str | bytes]


def told(error: grpc.aio.AioRpcError) -> Told:
    """Read a failure; fails where any detail type is missing or stands twice."""
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]  # aio fits too
    assert status is not None, f"no details: {error}"
    found: dict[str, Any] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        assert name not in found, f"{name} stands twice"
        found[name] = getattr(error_details_pb2, name)()
        assert packed.Unpack(found[name])
    info, text = found["ErrorInfo"], found["LocalizedMessage"]
    assert info.domain == "xbgateway"
    retry = found.get("RetryInfo")
    return Told(
        error.code(),
        error.details() or "",
        info.reason,
        dict(info.metadata),
        text.locale,
        text.message,
        found["Help"].links[0].url,
        retry.retry_delay.ToMilliseconds() / 1000 if retry else None,
        {str(k): v for k, v in error.trailing_metadata() or ()},
    )


async def failure(call: Any) -> Told:
    """Await a call that must fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return told(error)
    raise AssertionError(f"the call was answered: {answer!r}")
