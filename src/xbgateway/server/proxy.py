"""Any unary method of a registered service, called on this node with the provider's own stubs.

Payloads are raw bytes: the types live in the register, not in this code. The words of a call travel
as ``xb-`` metadata; the answer's trailing metadata says what became of the exchange. A dry run
(``xb-validate-only: true``) answers OK with an empty message, which is a valid message of any type,
and the decision in ``xb-verdict`` and ``xb-decision-bin`` (``exchange.v1.Decision``).
"""

from collections.abc import AsyncIterator, Callable

import grpc

from xbgateway.model.errors import GatewayError
from xbgateway.register import Catalogue

from .calls import run
from .identity import Context, Identities
from .interceptors import Handler
from .ports import Path
from .status import Trailers, exchange_trailers
from .submission import declared, submission
from .translate import decision_trailer


class Proxy(grpc.GenericRpcHandler):
    """Catches every method that no service of the node itself has; added last."""

    def __init__(
        self, identities: Identities, path: Path, catalogue: Callable[[], Catalogue]
    ) -> None:
        self._identities = identities
        self._path = path
        self._catalogue = catalogue

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """A handler for a method that is registered, and one that refuses for any other."""
        service, method = _parts(handler_call_details.method)
        try:
            self._catalogue().method(service, method)
        except GatewayError as error:
            return self._refusing(service, method, error)

        async def call(payload: bytes, context: Context) -> bytes:
            return await self._call(service, method, payload, context)

        return grpc.unary_unary_rpc_method_handler(call)

    async def _call(self, service: str, method: str, payload: bytes, context: Context) -> bytes:
        caller = self._identities.caller(context)
        words = declared(context.invocation_metadata() or ())
        asked = submission(caller, service, method, payload, words)
        finished = await run(self._path, asked, context)
        if finished.decision is None:
            context.set_trailing_metadata(exchange_trailers(finished))
            return finished.payload or b""
        verdict: Trailers = (
            ("xb-outcome", "validated"),
            ("xb-verdict", finished.decision.verdict),
            ("xb-decision-bin", decision_trailer(finished.decision, finished)),
        )
        context.set_trailing_metadata(verdict)
        return b""

    def _refusing(self, service: str, method: str, error: GatewayError) -> Handler:
        """Refuses without reading, whatever way the caller streams; who calls is asked first.

        But who has asked before, when the method was registered, gets what was stored then.
        """

        async def refuse(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            caller = self._identities.caller(context)
            asked = dict(context.invocation_metadata() or ()).get("xb-request-id")
            if isinstance(asked, str) and self._path.exchange_of(caller.party, asked.lower()):
                async for payload in requests:
                    yield await self._call(service, method, payload, context)
                    return
            raise type(error)(error.reason, error.sentence, **error.metadata)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _parts(path: str) -> tuple[str, str]:
    service, _, method = path.removeprefix("/").rpartition("/")
    return service, method
