"""Which of OPA's built-ins a policy may use: those whose answer depends on their operands only.

It reads OPA's own list, so that a built-in added by a later release is judged by OPA's own mark.
"""

import json
from typing import Any

from xbgateway.model.errors import Reason, Refused

# OPA does not mark these, yet they read the clock, the process or the place a rule was parsed at.
UNMARKED = frozenset(
    {
        "crypto.x509.parse_and_verify_certificates",
        "crypto.x509.parse_and_verify_certificates_with_options",
        "print",
        "trace",
    }
)


def permitted(current: bytes, narrowed: bytes | None) -> bytes:
    """The capabilities to compile with, as JSON.

    ``current`` is the engine's own full list, ``narrowed`` the revision's wish: it can take
    built-ins away, never bring one back. Raises Refused(POLICY_INVALID) for a malformed wish.
    """
    full: dict[str, Any] = json.loads(current)
    allowed = [
        builtin
        for builtin in full["builtins"]
        if not builtin.get("nondeterministic") and builtin["name"] not in UNMARKED
    ]
    if narrowed is not None:
        wished = _names(narrowed)
        allowed = [builtin for builtin in allowed if builtin["name"] in wished]
    return json.dumps({**full, "builtins": allowed, "allow_net": []}).encode()


def _names(narrowed: bytes) -> set[str]:
    try:
        return {str(builtin["name"]) for builtin in json.loads(narrowed)["builtins"]}
    except (ValueError, KeyError, TypeError):
        raise Refused(
            Reason.POLICY_INVALID, "the bundle's capabilities are not an OPA capabilities file"
        ) from None
