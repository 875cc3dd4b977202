"""Where the policy files come from: a directory read once into a mapping of path to bytes.

It never interprets a file. A wheel carries the policies as ``xbgateway/policies``; a source tree
has them at its top.
"""

from collections.abc import Mapping
from pathlib import Path

from xbgateway.model.errors import Reason, Refused

# One policy file; the largest today, the capabilities, has 130 kB.
FILE_BYTES_MAX = 1024 * 1024
SUFFIXES = frozenset({".rego", ".yaml", ".json"})

Files = Mapping[str, bytes]


def default_policy_directory() -> Path:
    """The policies that came with this installation, or those of the source tree it runs from.

    Raises Refused(POLICY_INVALID) where neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "policies", package.parent.parent / "policies"):
        if (candidate / "decision.rego").is_file():
            return candidate
    raise Refused(
        Reason.POLICY_INVALID,
        "this installation has no policies; name a directory that holds decision.rego",
    )


def read_policy_directory(directory: Path) -> dict[str, bytes]:
    """Read every policy file below ``directory``: relative POSIX path to content.

    Raises Refused(POLICY_INVALID) for a directory that cannot be read or a file that is too large.
    """
    try:
        found = sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES)
        files: dict[str, bytes] = {}
        for path in found:
            if not path.is_file():
                continue
            name = path.relative_to(directory).as_posix()
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Refused(
                    Reason.POLICY_INVALID,
                    f"{name} is larger than {FILE_BYTES_MAX} bytes",
                    file=name,
                )
            files[name] = path.read_bytes()
    except OSError as problem:
        raise Refused(
            Reason.POLICY_INVALID, f"the policy directory cannot be read: {problem}"
        ) from problem
    if not files:
        raise Refused(Reason.POLICY_INVALID, f"{directory} holds no policy files")
    return files
