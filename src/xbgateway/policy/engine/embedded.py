"""Real OPA inside this process: the C shared library of ``native/``, called through ctypes.

It opens no file but the library and no socket. ctypes gives up the interpreter lock during a call,
so a thread pool evaluates on every core. Go's runtime does not survive ``fork``: a process that
forks after the first load must spawn or exec, and is told so instead of hanging. There is no memory
limit per evaluation; policies not yet trusted belong into :mod:`xbgateway.policy.engine.child`.
"""

import ctypes
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.model.limits import POLICY_RESULT_BYTES_MAX
from xbgateway.policy.engine import strict_json
from xbgateway.policy.engine.capabilities import permitted
from xbgateway.policy.engine.port import (
    OPA_VERSION,
    PACKAGE,
    RULE,
    Bundle,
    decision_bytes,
    result_too_large,
)

LIBRARY = Path(__file__).parent.parent / "_native" / "libxbopa.so"
# {"result": and } around a decision.
_ENVELOPE_BYTES = 16


class Library:
    """The loaded shared library; one per process is enough, more do no harm."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Fatal(
                Reason.POLICY_UNAVAILABLE,
                "this installation has no embedded policy engine: build it with "
                "`python native/build.py`, install a wheel that has it, or configure an OPA server",
            )
        try:
            self._c = ctypes.CDLL(str(path))
        except OSError as problem:
            raise Fatal(
                Reason.POLICY_UNAVAILABLE, f"the policy engine does not load: {problem}"
            ) from problem
        self._pid = os.getpid()
        self._declare()
        about = json.loads(self._take(self._c.XbVersion()))
        self.opa_version = str(about["version"])
        self.capabilities = json.dumps(about["capabilities"]).encode()
        if self.opa_version != OPA_VERSION:
            raise Fatal(
                Reason.POLICY_UNAVAILABLE,
                f"the policy engine holds OPA {self.opa_version}, this gateway needs {OPA_VERSION}",
            )

    def prepare(self, specification: Mapping[str, object]) -> dict[str, Any]:
        """Prepare one query: ``{"handle": n}`` or ``{"error": {...}}`` (see native/engine.go)."""
        self._same_process()
        raw = json.dumps(specification, allow_nan=False).encode()
        answer: dict[str, Any] = json.loads(self._take(self._c.XbNew(raw, len(raw))))
        return answer

    def evaluate(self, handle: int, raw: bytes | None, timeout_ms: int) -> bytes:
        """Evaluate it: a JSON object with ``result``, ``bindings``, ``error`` or, undefined, {}."""
        self._same_process()
        length = -1 if raw is None else len(raw)
        return self._take(self._c.XbEval(handle, raw, length, timeout_ms))

    def release(self, handle: int) -> None:
        """Forget a prepared query. In a forked child there is nothing left to release."""
        if os.getpid() == self._pid:
            self._c.XbFree(handle)

    def _declare(self) -> None:
        text, number, pointer = ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p
        self._c.XbVersion.argtypes, self._c.XbVersion.restype = [], pointer
        self._c.XbNew.argtypes, self._c.XbNew.restype = [text, number], pointer
        self._c.XbEval.argtypes = [ctypes.c_longlong, text, number, number]
        self._c.XbEval.restype = pointer
        self._c.XbFree.argtypes, self._c.XbFree.restype = [ctypes.c_longlong], None
        self._c.XbFreeStr.argtypes, self._c.XbFreeStr.restype = [pointer], None

    def _take(self, pointer: int) -> bytes:
        """Copy a returned C string and give it back to its allocator."""
        try:
            return ctypes.string_at(pointer)
        finally:
            self._c.XbFreeStr(pointer)

    def _same_process(self) -> None:
        if os.getpid() != self._pid:
            raise Fatal(
                Reason.POLICY_UNAVAILABLE,
                "the policy engine was loaded before this process was forked and cannot run here: "
                "start worker processes by spawn, or load the engine in the worker",
            )


class EmbeddedEngine:
    """The default engine. The library is loaded at the first ``load``, not at import."""

    def __init__(self, path: Path = LIBRARY) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._library: Library | None = None

    def load(self, bundle: Bundle) -> "EmbeddedSnapshot":
        """Compile a bundle. Raises Refused(POLICY_INVALID), or Fatal without a usable library."""
        library = self._loaded()
        capabilities = json.loads(permitted(library.capabilities, bundle.capabilities))
        try:
            answer = library.prepare(
                {
                    "modules": dict(bundle.modules),
                    "data": bundle.document(),
                    "query": f"data.{PACKAGE}.{RULE}",
                    "capabilities": capabilities,
                    "strict": True,
                }
            )
        except (TypeError, ValueError) as problem:
            raise Refused(
                Reason.POLICY_INVALID, f"the bundle's data have no JSON form: {problem}"
            ) from None
        if "error" in answer:
            raise _invalid(answer["error"])
        return EmbeddedSnapshot(library, int(answer["handle"]), bundle.revision)

    def check(self, bundle: Bundle) -> None:
        """Compile a bundle and drop it. Raises as ``load`` does."""
        self.load(bundle).close()

    def _loaded(self) -> Library:
        with self._lock:
            if self._library is None:
                self._library = Library(self._path)
            return self._library


class EmbeddedSnapshot:
    """One prepared query, evaluated by any number of threads at once."""

    def __init__(self, library: Library, handle: int, revision: str) -> None:
        self.revision = revision
        self.opa_version = library.opa_version
        self._library = library
        self._handle = handle
        self._lock = threading.Lock()
        self._in_flight = 0
        self._closed = False

    def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
        """See :class:`~xbgateway.policy.engine.port.Snapshot`."""
        _, canonical = strict_json.policy_input(input_bytes)
        if timeout_ms <= 0:
            raise Unavailable(Reason.POLICY_TIMEOUT, "no time was left to decide")
        self._enter()
        try:
            raw = self._library.evaluate(self._handle, canonical, timeout_ms)
        finally:
            self._leave()
        return decision_bytes(_result(raw), self.revision)

    def close(self) -> None:
        """Refuse new evaluations; the last one in flight frees the handle. Harmless twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle = self._in_flight == 0
        if idle:
            self._library.release(self._handle)

    def _enter(self) -> None:
        with self._lock:
            if self._closed:
                raise Unavailable(
                    Reason.POLICY_UNAVAILABLE, "this policy revision is closed; ask the active one"
                )
            self._in_flight += 1

    def _leave(self) -> None:
        with self._lock:
            self._in_flight -= 1
            last = self._closed and self._in_flight == 0
        if last:
            self._library.release(self._handle)


def _result(raw: bytes) -> object:
    """The value of the query. Raises Unavailable: TIMEOUT, ERROR or UNDEFINED."""
    if len(raw) > POLICY_RESULT_BYTES_MAX + _ENVELOPE_BYTES and raw.startswith(b'{"result"'):
        raise result_too_large()
    try:
        answer: dict[str, Any] = json.loads(raw)
    except (ValueError, RecursionError) as problem:  # an integer or a nesting beyond all use
        raise Unavailable(
            Reason.POLICY_ERROR, f"the decision cannot be read: {type(problem).__name__}"
        ) from None
    if "error" in answer:
        error = answer["error"]
        if error["code"] == "eval_cancel_error":
            raise Unavailable(Reason.POLICY_TIMEOUT, "the policy did not decide in time")
        raise Unavailable(
            Reason.POLICY_ERROR, f"the policy failed: {error['message']}", code=error["code"]
        )
    if "result" not in answer:
        raise Unavailable(Reason.POLICY_UNDEFINED, "the policy did not come to a decision")
    return answer["result"]


def _invalid(error: Mapping[str, Any]) -> Refused:
    """The compiler's errors as one refusal that names the first one's place."""
    first = (error.get("errors") or [{}])[0]
    place = first.get("location") or {}
    return Refused(
        Reason.POLICY_INVALID,
        f"the policy does not compile: {error['message']}",
        code=str(first.get("code", error["code"])),
        file=str(place.get("file", "")),
        row=str(place.get("row", "")),
    )
