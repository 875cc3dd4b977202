"""Run OPA's own conformance cases through the shared library, in a process of their own.

A case is one YAML document with modules, data, input and what must come out. The judge follows
OPA's own runner (v1/topdown/exported_test.go): results are compared as sets of bindings.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from xbgateway.policy.engine.embedded import LIBRARY, Library

SKIPPED_CATEGORIES = {
    "netlookupipaddr": "asks a name server; no test here reaches the network",
}
SKIPPED_CASES = {
    "baseandvirtualdocs/base/virtual: conflicts": "rules over data of the same path: the library "
    "refuses them at load, as a server does; OPA's runner leaves that check out",
    "inputvalues/input set": "its input is a set, which JSON cannot say",
    "time/time caching": "needs test.sleep, a built-in of OPA's own runner",
}
TIMEOUT_MS = 10_000


class CoreLoader(yaml.CSafeLoader):
    """YAML 1.2 as OPA reads it: dates are strings, only true and false are booleans."""


CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), [*_first, ""]
    )


def cases(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each case with its category, the name of its folder."""
    for path in sorted(root.rglob("*.yaml")):
        document = yaml.load(path.read_text(encoding="utf-8"), CoreLoader)
        for case in document["cases"]:
            yield path.relative_to(root).parts[0], case


def run(root: Path) -> dict[str, Any]:
    """Run all cases: counts by verdict, and each case that did not pass, by its note."""
    library = Library(LIBRARY)
    verdicts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    skips: Counter[str] = Counter()
    for category, case in cases(root):
        reason = SKIPPED_CATEGORIES.get(category) or SKIPPED_CASES.get(str(case["note"]))
        if reason is not None:
            skips[str(case["note"])] += 1
            continue
        verdict = _verdict(library, case)
        verdicts["pass" if verdict is None else "fail"] += 1
        if verdict is not None:
            failures[str(case["note"])] = verdict
    return {"verdicts": dict(verdicts), "failures": failures, "skips": dict(skips)}


def _verdict(library: Library, case: dict[str, Any]) -> str | None:
    """None for a pass, else what was wrong."""
    results, error = _evaluate(library, case)
    wants_error = [case.get(name) for name in ("want_error", "want_error_code")]
    if any(want is not None for want in wants_error):
        if error is None:
            return "no error"
        code, message = case.get("want_error_code"), case.get("want_error")
        codes = {error["code"], *(part.get("code") for part in error.get("errors", []))}
        if code is not None and code not in codes and not message:
            return f"wanted error {code}, got {error}"
        return None if not message or message in error["message"] else f"got {error['message']}"
    if error is not None:
        return str(error)[:500]
    wanted = case.get("want_result")
    if wanted is not None:
        left, right = _rows(wanted, case), _rows(results, case)
        return None if left == right else f"wanted {left}, got {right}"
    defined = case.get("want_defined")
    return None if defined is None or defined == bool(results) else f"got {results}"


def _evaluate(
    library: Library, case: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    modules = case.get("modules") or []
    prepared = library.prepare(
        {
            "modules": {f"test-{n}.rego": text for n, text in enumerate(modules)},
            "data": case.get("data") or {},
            "query": case["query"],
            "strict_builtin_errors": bool(case.get("strict_error")),
        }
    )
    if "error" in prepared:
        return [], prepared["error"]
    raw = None
    if case.get("input_term") is not None:
        raw = _term(library, case["input_term"])
    elif "input" in case:
        raw = json.dumps(case["input"]).encode()
    try:
        answer = json.loads(library.evaluate(prepared["handle"], raw, TIMEOUT_MS))
    finally:
        library.release(prepared["handle"])
    if "error" in answer:
        return [], answer["error"]
    if "result" in answer:
        return [{}] if answer["result"] is True else [], None
    return answer.get("bindings", []), None


def _term(library: Library, term: str) -> bytes:
    """Some inputs are Rego terms; OPA itself turns them into JSON."""
    prepared = library.prepare({"modules": {}, "data": {}, "query": f"x = {term}"})
    answer = json.loads(library.evaluate(prepared["handle"], None, TIMEOUT_MS))
    library.release(prepared["handle"])
    return json.dumps(answer["bindings"][0]["x"]).encode()


def _rows(rows: list[dict[str, Any]], case: dict[str, Any]) -> list[str]:
    written = []
    for row in rows:
        kept = {
            name: _plain(value)
            for name, value in row.items()
            if not (case.get("ignore_generated_vars") and name.startswith("__"))
        }
        if case.get("sort_bindings"):
            kept = {
                name: sorted(value, key=_text) if isinstance(value, list) else value
                for name, value in kept.items()
            }
        written.append(_text(kept))
    return sorted(written)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(value: object) -> object:
    """The same number in two spellings is one number."""
    if isinstance(value, float):
        whole = math.isfinite(value) and value == int(value)
        return int(value) if whole else round(value, 12)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
