"""The service behind both sides: one method, a fixed answer, no database.

It serves the method path of a registered service, so that policy lets it be called; product and
peer call the same process, so that its cost is the same for both.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop

from bench.messages import PATH, answer


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


async def serve(asked: argparse.Namespace) -> None:
    """Answer until the process is told to stop."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Fixed(PATH, answer()),))
    credentials = grpc.ssl_server_credentials(
        [(asked.key.read_bytes(), asked.cert.read_bytes())],
        root_certificates=asked.roots.read_bytes(),
        require_client_auth=True,
    )
    server.add_secure_port(f"127.0.0.1:{asked.port}", credentials)
    await server.start()
    await server.wait_for_termination()


def main() -> None:
    """``python -m bench.backend``."""
    parser = argparse.ArgumentParser(prog="python -m bench.backend", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--roots", type=Path, required=True)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
