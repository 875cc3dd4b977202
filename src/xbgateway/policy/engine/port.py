"""What the gateway asks of a policy engine, and what every engine's answer must look like.

An engine loads one :class:`Bundle` into a :class:`Snapshot`; a snapshot answers canonical bytes for
canonical bytes, for ever the same. Nothing here evaluates Rego. Every engine passes its raw result
through :func:`decision_bytes`, so that one piece of code, not each engine, says what a decision is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import POLICY_INPUT_DEPTH_MAX, POLICY_RESULT_BYTES_MAX
from xbgateway.policy.engine import strict_json

# The release that decides; native/go.mod pins the same one and a test holds them together.
OPA_VERSION = "1.22.2"
PACKAGE = "xb"
RULE = "decision"
OUTCOMES = frozenset({"allow", "deny", "hold"})
# Where the loaded document names the revision, so that a decision can repeat it.
REVISION_KEY = "revision"

_REVISION = re.compile(r"[0-9a-f]{16,128}")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.rego")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One policy revision as an engine takes it.

    ``modules`` maps relative paths to Rego text; ``data`` holds the revision's tables under
    ``tables``; ``revision`` is the content hash in lower-case hex, which engines add as
    ``data.revision``; ``capabilities`` narrows OPA's built-ins further than the gateway does.
    Raises Refused(POLICY_INVALID) for a path, key or revision that no bundle may have.
    """

    modules: Mapping[str, str]
    data: Mapping[str, object]
    revision: str
    capabilities: bytes | None = None

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.revision):
            raise Refused(Reason.POLICY_INVALID, "the revision is not a hash in lower-case hex")
        if REVISION_KEY in self.data:
            raise Refused(Reason.POLICY_INVALID, f"data.{REVISION_KEY} is the engine's to set")
        for path in self.modules:
            if not _PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
                raise Refused(Reason.POLICY_INVALID, f"{path!r} is not a module path", path=path)

    def document(self) -> dict[str, object]:
        """``data`` as the policy sees it: the tables and the revision they belong to."""
        return {**self.data, REVISION_KEY: self.revision}


class Snapshot(Protocol):
    """One loaded revision, shared by all threads until it is closed."""

    @property
    def revision(self) -> str:
        """The loaded bundle's revision."""

    @property
    def opa_version(self) -> str:
        """The OPA release that decides."""

    def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
        """Answer ``data.xb.decision`` for one input, in the canonical form of ``strict_json``.

        Blocks, from any thread. Raises Unavailable with POLICY_INPUT_LIMIT, POLICY_TIMEOUT,
        POLICY_ERROR, POLICY_UNDEFINED, POLICY_STALE or POLICY_UNAVAILABLE; never guesses.
        """

    def close(self) -> None:
        """Give the revision back once the last evaluation in flight has ended."""


class Engine(Protocol):
    """A way of running OPA."""

    def load(self, bundle: Bundle) -> Snapshot:
        """Compile and hold a revision.

        Raises Refused(POLICY_INVALID) for a bundle that does not compile, Unavailable when the
        engine cannot take it now.
        """


def decision_bytes(result: object, revision: str) -> bytes:
    """Turn the value of ``data.xb.decision`` into the canonical bytes of a decision.

    Raises Unavailable: POLICY_UNDEFINED unless it is an object whose ``decision`` is allow, deny or
    hold; POLICY_STALE unless its ``revision`` is the loaded one; POLICY_ERROR for a value outside
    strict JSON or beyond the size limit.
    """
    outcome = result.get("decision") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise Unavailable(Reason.POLICY_UNDEFINED, "the policy did not come to a decision")
    said = result.get(REVISION_KEY)
    if said != revision:
        raise Unavailable(
            Reason.POLICY_STALE,
            "another policy revision than the loaded one decided",
            loaded=revision,
            decided=str(said)[:128],
        )
    written = strict_json.canonical(
        result, depth_max=POLICY_INPUT_DEPTH_MAX, reason=Reason.POLICY_ERROR
    )
    if len(written) > POLICY_RESULT_BYTES_MAX:
        raise result_too_large()
    return written


def result_too_large() -> Unavailable:
    """The error for a decision beyond the limit, the same from every engine."""
    return Unavailable(
        Reason.POLICY_ERROR, f"the decision is larger than {POLICY_RESULT_BYTES_MAX} bytes"
    )
