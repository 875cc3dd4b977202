"""What surrounds the code fits together: targets, lock, tools, versions, and what pages tell you.

Nothing is installed or built here; ``.ci/run`` does that from a clean clone.
"""

import hashlib
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
from packaging.requirements import Requirement
from packaging.version import Version
from tests.harness.scale import FULL, scaled

import xbgateway
from xbgateway.cli import app
from xbgateway.policy.engine.port import OPA_VERSION

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = {
    *("help", "demo", "demo-up", "test", "test-long", "check", "bench", "protos", "docs"),
    *("lock", "clean", "soak"),
}
# As published by the Apache Software Foundation.
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
LOCKED = re.compile(r"([a-z0-9][a-z0-9.-]*)==([0-9][A-Za-z0-9.]*)( ; [a-z_]+ .+)?")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "certs-dev" / "README.md"]
)


def read(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


def run(*command: str) -> str:
    # Not as a part of the make that may have started us.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def locked() -> dict[str, Version]:
    lines = [one for one in read("requirements/lock.txt").splitlines() if not one.startswith("#")]
    found = [LOCKED.fullmatch(line) for line in lines]
    assert all(found), [line for line, one in zip(lines, found, strict=True) if one is None]
    return {one[1]: Version(one[2]) for one in found if one}


# ---- make and CI ---------------------------------------------------------------------------


def test_make_lists_every_target() -> None:
    listed = {line.split()[0] for line in run("make").splitlines()}
    assert listed == TARGETS


def test_long_runs_multiply_counts_as_far_as_each_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XB_TEST_SCALE", raising=False)
    assert (scaled(50), scaled(50, most=6), scaled(0)) == (50, 50, 1)
    monkeypatch.setenv("XB_TEST_SCALE", f"{FULL:g}")
    assert (scaled(50), scaled(50, most=6)) == (1000, 300)
    assert f"XB_TEST_SCALE={FULL:g} " in read("Makefile")
    monkeypatch.setenv("XB_TEST_SCALE", "0.1")
    assert (scaled(50), scaled(50, most=6), scaled(3)) == (5, 5, 1)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_make_knows_what_to_do(target: str) -> None:
    assert run("make", "--dry-run", target).strip()


def test_the_makefile_stays_small() -> None:
    assert len(read("Makefile").splitlines()) <= 40


def test_the_contributors_page_stays_small() -> None:
    assert len(read("CONTRIBUTING.md").splitlines()) <= 60


@pytest.mark.parametrize(
    ("shell", "script"),
    [("sh", "scripts/setup.sh"), ("sh", "scripts/lock.sh"), ("sh", "scripts/tools.sh"),
     ("bash", ".ci/run")],
)  # fmt: skip
def test_shell_scripts_parse_and_stop_at_a_failure(shell: str, script: str) -> None:
    run(shell, "-n", script)
    assert re.search(r"^set -eu", read(script), re.MULTILINE)


def test_ci_can_be_started() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_an_old_python_is_refused_with_advice(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "setup.sh").write_text(read("scripts/setup.sh"))
    done = subprocess.run(
        ("sh", str(scripts / "setup.sh"), "run"),
        env={**os.environ, "PYTHON": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no Python 3.11 or later among: false" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_requires_the_tools_that_are_installed() -> None:
    installed = set(re.findall(r"^tool (\S+)", read("scripts/tools.sh"), re.MULTILINE))
    required = re.search(r"for tool in ([a-z ]+);", read(".ci/run"))
    assert required is not None
    assert set(required[1].split()) == installed
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    marked = set(re.findall(r'mark\.tool\("([a-z]+)"\)', sources))
    assert marked - installed <= {"cc", "go", "openssl"}  # which systems have


# ---- versions ------------------------------------------------------------------------------


def test_the_lock_names_no_host() -> None:
    assert locked()
    assert not re.search(r"://|@|--", read("requirements/lock.txt"))


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
)
def test_the_lock_fits_the_project(requirement: str) -> None:
    wanted = Requirement(requirement)
    name = re.sub(r"[-_.]+", "-", wanted.name).lower()
    assert name in locked(), "make lock"
    assert wanted.specifier.contains(locked()[name]), "make lock"


def test_one_version_of_the_project() -> None:
    assert xbgateway.__version__ == PROJECT["version"]


def test_one_version_of_opa() -> None:
    module = re.search(r"open-policy-agent/opa v(\S+)", read("native/go.mod"))
    tool = re.search(r"open-policy-agent/opa v(\S+)", read("scripts/tools.sh"))
    assert module is not None
    assert tool is not None
    assert module[1] == tool[1] == OPA_VERSION


def test_the_licence_is_the_whole_licence() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    assert PROJECT["license"] == "Apache-2.0"


# ---- pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    inside = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_on_pages_exist(page: Path) -> None:
    spans = re.findall(r"`([A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*)(?:::(\w+))?`", page.read_text())
    assert [span for span in spans if _is_ours(span[0]) and not _found(*span)] == []


def _is_ours(place: str) -> bool:
    """A path in this tree, by its top or by what kind of file it names."""
    tops = ("tests/", "src/", "docs/", "scripts/", "policies/", "proto/", "native/", "bench/")
    return place.startswith(tops) or place.endswith((".py", ".rego", ".go", ".proto"))


def _found(place: str, name: str) -> bool:
    """Whether a file or folder is there, named from the top or from the package, with the test."""
    for top in (ROOT, ROOT / "src" / "xbgateway"):
        if (top / place).exists():
            return not name or f"def {name}(" in (top / place).read_text()
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_pages_exist(page: Path) -> None:
    assert [line for line in _commands(page.read_text()) if _fault(line)] == []


def test_the_readme_shows_the_way_in() -> None:
    told = list(_commands(read("README.md")))
    assert "make demo" in told
    assert any(line.startswith("xbgateway ") for line in told)


def _commands(page: str) -> Iterator[str]:
    """Every line in a code block, and every code span, that calls make or xbgateway."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^ {4}\S.*\n)+", page, re.MULTILINE)
    spans = re.findall(r"`((?:make|xbgateway) [^`\n]+)`", page)
    for block in [*blocks, *spans]:
        for line in block.replace("\\\n", " ").splitlines():
            said = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if said.startswith(("make ", "xbgateway ")):
                yield said.partition(" #")[0].partition(" | ")[0].strip()


def _fault(line: str) -> str:
    """What is wrong with a command, empty if nothing."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        return next((word for word in named if word not in TARGETS), "")
    command = typer.main.get_command(app)
    options: set[str] = set()
    for word in words[1:]:
        inner = getattr(command, "commands", None)
        options |= {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        if word.startswith("-"):
            if word.partition("=")[0] not in options | {"--help"}:
                return word
        elif inner is not None:
            if word not in inner:
                return word
            command = inner[word]
    return ""
