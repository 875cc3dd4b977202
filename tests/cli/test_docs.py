"""The page says what the commands say; every listing gives valid JSON."""

import subprocess
import sys
from pathlib import Path

from tests.cli.live import ROOT, environment

from xbgateway.cli.ending import ENDINGS, Ending


def test_the_page_has_the_help_of_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_cli_doc.py", "--check"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_exit_code_is_documented_for_users_and_operators() -> None:
    assert set(ENDINGS) == set(Ending)
    operators = (ROOT / "docs" / "operators.md").read_text()
    for code in Ending:
        assert f"| {int(code)} |" in operators


def test_pages_name_only_commands_that_exist() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    told = [ROOT / "docs" / "operators.md", *sorted((ROOT / "docs" / "runbook").glob("*.md"))]
    assert len(told) > 3
    for file in told:
        for command in _commands(file):
            assert f"`xbgateway {command}`" in page, f"{file.name}: {command}"


def _commands(file: Path) -> list[str]:
    nouns = {"certs", "keys", "register", "party", "token", "exchange", "log", "policy", "decision"}
    found = []
    for line in file.read_text().splitlines():
        words = line.removeprefix("$ ").split()
        if words[:1] == ["xbgateway"] and len(words) > 1:
            found.append(" ".join(words[1:3] if words[1] in nouns else words[1:2]))
    return found
