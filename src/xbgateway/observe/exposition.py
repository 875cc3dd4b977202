"""A small HTTP server for operators: ``/metrics``, ``/healthz``, ``/readyz``; loopback by default.

It runs on a daemon thread, outside the event loop, so that it answers when the loop does not. It
serves nothing else, takes no input, and has no TLS: put it where only the monitoring can reach it.
"""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

# A scraper that stalls may not hold a thread for longer.
_CLIENT_TIMEOUT_S = 5.0
_STOP_S = 5.0

Readiness = Callable[[], str | None]  # None when ready, otherwise one sentence why not


class Exposition:
    """Serves until closed. A context manager; :attr:`port` tells which port was taken for 0."""

    def __init__(
        self,
        registry: CollectorRegistry,
        ready: Readiness,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Raises ``OSError`` where the address is not to be had."""
        self._server = _server(registry, ready, host, port)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.2},
            name="exposition",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; answers under way are finished or cut after a few seconds."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _server(
    registry: CollectorRegistry, ready: Readiness, host: str, port: int
) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        # On Linux this only skips TIME_WAIT; two servers still cannot share a port.
        allow_reuse_address = True
        address_family = AF_INET6 if ":" in host else AF_INET

    class Pages(BaseHTTPRequestHandler):
        timeout = _CLIENT_TIMEOUT_S
        server_version = "xbgateway"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept") or "")
                self._answer(HTTPStatus.OK, encode(registry), content_type)
            elif path == "/healthz":
                self._text(HTTPStatus.OK, "ok")
            elif path == "/readyz":
                why = _why_not(ready)
                self._text(HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK, why or "ready")
            else:
                self._text(HTTPStatus.NOT_FOUND, "no such page")

        def _text(self, status: HTTPStatus, text: str) -> None:
            self._answer(status, text.encode() + b"\n", "text/plain; charset=utf-8")

        def _answer(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Scrapes are not events."""

    return Server((host, port), Pages)


def _why_not(ready: Readiness) -> str | None:
    try:
        return ready()
    except Exception:  # noqa: BLE001 - a readiness that cannot be told is no readiness
        return "readiness cannot be told"
