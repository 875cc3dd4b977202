"""The service behind both sides: one method, a fixed answer, no database.

It serves the method path of a registered service, so that policy lets it be called; product and
peer call the same process, so that its cost is the same for both.
"""

from __future__ import annotations

from typing import Any

import grpc
import uvloop

from bench.messages import PATH, answer
from bench.serving import parser_of, serve


class Fixed(grpc.GenericRpcHandler):
    """One method that always gives the same bytes."""

    def __init__(self, path: str, fixed: bytes) -> None:
        async def give(_request: bytes, _context: Any) -> bytes:
            return fixed

        self._path = path
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            give
        )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The one method; ``None`` for every other."""
        return self._handler if handler_call_details.method == self._path else None


def main() -> None:
    """``python -m bench.backend``."""
    asked = parser_of("backend", __doc__).parse_args()
    uvloop.run(serve(asked, Fixed(PATH, answer())))


if __name__ == "__main__":
    main()
