"""An OPA server as the engine, over a unix socket, TCP or TLS, through ``opa-python-client``.

The server gets revisions as bundles only, published where it watches; text is never uploaded to it.
What it answers is believed only with the right OPA release and revision in the provenance *and* the
revision inside the decision: a server that lags, was rolled back or serves other bundles denies.
It needs to permit ``POST /v1/data/xb/decision`` and ``POST /v1/data/revision``, nothing else.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.policy.engine import strict_json
from xbgateway.policy.engine.address import Address
from xbgateway.policy.engine.port import (
    OPA_VERSION,
    PACKAGE,
    REVISION_KEY,
    RULE,
    Bundle,
    decision_bytes,
    result_too_large,
)
from xbgateway.policy.engine.transport import AnswerTooLarge, PinnedOpaClient

# A watching server takes up a replaced file in 0.1 s; one that polls a bundle service needs longer.
ACTIVATION_TIMEOUT_S = 10.0
_POLL_S = 0.05
_POLL_TIMEOUT_S = 1.0
_QUERY = {"provenance": "true"}
_MESSAGE_CHARACTERS_MAX = 500
# requests maps most of urllib3's errors, but not those of reading a body piece by piece.
_TROUBLE = (requests.RequestException, HTTPError, OSError, ValueError, RecursionError)
_TIMEOUTS = (requests.Timeout, TimeoutError, ReadTimeoutError)

Check = Callable[[Bundle], None]
Publish = Callable[[Bundle], None]


class ServerEngine:
    """Compile elsewhere, publish, then wait until the server proves that it has the revision.

    ``check`` compiles a bundle under the permitted built-ins and raises Refused(POLICY_INVALID):
    ``opa run`` itself has no capabilities switch (``OpaCheck`` or ``EmbeddedEngine.check``).
    ``publish`` puts the bundle where the server looks; without it somebody else does. Who must rely
    on signed bundles lets the server fetch them from a bundle service with a ``signing`` block:
    ``opa run --watch`` (1.22.2) verifies the first file only, not those that replace it.
    """

    def __init__(
        self,
        address: Address,
        check: Check,
        publish: Publish | None = None,
        activation_timeout_s: float | None = None,
    ) -> None:
        self._address = address
        self._check = check
        self._publish = publish
        self._activation_timeout_s = activation_timeout_s or ACTIVATION_TIMEOUT_S

    def load(self, bundle: Bundle) -> "ServerSnapshot":
        """Bring the server to a revision.

        Raises Refused(POLICY_INVALID), or Unavailable with POLICY_STALE when the server still has
        another revision at the end of the activation time, POLICY_UNAVAILABLE when it is not there.
        """
        self._check(bundle)
        if self._publish is not None:
            self._publish(bundle)
        snapshot = ServerSnapshot(self._address, bundle.revision)
        deadline = time.monotonic() + self._activation_timeout_s
        while True:
            try:
                snapshot.confirm()
            except Unavailable:
                if time.monotonic() > deadline:
                    snapshot.close()
                    raise
                time.sleep(_POLL_S)
            except BaseException:
                snapshot.close()
                raise
            else:
                return snapshot


class ServerSnapshot:
    """One revision on a server; every thread borrows a connection of its own."""

    def __init__(self, address: Address, revision: str) -> None:
        self.revision = revision
        self.opa_version = OPA_VERSION  # asserted on every answer
        self._address = address
        self._idle: queue.LifoQueue[PinnedOpaClient] = queue.LifoQueue()
        self._closed = threading.Event()

    def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
        """See :class:`~xbgateway.policy.engine.port.Snapshot`."""
        value, _ = strict_json.policy_input(input_bytes)
        if timeout_ms <= 0:
            raise Unavailable(Reason.POLICY_TIMEOUT, "no time was left to decide")
        answer = self._ask(value, timeout_ms / 1000, PACKAGE, RULE)
        if "result" not in answer:
            raise Unavailable(Reason.POLICY_UNDEFINED, "the policy did not come to a decision")
        return decision_bytes(answer["result"], self.revision)

    def confirm(self) -> None:
        """Ask for ``data.revision``, no rule. Raises Unavailable unless the revision is live."""
        answer = self._ask({}, _POLL_TIMEOUT_S, REVISION_KEY, None)
        if answer.get("result") != self.revision:
            raise _stale(self.revision, str(answer.get("result")))

    def close(self) -> None:
        """Drop the connections; those in use are dropped when their thread returns them."""
        self._closed.set()
        self._drain()

    def _ask(
        self, value: dict[str, object], timeout_s: float, package: str, rule: str | None
    ) -> dict[str, Any]:
        with self._client() as client:
            client.timeout = timeout_s
            try:
                answer = client.query_rule(value, package, rule, _QUERY)
            except requests.HTTPError as problem:
                raise _server_error(problem.response) from problem
            except _TROUBLE as problem:
                raise _unavailable(problem) from problem
        if not isinstance(answer, dict):
            raise Unavailable(Reason.POLICY_ERROR, "the OPA server's answer is not an object")
        self._check_provenance(answer.get("provenance"))
        return answer

    def _check_provenance(self, said: object) -> None:
        provenance: dict[str, Any] = said if isinstance(said, dict) else {}
        version = provenance.get("version")
        if version != OPA_VERSION:
            raise Unavailable(
                Reason.POLICY_UNAVAILABLE,
                f"the OPA server is release {version}, this gateway needs {OPA_VERSION}",
            )
        bundles = provenance.get("bundles")
        revisions = [b.get("revision") for b in bundles.values()] if bundles else []
        if self.revision not in revisions:
            raise _stale(self.revision, ", ".join(map(str, revisions)))

    @contextmanager
    def _client(self) -> Iterator[PinnedOpaClient]:
        if self._closed.is_set():
            raise Unavailable(
                Reason.POLICY_UNAVAILABLE, "this policy revision is closed; ask the active one"
            )
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = PinnedOpaClient(self._address)
        try:
            yield client
        finally:
            self._idle.put(client)
            if self._closed.is_set():
                self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close_connection()
            except queue.Empty:
                return


def _unavailable(problem: Exception) -> Unavailable:
    """Map whatever the client and its transport raise, in one place."""
    kind = type(problem).__name__
    if isinstance(problem, AnswerTooLarge):
        return result_too_large()
    if isinstance(problem, _TIMEOUTS) or "timed out" in str(problem):
        return Unavailable(Reason.POLICY_TIMEOUT, "the OPA server did not answer in time")
    if isinstance(problem, ValueError | RecursionError) and not isinstance(problem, OSError):
        return Unavailable(Reason.POLICY_ERROR, f"the OPA server's answer cannot be read: {kind}")
    if isinstance(problem, requests.JSONDecodeError):
        return Unavailable(Reason.POLICY_ERROR, f"the OPA server's answer cannot be read: {kind}")
    return Unavailable(
        Reason.POLICY_UNAVAILABLE, f"the OPA server cannot be reached ({kind}): {problem}"
    )


def _stale(loaded: str, found: str) -> Unavailable:
    return Unavailable(
        Reason.POLICY_STALE,
        "the OPA server does not have this policy revision",
        loaded=loaded,
        decided=found[:256],
    )


def _server_error(response: requests.Response | None) -> Unavailable:
    """Keep what OPA said, which ``raise_for_status`` alone would lose."""
    if response is None:
        return Unavailable(Reason.POLICY_UNAVAILABLE, "the OPA server failed without an answer")
    try:
        body = response.json()
        errors = body.get("errors") or [body]
        code, message = str(errors[0].get("code")), str(errors[0].get("message"))
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError):
        code, message = "", response.text
    message = message[:_MESSAGE_CHARACTERS_MAX]
    status = response.status_code
    if code == "eval_cancel_error":
        return Unavailable(Reason.POLICY_TIMEOUT, "the policy did not decide in time")
    if code.startswith("eval_") or status in (400, 500):
        return Unavailable(Reason.POLICY_ERROR, f"the policy failed: {message}", code=code)
    return Unavailable(
        Reason.POLICY_UNAVAILABLE, f"the OPA server answered {status}: {message}", code=code
    )
