"""OPA's own conformance cases, about 2,400, through the shared library: the library is OPA."""

import multiprocessing
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.contract import conformance

from xbgateway.policy.engine import OPA_VERSION

NATIVE = Path(__file__).parents[2] / "native"
OPA = "github.com/open-policy-agent/opa"


def test_go_mod_pins_the_release_the_gateway_asks_for() -> None:
    pinned = re.search(rf"^require {OPA} v(\S+)$", (NATIVE / "go.mod").read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == OPA_VERSION


@pytest.mark.tool("go")
def test_every_conformance_case_of_opa_passes() -> None:
    found = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", OPA],
        cwd=NATIVE,
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=True,
    )
    root = Path(found.stdout.strip()) / "v1" / "test" / "cases" / "testdata" / "v1"
    # Own process: the cases carry policies that OPA itself calls bad.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        report = pool.apply(conformance.run, (root,))
    assert report["failures"] == {}
    assert report["verdicts"]["pass"] > 2300
    assert set(conformance.SKIPPED_CASES) <= set(report["skips"])
    assert sum(report["skips"].values()) < 10
