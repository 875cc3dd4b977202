"""Where declarations of case types come from: a folder, read once.

A wheel carries ours as ``xbgateway/case_types``; a source tree has them in ``cases/`` at its top.
"""

from pathlib import Path

from xbgateway.cases import CaseType, load_types
from xbgateway.model.errors import Reason, Refused


def default_case_folder() -> Path:
    """The declarations that came with this installation. Raises ``Refused(CASE_TYPE_INVALID)``."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "case_types", package.parent.parent / "cases"):
        if candidate.is_dir():
            return candidate
    raise Refused(Reason.CASE_TYPE_INVALID, "this installation has no case types; name a folder")


def case_types(folder: Path | None = None) -> tuple[CaseType, ...]:
    """Every declaration (``*.yaml``) of a folder. Raises ``Refused(CASE_TYPE_INVALID)``."""
    folder = folder or default_case_folder()
    try:
        found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}
    except OSError as error:
        raise Refused(
            Reason.CASE_TYPE_INVALID, f"the folder of case types cannot be read: {error}"
        ) from error
    return load_types(found)
