"""The peer of the stream section: a server that takes a stream of bytes over mTLS, and no more.

One hop, no sealing, no hash, no disk: the least that any Python service with grpc.aio and uvloop
has to do with what comes in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop

from bench.serving import parser_of, serve

PATH = "/bench.Sink/Take"


class Sink(grpc.GenericRpcHandler):
    """One method that counts the bytes of a stream."""

    def __init__(self) -> None:
        async def take(messages: AsyncIterator[bytes], _context: Any) -> bytes:
            taken = 0
            async for message in messages:
                taken += len(message)
            return b"%d" % taken

        # The synchronous name makes the handler; grpc.aio runs the coroutine.
        self._handler: Any = grpc.stream_unary_rpc_method_handler(take)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The one method; ``None`` for every other."""
        found: grpc.RpcMethodHandler[bytes, bytes] = self._handler
        return found if handler_call_details.method == PATH else None


def main() -> None:
    """``python -m bench.sink``."""
    asked = parser_of("sink", __doc__).parse_args()
    uvloop.run(serve(asked, Sink()))


if __name__ == "__main__":
    main()
