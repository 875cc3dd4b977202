"""Whether a directory may become a revision: everything behind ``xbgateway policy check``.

It only reads. What needs the ``opa`` binary is left out, visibly, where there is none; the fixtures
run on whatever engine the caller gives, and on ``opa eval`` too where the binary is there.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from xbgateway.model.errors import GatewayError
from xbgateway.policy import fixtures, lint
from xbgateway.policy.engine.bundle import bundle_files
from xbgateway.policy.engine.port import Engine, Snapshot
from xbgateway.policy.lint import Problem
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.revision import CAPABILITIES, Revision, load_revision
from xbgateway.policy.source import Files, read_policy_directory
from xbgateway.policy.texts import load_texts

# A case may take this long when it runs for the first time, on a busy machine.
CASE_TIMEOUT_MS = 5_000
# For each Rego test; by itself opa allows five seconds, too few on a busy machine.
OPA_TEST_TIMEOUT = "100s"


@dataclass(slots=True)
class Report:
    """What was checked: ``problems`` found, checks ``done``, and those ``skipped``."""

    revision: Revision | None = None
    problems: list[Problem] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything that ran found nothing."""
        return not self.problems


def check_directory(directory: Path, engine: Engine, opa: str | None = None) -> Report:
    """Check a policy directory. Never raises for what is wrong in it; the report says.

    ``opa`` is the path of the binary, or None to leave out what needs it. Raises Unavailable or
    Fatal where the engine or the binary itself does not work.
    """
    report = Report()
    try:
        files = read_policy_directory(directory)
        report.revision = load_revision(files)
    except GatewayError as problem:
        report.problems.append(_located(problem))
        return report
    report.done.append("tables and texts against their schemas")
    try:
        known = list(fixtures.cases(files))
    except GatewayError as problem:
        report.problems.append(_located(problem))
        return report
    complete = _complete(files, report.revision, known)
    _note(report, "rules, texts and fixtures belong together", complete)
    _note(report, "modes are of rules that there are", _modes(report.revision))
    _note(report, "packages are whole", lint.incomplete_packages(files))
    _note(report, "strict negation", lint.imports(files))
    if opa is None:
        report.skipped.append("opa fmt, opa check, opa test, negation lint: no opa binary")
    else:
        _with_opa(report, files, directory, opa, known)
    _on_engine(report, engine, known)
    return report


def _note(report: Report, what: str, problems: Iterator[Problem]) -> None:
    report.done.append(what)
    report.problems.extend(problems)


def _located(problem: GatewayError) -> Problem:
    """A refusal as a problem; its sentence already begins with the place."""
    file, line = problem.metadata.get("file", ""), problem.metadata.get("line", "0")
    return Problem(file, int(line), problem.sentence.removeprefix(f"{file}:{line}: "))


def _complete(files: Files, revision: Revision, known: list[fixtures.Case]) -> Iterator[Problem]:
    """Each rule has metadata, texts, a case that passes and one that stops; none is left over."""
    metadata, problems = lint.rule_metadata(files)
    yield from problems
    noted = {one.id for one in metadata}
    fired = lint.fired_rules(files)
    for rule, (file, line) in fired.items():
        if rule not in noted:
            yield Problem(file, line, f"{rule} has no metadata with its id")
        if rule not in revision.texts:
            yield Problem(file, line, f"{rule} has no text in texts/")
        own = [case for case in known if case.rule == rule]
        if not any(case.passes for case in own):
            yield Problem(file, line, f"{rule} has no fixture that passes")
        if not any(case.stops or acts(case) for case in own):
            yield Problem(file, line, f"{rule} has no fixture that it stops")
    for one in metadata:
        if one.id not in fired:
            yield Problem(one.file, one.line, f"{one.id} is noted but never fires")
    for rule, text in sorted(load_texts(files).items()):
        if rule not in fired:
            yield Problem(text.file, text.line, f"{rule} has a text but no rule")


def _modes(revision: Revision) -> Iterator[Problem]:
    """A mode is of a rule that there is."""
    for row in revision.tables.rows:
        if row.table == "rule_modes" and row.values["rule"] not in revision.texts:
            yield _located(row.refuse(f"there is no rule {row.values['rule']}"))


def acts(case: fixtures.Case) -> bool:
    """Whether the case expects its rule to say something short of stopping the transfer."""
    duties = [one for one in case.expect.get("duties", []) if case.rule in one.get("rules", [])]
    said = [*case.expect.get("warns", []), *case.expect.get("waives", [])]
    acted = case.expect.get("drop") or case.expect.get("mask")
    return bool(acted or duties or case.rule in said)


def _with_opa(
    report: Report, files: Files, directory: Path, opa: str, known: list[fixtures.Case]
) -> None:
    _note(report, "negation lint", lint.negations(files, directory, opa))
    done = lint.run_opa(opa, directory, "fmt", "--list", "--fail", ".")
    report.done.append("opa fmt")
    report.problems += [Problem(name, 1, "opa fmt -w it") for name in done.stdout.splitlines()]
    done = lint.run_opa(
        opa,
        directory,
        *("check", "--strict", "--schema", "schema", "--capabilities", CAPABILITIES, "."),
    )
    report.done.append("opa check --strict, input schema, capabilities")
    if done.returncode != 0:
        report.problems.append(Problem("", 0, done.stderr.strip() or done.stdout.strip()))
        return
    assert report.revision is not None
    with tempfile.TemporaryDirectory(prefix="xb-policy-") as folder:
        root = Path(folder)
        _write_bundle(root, files, report.revision)
        done = lint.run_opa(opa, root, "test", "--bundle", ".", "--timeout", OPA_TEST_TIMEOUT)
        report.done.append("opa test")
        if done.returncode != 0:
            report.problems.append(Problem("", 0, done.stdout.strip() or done.stderr.strip()))
        report.done.append("fixtures by opa eval")
        report.problems.extend(_fixtures(known, report.revision, _by_opa(opa, root)))


def _write_bundle(root: Path, files: Files, revision: Revision) -> None:
    """The bundle as files, with the Rego tests and the bases' inputs as ``data.fixtures``."""
    written = dict(bundle_files(revision.bundle()))
    projector = Projector(revision)
    bases = [
        path.removeprefix(fixtures.BASES).removesuffix(".yaml")
        for path in files
        if path.startswith(fixtures.BASES)
    ]
    inputs = {}
    for name in sorted(bases):
        document = fixtures.base_document(files, name)
        if "leg" in document["standing"]:
            inputs[name] = projector.project(fixtures.facts_from(document))
    data = json.loads(written["data.json"])
    written["data.json"] = json.dumps({**data, "fixtures": inputs}).encode()
    manifest = json.loads(written[".manifest"])
    manifest["roots"] = [*manifest["roots"], "fixtures", "xb_test"]
    written[".manifest"] = json.dumps(manifest).encode()
    written |= {path: files[path] for path in files if path.endswith("_test.rego")}
    for path, raw in written.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)


Decide = Callable[[list[Projected]], list[bytes]]


def _by_opa(opa: str, root: Path) -> Decide:
    """All inputs in one ``opa eval``: starting it once per case would take minutes."""

    def decide(inputs: list[Projected]) -> list[bytes]:
        wanted = root / "inputs.json"
        wanted.write_text(json.dumps([json.loads(one.input_bytes) for one in inputs]))
        query = "[d | some i in input; d := data.xb.decision with input as i]"
        done = lint.run_opa(
            opa,
            root,
            *("eval", "--bundle", ".", "--input", str(wanted), "--format", "json", query),
        )
        found = json.loads(done.stdout)
        if "errors" in found:
            return []
        values = found["result"][0]["expressions"][0]["value"]
        return [json.dumps(value).encode() for value in values]

    return decide


def _by_snapshot(snapshot: Snapshot) -> Decide:
    def decide(inputs: list[Projected]) -> list[bytes]:
        # The engine gives the interpreter lock away: a thread for each core.
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            asked = (one.input_bytes for one in inputs)
            return list(pool.map(lambda one: snapshot.decide(one, CASE_TIMEOUT_MS), asked))

    return decide


def _on_engine(report: Report, engine: Engine, known: list[fixtures.Case]) -> None:
    assert report.revision is not None
    try:
        snapshot = engine.load(report.revision.bundle())
    except GatewayError as problem:
        report.problems.append(
            Problem(
                problem.metadata.get("file", ""),
                int(problem.metadata.get("row") or 0),
                problem.sentence,
            )
        )
        return
    try:
        report.done.append("fixtures by the engine")
        report.problems.extend(_fixtures(known, report.revision, _by_snapshot(snapshot)))
    finally:
        snapshot.close()


def _fixtures(known: list[fixtures.Case], revision: Revision, decide: Decide) -> Iterator[Problem]:
    """Cases whose decision is not the expected one."""
    projector = Projector(revision)
    try:
        inputs = [case.projected(projector) for case in known]
        # A third of the cases says of another rule what a case before them says: decided once.
        distinct = list({one.input_bytes: one for one in inputs}.values())
        answers = decide(distinct)
        if len(answers) != len(distinct):
            yield Problem("", 0, "a fixture came to no decision")
            return
        decided = {one.input_bytes: raw for one, raw in zip(distinct, answers, strict=True)}
        for case, projected in zip(known, inputs, strict=True):
            difference = case.judge(decided[projected.input_bytes], projected, revision.id)
            if difference is not None:
                yield _located(case.refuse(difference))
    except GatewayError as problem:
        yield _located(problem)
