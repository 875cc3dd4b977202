"""Which tests run here and beside each other, and what is said at the end.

Outside tools are skipped visibly where they are missing, and are an error in CI. Two workers
(``-n 2``) take whole modules, so that what a module makes once is made once; ``ALONE`` is one unit,
so that no two tests that start nodes or measure time closely run at once.
"""

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import postgres as servers
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TOOL_DIRECTORIES = [str(Path.home() / "go" / "bin"), "/usr/local/go/bin"]
os.environ["PATH"] = os.pathsep.join([*TOOL_DIRECTORIES, os.environ.get("PATH", "")])
ALONE = ("tests/process/", "tests/cli/test_live.py", "tests/contract/test_server_traps.py")
MISSING = "outside tool missing: "

_seconds: dict[str, float] = defaultdict(float)
_tests: Counter[str] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long counts by default, and tests whose tool is not installed."""
    run_long = config.getoption("-m") != ""
    for item in items:
        if item.get_closest_marker("long") and not run_long:
            item.add_marker(pytest.mark.skip(reason="full counts: make test-long"))
        for marker in item.iter_markers("tool"):
            name = str(marker.args[0])
            if shutil.which(name) is None and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason=MISSING + name))
    # The longest unit first: the other worker takes the rest meanwhile.
    items.sort(key=lambda item: not item.nodeid.startswith(ALONE))


class Modules(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out modules, and ``ALONE`` as one. (``loadgroup`` loses its groups under pytest 9.)"""

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.startswith(ALONE) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Modules:
    """What pytest-xdist asks for, once, under ``-n``."""
    return Modules(config, log)


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


@pytest.fixture(scope="session", name="postgres")
def _postgres() -> Iterator[servers.Server]:
    """A real server, made when the first test asks for it."""
    with servers.running() as server:
        yield server
