"""A server that speaks HTTP and misbehaves as told, to try what a real OPA does not do on order."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from xbgateway.policy.engine import Address

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass(slots=True)
class Wire:
    """Where it listens, and each request it saw: method, path, headers, body."""

    address: Address
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def misbehaving(behaviour: Behaviour) -> Iterator[Wire]:
    wire = Wire(Address())

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            wire.seen.append((self.command, self.path, dict(self.headers), body))
            try:
                behaviour(self, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  http.server names them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    wire.address = Address("127.0.0.1", server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
