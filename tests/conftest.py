"""Which tests run here and beside each other, and what is said at the end.

Outside tools are skipped visibly where they are missing, and are an error in CI. Two workers
(``-n 2 --dist loadgroup``) take whole modules, so that what a module makes once is made once. All
of ``process``, and the modules that start nodes or measure time closely, are one group, "alone": no
two of these run at once. It comes first, since it is the longest, then what is marked as a group.
"""

import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

TOOL_DIRECTORIES = [str(Path.home() / "go" / "bin"), "/usr/local/go/bin"]
os.environ["PATH"] = os.pathsep.join([*TOOL_DIRECTORIES, os.environ.get("PATH", "")])
HERE = Path(__file__).resolve().parent
MISSING = "outside tool missing: "

_seconds: dict[str, float] = defaultdict(float)
_tests: Counter[str] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long counts by default, and tests whose tool is not installed."""
    run_long = config.getoption("-m") != ""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            place = item.path.relative_to(HERE)
            alone = place.parts[0] == "process"
            item.add_marker(pytest.mark.xdist_group("alone" if alone else place.as_posix()))
        if item.get_closest_marker("long") and not run_long:
            item.add_marker(pytest.mark.skip(reason="full counts: make test-long"))
        for marker in item.iter_markers("tool"):
            name = str(marker.args[0])
            if shutil.which(name) is None and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason=MISSING + name))
    items.sort(key=_place_in_line)


def _place_in_line(item: pytest.Item) -> int:
    """0 for what must not wait, 1 for other marked groups, 2 for modules; else in random order."""
    marker = item.get_closest_marker("xdist_group")
    group = str(marker.args[0]) if marker else ""
    return 0 if group == "alone" else 2 if group.endswith(".py") else 1


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In CI a missing tool is a failure, not a skip."""
    for marker in item.iter_markers("tool"):
        if shutil.which(str(marker.args[0])) is None:
            pytest.fail(f"CI needs the outside tool {marker.args[0]!r}; see .ci/run")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the time of each area: the folder below ``tests``."""
    folders = report.nodeid.partition("::")[0].split("/")[1:-1]
    area = folders[0] if folders else "house"
    _seconds[area] += report.duration
    _tests[area] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the time went, and which missing tools how many tests wait for."""
    for area, seconds in sorted(_seconds.items(), key=lambda one: -one[1]):
        terminalreporter.write_line(f"{seconds:7.1f} s  {_tests[area]:5} tests  tests/{area}")
    reasons = [str(one.longrepr) for one in terminalreporter.stats.get("skipped", [])]
    waiting = Counter(text.partition(MISSING)[2].strip("')") for text in reasons if MISSING in text)
    for name, count in sorted(waiting.items()):
        terminalreporter.write_line(f"{MISSING}{name} ({count} tests need it)")
