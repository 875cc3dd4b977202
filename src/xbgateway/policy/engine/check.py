"""Compile a bundle with the ``opa`` binary, for installations whose engine is an OPA server.

It runs nothing of the policy: ``opa check`` parses, type-checks and holds the modules to strict
mode and to the permitted built-ins, in a process of its own with a time limit.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.policy.engine.bundle import bundle_files
from xbgateway.policy.engine.capabilities import permitted
from xbgateway.policy.engine.port import OPA_VERSION, Bundle

CHECK_TIMEOUT_S = 60.0


class OpaCheck:
    """Call it with a bundle: it returns, or raises Refused(POLICY_INVALID)."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        version = self._run("version").stdout.decode()
        if f"Version: {OPA_VERSION}\n" not in version:
            raise Fatal(
                Reason.POLICY_UNAVAILABLE, f"{binary} is not OPA {OPA_VERSION}: {version[:60]!r}"
            )
        self._capabilities = self._run("capabilities", "--current").stdout

    def __call__(self, bundle: Bundle) -> None:
        """Compile it, in strict mode and with the permitted built-ins only."""
        capabilities = permitted(self._capabilities, bundle.capabilities)
        with tempfile.TemporaryDirectory(prefix="xb-check-") as folder:
            root = Path(folder) / "bundle"
            for path, raw in bundle_files(bundle).items():
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(raw)
            limits = Path(folder) / "capabilities.json"
            limits.write_bytes(capabilities)
            done = self._run(
                *("check", "--strict", "--format", "json", "--capabilities", str(limits)),
                *("--bundle", str(root)),
            )
        if done.returncode != 0:
            raise _invalid(done.stderr or done.stdout, f"{root}/")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603  our configured binary, our arguments
                [str(self._binary), *arguments],
                capture_output=True,
                check=False,
                timeout=CHECK_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(
                Reason.POLICY_TIMEOUT, f"opa {arguments[0]} took over {CHECK_TIMEOUT_S:.0f} s"
            ) from None
        except OSError as problem:
            raise Fatal(
                Reason.POLICY_UNAVAILABLE, f"{self._binary} does not run: {problem}"
            ) from problem


def _invalid(output: bytes, prefix: str) -> Refused:
    """``opa check``'s JSON errors as one refusal that names the first one's place."""
    try:
        errors = json.loads(output)["errors"]
        first = errors[0]
        message = "; ".join(str(error["message"]) for error in errors)
    except (ValueError, LookupError, TypeError):
        return Refused(
            Reason.POLICY_INVALID,
            f"the policy does not compile: {output.decode(errors='replace')[:2000]}",
        )
    place = first.get("location") or {}
    return Refused(
        Reason.POLICY_INVALID,
        f"the policy does not compile: {message.replace(prefix, '')}",
        code=str(first.get("code", "")),
        file=str(place.get("file", "")).removeprefix(prefix),
        row=str(place.get("row", "")),
    )
