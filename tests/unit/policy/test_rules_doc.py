import re
import subprocess
import sys
from pathlib import Path

from tests.harness.facts import policy_files

from xbgateway.policy import lint

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_rules_is_what_the_policies_say() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_rules_doc.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_page_of_inputs_is_what_the_schema_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_inputs_doc.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_path_of_the_input_is_explained() -> None:
    assert "|  |" not in (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8")


def test_every_rule_is_on_the_page() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for rule in lint.fired_rules(policy_files()):
        assert f"\n### {rule} · " in text


def test_the_officers_page_names_every_table_and_no_other() -> None:
    text = (ROOT / "docs" / "officers.md").read_text(encoding="utf-8")
    tables_part = text.partition("### Tables\n")[2].partition("\n### ")[0]
    named = set(re.findall(r"^\| `([a-z0-9_]+)` \|", tables_part, re.MULTILINE))
    tables = {
        path.removeprefix("tables/").removesuffix(".yaml")
        for path in policy_files()
        if path.startswith("tables/")
    }
    assert named == tables
