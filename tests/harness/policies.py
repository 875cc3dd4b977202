"""The real policies with few cases, for tests that break them: a whole check of them is cheap.

Every rule, table, text and Rego test is there; of each rule's cases only the first that stops
and the first other that passes, which is what a check asks for. That makes a check four times as
fast.
"""

import shutil
from pathlib import Path

import yaml
from tests.harness.facts import policy_files

from xbgateway.policy.check import acts
from xbgateway.policy.fixtures import Case, cases
from xbgateway.policy.source import default_policy_directory


def few_cases(folder: Path, whole: frozenset[str] = frozenset()) -> Path:
    """Write the policies into ``folder``; the rules in ``whole`` keep all cases, as written."""
    shutil.copytree(default_policy_directory(), folder)
    known: dict[str, list[Case]] = {}
    for case in cases(policy_files()):
        known.setdefault(case.rule, []).append(case)
    for rule in known.keys() - whole:
        stops = next(case for case in known[rule] if case.stops or acts(case))
        others = [case for case in known[rule] if case is not stops]
        other = next((case for case in others if case.passes), others[0])
        written = stops.document.value["cases"]
        kept = [one for one in written if one["name"] in (stops.name, other.name)]
        text = yaml.safe_dump({"rule": rule, "cases": kept}, sort_keys=False)
        (folder / "fixtures" / f"{rule}.yaml").write_text(text)
    return folder
