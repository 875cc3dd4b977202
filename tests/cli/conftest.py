"""The command line run in this process, and a pair of stores made once for all tests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.pair import Pair, make_pair
from typer.testing import CliRunner, Result

from xbgateway.cli import app

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Made once; read only."""
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def pair(exchanged: Pair, tmp_path: Path) -> Pair:
    """A copy that a test may damage."""
    folder = tmp_path / "pair"
    shutil.copytree(exchanged.folder, folder)
    return Pair(folder, exchanged.exchange)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process."""
    for name in ("XBG_PROFILE", "XBG_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: object, **more: str) -> Result:
        return CliRunner().invoke(app, [str(one) for one in arguments], **more)  # type: ignore[arg-type]

    return invoke
