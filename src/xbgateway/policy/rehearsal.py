"""A proposed revision, checked in a process of its own before anybody may put it into use.

Compiling and running what somebody sent can take seconds, memory, or the process with it: so the
very command that officers use, ``xbgateway policy check``, runs on a copy of the files, under a
memory limit, and dies with the node.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.policy.engine.launch import bounded
from xbgateway.policy.source import FILE_BYTES_MAX, SUFFIXES, Files

FILES_MAX = 2000
_MEMORY_BYTES_MAX = 2 * 1024**3
_TIMEOUT_S = 300.0
_UNSOUND = 3  # docs/cli.md


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was checked, and what was left out for lack of the opa binary."""

    checked: tuple[str, ...]
    skipped: tuple[str, ...]


def check_files(files: Files) -> None:
    """Names and sizes of the files of a folder. Raises ``Refused(POLICY_INVALID)``."""
    if not files or len(files) > FILES_MAX:
        raise Refused(Reason.POLICY_INVALID, f"a revision has 1 to {FILES_MAX} files")
    for name, content in files.items():
        path = PurePosixPath(name)
        plain = name.isascii() and name.isprintable() and "\\" not in name
        if not plain or path.is_absolute() or ".." in path.parts or str(path) != name:
            raise Refused(Reason.POLICY_INVALID, f"{name[:100]!r} is not a path below a folder")
        if path.suffix not in SUFFIXES:
            kinds = ", ".join(sorted(SUFFIXES))
            raise Refused(Reason.POLICY_INVALID, f"{name} is none of {kinds}", file=name)
        if len(content) > FILE_BYTES_MAX:
            raise Refused(
                Reason.POLICY_INVALID, f"{name} is larger than {FILE_BYTES_MAX} bytes", file=name
            )


def rehearse(files: Files) -> Rehearsed:
    """Check a folder's files. Blocks for seconds.

    Raises ``Refused(POLICY_INVALID)`` with file, line and reason of the first problem and how many
    there are; ``Unavailable(POLICY_UNAVAILABLE)`` where the check did not come to an end.
    """
    check_files(files)
    with tempfile.TemporaryDirectory(prefix="xbgateway-") as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return _judged(*_run(("policy", "check", folder, "--output", "json")))


def _run(arguments: Sequence[str]) -> tuple[int, str]:
    command = bounded(_MEMORY_BYTES_MAX, sys.executable, "-m", "xbgateway", *arguments)
    try:
        done = subprocess.run(  # noqa: S603 - our own program, with a folder that we made
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(Reason.POLICY_UNAVAILABLE, f"the check did not end: {error}") from error
    return done.returncode, done.stdout


def _judged(code: int, told: str) -> Rehearsed:
    if code not in (0, _UNSOUND):
        raise Unavailable(Reason.POLICY_UNAVAILABLE, f"the check ended with {code}")
    report = json.loads(told)
    if report["ok"]:
        return Rehearsed(tuple(report["done"]), tuple(report["skipped"]))
    first, *others = report["problems"]
    where = f"{first['file']}:{first['line']}: " if first["file"] else ""
    more = f" (and {len(others)} problems more)" if others else ""
    raise Refused(
        Reason.POLICY_INVALID,
        f"{where}{first['reason']}{more}",
        file=first["file"],
        line=str(first["line"]),
    )
