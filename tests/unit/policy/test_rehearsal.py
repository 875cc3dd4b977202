"""What may be offered as a folder of policies, before anything of it is run."""

import pytest

from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.rehearsal import FILES_MAX, check_files
from xbgateway.policy.source import FILE_BYTES_MAX


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"../outside.yaml": b""},
        {"/etc/rules.yaml": b""},
        {"a/../b.yaml": b""},
        {"a//b.yaml": b""},
        {"a\\b.yaml": b""},
        {"a\nb.yaml": b""},
        {"run.sh": b""},
        {"large.yaml": b" " * (FILE_BYTES_MAX + 1)},
        {f"{n}.yaml": b"" for n in range(FILES_MAX + 1)},
    ],
    ids=lambda files: next(iter(files), "none")[:12],
)
def test_what_is_no_folder_of_policies_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(Refused) as caught:
        check_files(files)
    assert caught.value.reason is Reason.POLICY_INVALID


def test_a_folder_is_taken() -> None:
    check_files({"decision.rego": b"package xb", "tables/thresholds.yaml": b"table: x"})
