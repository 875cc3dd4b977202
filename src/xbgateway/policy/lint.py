"""What the policies' own text must keep: ids, metadata, strict negation.

It reads Rego as OPA's parser prints it (``opa parse``) where the binary is there, and as text for
what needs no parser. It evaluates nothing.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.policy.revision import ENTRY, decides
from xbgateway.policy.source import Files

OPA_TIMEOUT_S = 120.0
_IMPORT = re.compile(r"^import rego\.v2$", re.MULTILINE)
_RULE_HEAD = re.compile(r'"rule": "([A-Z0-9-]+)"')
# What a package of rules says, each a set; empty where it has nothing to say.
SETS = frozenset({"deny", "hold", "warn", "waive", "oblige"})
_SET = re.compile(rf"^({'|'.join(sorted(SETS))}) contains ", re.MULTILINE)
_METADATA = re.compile(r"^# METADATA\n((?:#.*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a policy file."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class RuleMetadata:
    """What the annotation of a rule says."""

    id: str
    title: str
    description: str
    articles: tuple[str, ...]
    verified: bool
    file: str
    line: int


def rego_files(files: Files) -> dict[str, str]:
    """The modules, tests included, as text."""
    return {path: files[path].decode() for path in sorted(files) if path.endswith(".rego")}


def fired_rules(files: Files) -> dict[str, tuple[str, int]]:
    """Every rule id that a finding names, and where it does so first."""
    found: dict[str, tuple[str, int]] = {}
    for path, text in rego_files(files).items():
        if not decides(path):
            continue
        for match in _RULE_HEAD.finditer(text):
            found.setdefault(match[1], (path, text.count("\n", 0, match.start()) + 1))
    return found


def rule_metadata(files: Files) -> tuple[list[RuleMetadata], list[Problem]]:
    """The annotations that carry a rule id, and those that are incomplete."""
    found: list[RuleMetadata] = []
    problems: list[Problem] = []
    for path, text in rego_files(files).items():
        for match in _METADATA.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            lines = [one.removeprefix("#")[1:] for one in match[1].splitlines()]
            try:
                note = yaml.safe_load("\n".join(lines))
            except yaml.YAMLError as problem:
                problems.append(Problem(path, line, f"the metadata is not YAML: {problem}"))
                continue
            custom = note.get("custom") if isinstance(note, Mapping) else None
            if not custom:
                continue
            try:
                found.append(
                    RuleMetadata(
                        id=custom["id"],
                        title=note["title"],
                        description=" ".join(note["description"].split()),
                        articles=tuple(custom["articles"]),
                        verified=custom["verified"],
                        file=path,
                        line=line,
                    )
                )
            except (KeyError, AttributeError) as problem:
                problems.append(Problem(path, line, f"the metadata lacks {problem}"))
    return found, problems


def imports(files: Files) -> Iterator[Problem]:
    """Modules without ``import rego.v2``, whose ``not`` would be skipped on missing input."""
    for path, text in rego_files(files).items():
        if not _IMPORT.search(text):
            yield Problem(path, 1, "`import rego.v2` is missing: negation would not be strict")


def incomplete_packages(files: Files) -> Iterator[Problem]:
    """Packages of rules that lack one of the sets of ``decision.rego``, or that it does not name.

    A reference to a set that nobody defines would leave the whole decision undefined.
    """
    asked = files.get(ENTRY, b"").decode()
    for path, text in rego_files(files).items():
        given = set(_SET.findall(text))
        if not given or path.startswith("lib/") or not decides(path) or path == ENTRY:
            continue
        for lacking in sorted(SETS - given):
            yield Problem(path, 1, f"`{lacking}` is missing: the decision would be undefined")
        package = path.removesuffix(".rego").replace("/", ".")
        if f"import data.xb.{package}\n" not in asked:
            yield Problem(path, 1, f"{ENTRY} does not name the package")


def negations(files: Files, directory: Path, opa: str) -> Iterator[Problem]:
    """Negated calls on input in modules without strict negation, found in OPA's own parse.

    The import alone is the cure; this says which lines would go wrong without it. Raises
    Unavailable(POLICY_UNAVAILABLE) where ``opa`` does not run.
    """
    for path, text in rego_files(files).items():
        if _IMPORT.search(text):
            continue
        done = run_opa(
            opa, directory, "parse", path, "--format", "json", "--json-include", "locations"
        )
        if done.returncode != 0:
            yield Problem(path, 1, done.stderr.strip())
            continue
        for line in _skipped(json.loads(done.stdout).get("rules", [])):
            yield Problem(path, line, "a negated call is skipped where its input is missing")


def run_opa(opa: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the ``opa`` binary in ``directory``. Raises Unavailable(POLICY_UNAVAILABLE)."""
    try:
        return subprocess.run(  # noqa: S603  the configured binary, our arguments
            [opa, *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=OPA_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(Reason.POLICY_UNAVAILABLE, f"opa does not run: {problem}") from None


def _skipped(rules: Any) -> Iterator[int]:
    """Lines of negated calls whose arguments are references to documents."""
    pending = [rules]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            terms = node.get("terms")
            if node.get("negated") and isinstance(terms, list) and _refers(terms[1:]):
                yield int(node["location"]["row"])
            pending.extend(node.values())


def _refers(terms: list[Any]) -> bool:
    return '"type": "ref"' in json.dumps(terms)
