"""``opa-python-client`` with a transport that is safe to ask for decisions.

The client takes its transport from ``_init_session``; the one here ignores the environment
(proxies, ``.netrc``; ``REQUESTS_CA_BUNDLE`` would override a pinned CA), never retries, follows no
redirect, reads no more than a decision may have, and gives up an answer that trickles past its
deadline. One client serves one thread at a time: its timeout is an attribute.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from ssl import TLSVersion
from typing import Any

import requests
from opa_client.opa import OpaClient
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from xbgateway.model.limits import POLICY_RESULT_BYTES_MAX
from xbgateway.policy.engine.address import Address

# A decision in its envelope with provenance, or OPA's error with its stack trace.
ANSWER_BYTES_MAX = POLICY_RESULT_BYTES_MAX + 64 * 1024
_CHUNK_BYTES = 64 * 1024


class AnswerTooLarge(requests.RequestException):
    """The server's answer went beyond ANSWER_BYTES_MAX; reading stopped there."""


class PinnedOpaClient(OpaClient):  # type: ignore[misc]
    """The client, with our session in place of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        tls = address.tls
        super().__init__(
            host=address.host,
            port=address.port,
            ssl=str(tls.ca) if tls else False,
            cert=(str(tls.certificate), str(tls.key)) if tls and tls.certificate else None,
            token=address.token,
            retries=0,
        )

    def _init_session(self) -> requests.Session:
        session = _DecisionSession()
        session.headers.update(self.headers or {})
        if self._address.unix_socket is not None:
            session.mount("http://", _UnixAdapter(self._address.unix_socket))
        else:
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.mount("https://", _Tls13Adapter(max_retries=0))
        if self._address.tls is not None:
            session.verify = str(self._address.tls.ca)
            session.cert = self.cert
        return session


class _DecisionSession(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def request(  # type: ignore[override]
        self, method: str, url: str, *, timeout: float, **rest: Any
    ) -> requests.Response:
        """Send once and read all, within ``timeout`` seconds for the whole."""
        deadline = time.monotonic() + timeout
        rest |= {"stream": True, "allow_redirects": False}
        response = super().request(method, url, timeout=timeout, **rest)
        try:
            # Where requests keeps a body once it is read.
            response._content = _read(response, deadline)  # noqa: SLF001
        except BaseException:
            response.close()  # drops the connection, and with it the server's evaluation
            raise
        return response


def _read(response: requests.Response, deadline: float) -> bytes:
    """All of the body, looking at size and clock after each piece that arrives."""
    content = bytearray()
    while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            raise AnswerTooLarge(f"answer beyond {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise requests.ReadTimeout("the answer trickled past the deadline")
    return bytes(content)


class _Tls13Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_minimum_version=TLSVersion.TLSv1_3, **kwargs)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
            made.connect(str(self._path))
        except BaseException:
            made.close()
            raise
        return made


class _UnixPool(HTTPConnectionPool):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", maxsize=1)
        self._path = path

    def _new_conn(self) -> HTTPConnection:
        self.num_connections += 1
        timeout = self.timeout.connect_timeout
        return _UnixConnection(self._path, timeout if isinstance(timeout, int | float) else 1.0)


class _UnixAdapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        self._unix = _UnixPool(path)
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,  # noqa: ARG002
        verify: Any,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
    ) -> HTTPConnectionPool:
        return self._unix

    def close(self) -> None:
        self._unix.close()
        super().close()
