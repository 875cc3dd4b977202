"""Every rule of the catalogue is written, has its cases and stands on the page of rules.

The catalogue is a list of its own (``catalogue.yaml``), so that a rule that goes missing is missed.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from tests.harness.facts import policy_files

from xbgateway.policy import lint

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
)
RULES = [rule for chapter in CATALOGUE.values() for rule in chapter]
RULES_COUNT = 118
# Rules of the project that no law and no convention of the catalogue asks for.
BESIDES = {"GW-SHAPE-1"}


@cache
def noted() -> frozenset[str]:
    """The ids in the annotations of the policies."""
    found, problems = lint.rule_metadata(policy_files())
    assert problems == []
    return frozenset(one.id for one in found)


@cache
def page() -> str:
    return (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def in_policies(rule: str) -> bool:
    return rule in noted()


def in_fixtures(rule: str) -> bool:
    return f"fixtures/{rule}.yaml" in policy_files()


def on_the_page(rule: str) -> bool:
    return f"\n### {rule} · " in page()


@pytest.mark.parametrize("stands", [in_policies, in_fixtures, on_the_page])
def test_no_rule_of_the_catalogue_is_missing(stands: Callable[[str], bool]) -> None:
    missing = [rule for rule in RULES if not stands(rule)]
    assert missing == [], f"{len(missing)} rules are not {stands.__name__}: {' '.join(missing)}"


def test_every_rule_is_of_the_catalogue_or_named_besides() -> None:
    assert noted() - set(RULES) == BESIDES


def test_the_catalogue_names_each_rule_once() -> None:
    assert len(RULES) == len(set(RULES)) == RULES_COUNT
