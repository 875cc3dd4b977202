"""The house rules that no linter knows (CONTRIBUTING.md, *House style*), held mechanically.

Each test lists every place that breaks its rule. What is generated is left out.
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from xbgateway.model.errors import Reason

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "xbgateway"
GENERATED = SOURCE / "api"
# Never committed, or not ours.
SKIPPED = {".git", ".venv", "__pycache__", "certs-dev", "var", "build", "dist", "_native", "vendor"}

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400
COLUMNS_MAX = 100
MODULES = {".py", ".go", ".rego"}
CODE = {*MODULES, ".sh", ".proto"}

BANNED = {"manager", "handler", "helper", "util", "utility", "common", "base", "data"}
PLURALS = {"managers", "handlers", "helpers", "utils", "utilities", "bases"}
# Put together here, so that this page does not find itself.
MARKS = re.compile(
    "|".join(
        (
            r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b",
            r"\bNotImplemented" + r"Error\b",
            r"(?i:\bnot implemented\b|\bplaceholder" + r"\b)",
        )
    )
)
MACHINE = re.compile(r"(?<![\w.])/(work|farm|root|home|Users)/" + r"[a-z.]")
HOSTS = re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", r"(proxy|sum)" + r"\.golang")))
SECRETS = re.compile(
    r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----" + r"|xbg-(seal-seed|rest-key)-1 [0-9a-f]{64}"
)
# With its content: to name the form is no certificate.
CERTIFICATES = re.compile(r"-----BEGIN CERTIFICATE-----\W*(\\n)?\W*[A-Za-z0-9+/]{40}")
PRAGMAS = re.compile(r"\s+# (noqa: |type: ignore\[|fmt: ).*")
BARE_EXCUSES = re.compile(r"#\s*(noqa|type:\s*ignore)" + r"(?!\S*[:\[])")

ADR_PARTS = (
    "## Context and problem statement",
    "## Considered options",
    "## Decision outcome",
    "### Consequences",
    "### Confirmation",
)
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project that a person wrote."""
    return tuple(sorted(_walk(ROOT)))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path == GENERATED or path.name in SKIPPED or path.name.endswith("_cache"):
            continue
        if path.is_dir():
            if path.name != ".hypothesis":
                yield from _walk(path)
        elif path.name != "LICENSE":
            yield path


def modules(*below: Path) -> list[Path]:
    places = below or (ROOT,)
    return [p for p in files() if p.suffix == ".py" and any(p.is_relative_to(b) for b in places)]


@cache
def text(path: Path) -> str:
    """The file's text, empty for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), str(path))


def where(path: Path, line: int = 0) -> str:
    place = str(path.relative_to(ROOT))
    return f"{place}:{line}" if line else place


def found(pattern: re.Pattern[str], paths: Iterable[Path]) -> list[str]:
    """Every line that the pattern finds."""
    return [
        f"{where(path, number)}: {line.strip()[:120]}"
        for path in paths
        if pattern.search(text(path))
        for number, line in enumerate(text(path).splitlines(), start=1)
        if pattern.search(line)
    ]


def none(places: Iterable[str]) -> None:
    listed = list(places)
    assert not listed, f"{len(listed)} places:\n" + "\n".join(listed)


def test_the_walk_sees_the_project() -> None:
    seen = {where(path) for path in files()}
    assert {"pyproject.toml", "src/xbgateway/model/errors.py", "tests/test_tidy.py"} <= seen
    assert not any(place.startswith(("src/xbgateway/api/", ".venv/")) for place in seen)


def test_functions_fit_on_a_page() -> None:
    none(
        f"{where(path, node.lineno)}: {node.name} has {lines} lines"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    )


def test_modules_are_short() -> None:
    none(
        f"{where(path)}: {lines} lines"
        for path in files()
        if path.suffix in MODULES and (lines := text(path).count("\n")) > MODULE_LINES_MAX
    )


def test_lines_are_short() -> None:
    none(
        f"{where(path, number)}: {columns} columns"
        for path in files()
        if path.suffix in CODE or path.name == "Makefile"
        for number, line in enumerate(text(path).splitlines(), start=1)
        if (columns := len(PRAGMAS.sub("", line).expandtabs(4))) > COLUMNS_MAX
    )


def test_nothing_has_a_name_that_says_nothing() -> None:
    none(
        f"{where(path)}: {name}"
        for path in modules()
        for name in _names(path)
        if set(_words(name)) & (BANNED | PLURALS)
    )


def _names(path: Path) -> Iterator[str]:
    yield from path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            yield node.name


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def test_nothing_is_left_over() -> None:
    none(found(MARKS, (p for p in files() if p.suffix in {*CODE, ".yaml", ".json", ".toml"})))


def test_no_failure_is_swallowed() -> None:
    none(
        f"{where(path, node.lineno)}: {ast.unparse(node).splitlines()[0]}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler | ast.Call) and _swallows(node)
    )


def _swallows(node: ast.ExceptHandler | ast.Call) -> bool:
    broad = {"Exception", "BaseException"}
    if isinstance(node, ast.ExceptHandler):
        caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {}
        idle = all(
            isinstance(one, ast.Pass | ast.Continue)
            or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            for one in node.body
        )
        return idle and (node.type is None or bool(broad & set(caught)))
    suppresses = ast.unparse(node.func).endswith("suppress")
    return suppresses and any(isinstance(one, ast.Name) and one.id in broad for one in node.args)


def test_only_the_edges_print() -> None:
    edges = (SOURCE / "cli", SOURCE / "demo")
    none(
        where(path, node.lineno)
        for path in modules(SOURCE)
        if not any(path.is_relative_to(edge) for edge in edges)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "breakpoint"}
    )


def test_excuses_name_their_rule() -> None:
    none(found(BARE_EXCUSES, modules()))


def test_no_machine_is_named() -> None:
    none(found(MACHINE, files()))


def test_no_registry_is_named() -> None:
    none(found(HOSTS, files()))


def test_no_key_or_certificate_is_kept() -> None:
    none(found(SECRETS, files()))
    none(where(path) for path in files() if CERTIFICATES.search(text(path)))


def test_requirements_and_code_name_each_other() -> None:
    spec = "\n".join(text(p) for p in files() if p.is_relative_to(ROOT / "docs" / "spec"))
    stated = Counter(re.findall(r"\*\*(REQ-[A-Z]+-\d+)\*\*", spec))
    assert stated, "docs/spec states no requirement"
    code = "\n".join(text(p) for p in modules(SOURCE, ROOT / "native"))
    tests = "\n".join(text(p) for p in modules(ROOT / "tests"))
    carried = set(re.findall(r"\bREQ-[A-Z]+-\d+\b", code))
    tested = set(re.findall(r"\bREQ-[A-Z]+-\d+\b", tests))
    none(
        [f"{tag} is stated {times} times" for tag, times in stated.items() if times > 1]
        + [f"{tag} is not in the code" for tag in sorted(set(stated) - carried)]
        + [f"{tag} is in no page of docs/spec" for tag in sorted((carried | tested) - set(stated))]
    )


def test_requirement_tags_have_numbers() -> None:
    none(found(re.compile(r"\bREQ-[A-Z]+\b(?!-\d)"), modules(SOURCE, ROOT / "native")))


def test_every_reason_is_given_somewhere() -> None:
    vocabulary = {
        SOURCE / "model" / f"{name}.py" for name in ("errors", "reasons", "reasons_inside")
    }
    code = "\n".join(text(p) for p in modules(SOURCE) if p not in vocabulary)
    given = set(re.findall(r"\bReason\.([A-Z_]+)\b", code))
    none(f"{reason.name} is never given" for reason in Reason if reason.name not in given)


def test_decisions_are_written_down_in_full() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [page.name.partition("-")[0] for page in pages]
    assert numbers == [f"{n:04}" for n in range(1, len(pages) + 1)]
    none(_adr_faults(pages))


def _adr_faults(pages: list[Path]) -> Iterator[str]:
    for page in pages:
        lines = text(page).splitlines()
        if not lines[0].startswith(f"# {page.name[:4]} · "):
            yield f"{where(page)}: its title does not begin with its number"
        status = r"Status: (proposed|accepted|superseded by \d{4}) · Date: \d{4}-\d\d-\d\d"
        if not re.fullmatch(status, lines[2]):
            yield f"{where(page)}: no status and date"
        headings = tuple(line for line in lines if line.startswith("##"))
        if headings != ADR_PARTS:
            yield f"{where(page)}: its parts are {headings}"


def test_the_changelog_is_in_form() -> None:
    lines = text(ROOT / "CHANGELOG.md").splitlines()
    assert lines[0] == "# Changelog"
    releases = [line for line in lines if line.startswith("## ")]
    form = r"## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d|unreleased)"
    versions = [found[1] for line in releases if (found := re.fullmatch(form, line))]
    assert len(versions) == len(releases)
    assert not any(line.endswith("unreleased") for line in releases[1:])
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    assert versions[0] == project["version"]
    kinds = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert kinds
    assert set(kinds) <= CHANGES
