"""The outermost layer of every call: bounds, deadline, and the one place where an error is told.

Handlers raise model errors and never abort; here each becomes a status, once (pitfall 15). What
was not raised on purpose leaves the node as ``INTERNAL`` with an incident's name only (pitfall 11).
A cancellation that did not come from the caller becomes ``UNAVAILABLE``, since gRPC would leave the
caller hanging (pitfall 12). It knows no service and passes no value by context variables.
"""

import asyncio
import secrets
import string
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
import structlog

from xbgateway.identity.trust import TLS_VERSION
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, GatewayError, Reason, Refused, Unavailable

from .identity import Context, source, tls_version
from .inflight import InFlight, Work
from .refusals import Refusals
from .status import Ended, Failure, of_accident, of_error, of_finished
from .texts import chosen

_log = structlog.get_logger("xbgateway.server")
_CALLERS_OWN = (Reason.TOO_MANY_REQUESTS, Reason.QUOTA_EXCEEDED)
_ERROR_CODES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}

# Quoted: the stubs are generic, the classes are not.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]]


class Edge(grpc.aio.ServerInterceptor):
    """The interceptor of one port.

    ``works`` gives the class of each method that is not ``otherwise``; ``page`` is the address of
    the errors page; ``undecodable`` is what bytes are called that are no message of the method's.
    """

    def __init__(
        self,
        *,
        works: Mapping[str, Work],
        otherwise: Work,
        in_flight: InFlight,
        refusals: Refusals,
        page: str,
        undecodable: Reason = Reason.MESSAGE_UNDECODABLE,
    ) -> None:
        self._works = works
        self._otherwise = otherwise
        self._in_flight = in_flight
        self._refusals = refusals
        self._page = page
        self._undecodable = undecodable

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """Wrap whatever handler is found for the call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        work = self._works.get(method, self._otherwise)
        # What a caller wrote as a method's name is not written into our log.
        name = method if method in self._works else "proxied"
        inner: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )

        read = self._reading(handler)

        async def single(request: Any, context: Context) -> Any:
            return await self._guard(lambda: inner(read(request), context), context, work, name)

        async def stream(request: Any, context: Context) -> None:
            await self._guard(
                lambda: _written(inner(read(request), context), context), context, work, name
            )

        return _like(handler, stream if handler.response_streaming else single)

    def _reading(self, handler: Handler) -> Callable[[Any], Any]:
        """From what gRPC hands over to what the handler takes, inside the guard.

        gRPC itself would answer UNKNOWN with the decoder's own words (pitfall 11).
        """
        decode = handler.request_deserializer
        if decode is None:
            return lambda request: request

        def message(raw: bytes) -> Any:
            try:
                return decode(raw)
            except Exception as error:
                raise Refused(
                    self._undecodable, "The bytes are no message of the method's type."
                ) from error

        async def messages(requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
            async for raw in requests:
                yield message(raw)

        return messages if handler.request_streaming else message

    async def _guard(
        self, call: Callable[[], Awaitable[Any]], context: Context, work: Work, name: str
    ) -> Any:
        try:
            with self._in_flight.admitted(work):
                if work is Work.FREE:
                    _check_channel(context)  # all others ask who calls, which includes it
                if work is Work.EXCHANGE:
                    _check_deadline(context)
                if work is Work.READ:
                    return await _within(call, time_left_s(context))
                return await call()
        except grpc.aio.AbortError:
            raise  # of gRPC's own servicers, health for one: it is told already
        except asyncio.CancelledError:
            cut_off = self._in_flight.was_cut_off()
            if not cut_off and hung_up():
                raise
            what = "the node stopped" if cut_off else "what the call waited for was cancelled"
            error = Unavailable(Reason.INTERRUPTED, what)
            failure = self._told(error, context, name)
        except Exception as error:  # noqa: BLE001 - the outermost layer tells every error
            failure = self._told(error, context, name)
        return await context.abort(failure.code, failure.message, failure.trailers)

    def _told(self, error: Exception, context: Context, name: str) -> Failure:
        """The failure for an error; counted and logged, once."""
        language = chosen(_wanted_language(context))
        incident = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        if isinstance(error, Ended):
            return of_finished(error.finished, language, self._page)
        if not isinstance(error, GatewayError):
            _log.error("call failed", method=name, key=incident, exc_info=error)
            return of_accident(language, self._page, incident)
        if isinstance(error, Refused) or error.reason in _CALLERS_OWN:
            self._refusals.count(source(context), error.reason)
        failure = of_error(error, language, self._page, incident)
        about = {"method": name, "key": incident, "code": failure.code.name}
        if isinstance(error, Fatal) or failure.code in _ERROR_CODES:
            _log.error("call failed", **about, exc_info=error)
        elif isinstance(error, Unavailable):
            _log.warning("call not served", **about, reason=str(error.reason))
        else:
            _log.debug("call refused", **about, reason=str(error.reason))
        return failure


def hung_up() -> bool:
    """Whether a cancellation seen in this task was meant for it: the caller's, or the server's."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def time_left_s(context: Context) -> float:
    """How long the caller still waits, at most ``DEADLINE_S_MAX`` (pitfall 14: it may not say)."""
    remaining: float | None = context.time_remaining()
    return limits.DEADLINE_S_MAX if remaining is None else min(remaining, limits.DEADLINE_S_MAX)


async def _within(call: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds) as bound:
            return await call()
    except TimeoutError:
        if not bound.expired():
            raise
        raise Unavailable(
            Reason.DEADLINE_PASSED, "The time for the call was over before it was answered."
        ) from None


async def _written(answer: Any, context: Context) -> None:
    """Run a streaming handler, whether it yields its answers or writes them itself."""
    if not isinstance(answer, AsyncGenerator):
        await answer
        return
    async with aclosing(answer):
        async for message in answer:
            await _write(context, message)


async def _write(context: Context, message: Any) -> None:
    """Write one message; a reader that takes nothing for a minute is cut off (pitfall 9)."""
    try:
        async with asyncio.timeout(limits.STREAM_STALL_S_MAX):
            await context.write(message)
    except TimeoutError:
        raise Unavailable(Reason.DEADLINE_PASSED, "The reader takes nothing.") from None


def _check_channel(context: Context) -> None:
    version = tls_version(context)
    if version != TLS_VERSION:
        raise Refused(Reason.TLS_TOO_OLD, "Only TLS 1.3 is spoken here.", tls_version=version[:16])


def _check_deadline(context: Context) -> None:
    if time_left_s(context) * 1000 < limits.DEADLINE_MS_MIN:
        raise Refused(
            Reason.DEADLINE_TOO_SHORT,
            f"An exchange needs a deadline of {limits.DEADLINE_MS_MIN} ms at least.",
            least_ms=str(limits.DEADLINE_MS_MIN),
        )


def _wanted_language(context: Context) -> str:
    asked = {
        key: value
        for key, value in context.invocation_metadata() or ()
        if key in ("xb-language", "accept-language") and isinstance(value, str)
    }
    return asked.get("xb-language") or asked.get("accept-language") or ""


def _like(handler: Handler, behaviour: Callable[..., Any]) -> Handler:
    """A handler of the same shape with another behaviour, which is given bytes."""
    if handler.request_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return make(behaviour, None, handler.response_serializer)
