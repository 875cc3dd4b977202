"""What every server of the benchmarks has in common: mutual TLS on one port of the loopback."""

import argparse
from pathlib import Path

import grpc
import grpc.aio


def parser_of(module: str, about: str | None) -> argparse.ArgumentParser:
    """The arguments of ``python -m bench.<module>``."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=about)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--roots", type=Path, required=True, help="of callers")
    return parser


async def serve(asked: argparse.Namespace, handler: grpc.GenericRpcHandler) -> None:
    """Serve until the process is told to stop."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    credentials = grpc.ssl_server_credentials(
        [(asked.key.read_bytes(), asked.cert.read_bytes())],
        root_certificates=asked.roots.read_bytes(),
        require_client_auth=True,
    )
    server.add_secure_port(f"127.0.0.1:{asked.port}", credentials)
    await server.start()
    await server.wait_for_termination()
