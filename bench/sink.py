"""The peer of the stream section: a server that takes a stream of bytes over mTLS, and no more.

One hop, no sealing, no hash, no disk: the least that any Python service with grpc.aio and uvloop
has to do with what comes in.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop

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


async def serve(asked: argparse.Namespace) -> None:
    """Take streams until the process is told to stop."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Sink(),))
    credentials = grpc.ssl_server_credentials(
        [(asked.key.read_bytes(), asked.cert.read_bytes())],
        root_certificates=asked.roots.read_bytes(),
        require_client_auth=True,
    )
    server.add_secure_port(f"127.0.0.1:{asked.port}", credentials)
    await server.start()
    await server.wait_for_termination()


def main() -> None:
    """``python -m bench.sink``."""
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--roots", type=Path, required=True)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
