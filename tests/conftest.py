"""Outside tools are skipped visibly where they are missing, and are an error in CI."""

import os
import shutil
from pathlib import Path

import pytest

TOOL_DIRECTORIES = [str(Path.home() / "go" / "bin"), "/usr/local/go/bin"]
os.environ["PATH"] = os.pathsep.join([*TOOL_DIRECTORIES, os.environ.get("PATH", "")])

_missing: dict[str, int] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long counts by default, and tests whose tool is not installed."""
    run_long = config.getoption("-m") != ""
    for item in items:
        if item.get_closest_marker("long") and not run_long:
            item.add_marker(pytest.mark.skip(reason="full counts: make test-long"))
        for marker in item.iter_markers("tool"):
            name = str(marker.args[0])
            if shutil.which(name) is None:
                _missing[name] = _missing.get(name, 0) + 1
                if os.environ.get("CI") != "true":
                    item.add_marker(pytest.mark.skip(reason=f"outside tool missing: {name}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In CI a missing tool is a failure, not a skip."""
    for marker in item.iter_markers("tool"):
        if shutil.which(str(marker.args[0])) is None:
            pytest.fail(f"CI needs the outside tool {marker.args[0]!r}; see .ci/run")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every missing tool and how many tests wait for it."""
    for name, count in sorted(_missing.items()):
        terminalreporter.write_line(f"outside tool missing: {name} ({count} tests need it)")
