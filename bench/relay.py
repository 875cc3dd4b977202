"""The peer: a bare relay that passes one unary call on, over mTLS on both sides, and nothing else.

Two of these stand where the two nodes stand. Raw bytes in, raw bytes out: no decoding, no policy,
no log. This is the least that any Python gateway with grpc.aio and uvloop has to do.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop

from bench.serving import parser_of, serve


class Relay(grpc.GenericRpcHandler):
    """Every method, passed on to one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._known: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The handler of a method, made once."""
        path = handler_call_details.method
        known = self._known.get(path)
        if known is None:
            method: Any = self._channel.unary_unary(path)

            async def pass_on(request: bytes, _context: Any) -> bytes:
                answer: bytes = await method(request)
                return answer

            # The synchronous name makes the handler; grpc.aio runs the coroutine.
            known = self._known[path] = grpc.unary_unary_rpc_method_handler(pass_on)
        return known


async def relay(asked: argparse.Namespace) -> None:
    """Relay until the process is told to stop."""
    key, chain = asked.key.read_bytes(), asked.cert.read_bytes()
    out = grpc.ssl_channel_credentials(asked.target_roots.read_bytes(), key, chain)
    options = (("grpc.ssl_target_name_override", asked.target_name),)
    await serve(asked, Relay(grpc.aio.secure_channel(asked.target, out, options=options)))


def main() -> None:
    """``python -m bench.relay``."""
    parser = parser_of("relay", __doc__)
    parser.add_argument("--target", required=True, help="host:port to pass calls on to")
    parser.add_argument("--target-roots", type=Path, required=True)
    parser.add_argument("--target-name", required=True, help="name in the target's certificate")
    uvloop.run(relay(parser.parse_args()))


if __name__ == "__main__":
    main()
