"""Policies for their officers: checked, tried, explained."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from xbgateway.cli.call import Data, Descriptors, Purpose, Recipient, References, Scenario
from xbgateway.cli.call import validated as ask_node
from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.ending import Ending, UsageError, tell
from xbgateway.cli.messages import Messages
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.policy import fixtures
from xbgateway.policy.check import CASE_TIMEOUT_MS, check_directory
from xbgateway.policy.engine import OPA_VERSION, EmbeddedEngine
from xbgateway.policy.explain import Language, explain, explain_lines
from xbgateway.policy.memo import Decided, parse_decision
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.revision import Revision, load_revision
from xbgateway.policy.source import Files, default_policy_directory, read_policy_directory

app = typer.Typer(help="Policies: checked, tried, explained.", rich_markup_mode=None)

Directory = Annotated[
    Path | None,
    typer.Argument(metavar="[DIR]", help="Folder of policies; the packaged ones where not given."),
]


@app.command()
def check(
    directory: Directory = None,
    opa: Annotated[
        str | None, typer.Option(help="The opa binary.  [default: the one in PATH]")
    ] = None,
    output: Output = Format.TABLE,
) -> int:
    """Check whether a folder may become a revision; ends with 3 and file and line where not.

    Tables against their schemas, rules with texts and fixtures, strict negation, every fixture on
    the engine, and with the opa binary also format, types and Rego tests. What was left out for
    lack of the binary is named.
    """
    report = check_directory(
        directory or default_policy_directory(), EmbeddedEngine(), opa or shutil.which("opa")
    )
    problems = [
        {"file": one.file, "line": one.line, "reason": one.reason} for one in report.problems
    ]
    revision = report.revision.id if report.revision else ""
    if output is Format.JSON:
        record = {"ok": report.passed, "revision": revision, "problems": problems}
        shown({**record, "done": report.done, "skipped": report.skipped}, output)
    else:
        for line in report.done:
            print(f"checked  {line}")
        for line in report.skipped:
            print(f"skipped  {line}")
        for problem in report.problems:
            print(problem)
    if not report.passed:
        return _unsound(f"{len(problems)} problems in the policies")
    if output is Format.TABLE:
        print(f"sound: revision {revision}")
    return Ending.OK


@app.command("test")
def run_cases(
    directory: Directory = None,
    rule: Annotated[str, typer.Option(help="Only the cases of this rule.")] = "",
    output: Output = Format.TABLE,
) -> int:
    """Run the readable cases (fixtures) on the engine, and show each; ends with 3 if one fails."""
    files, revision = _loaded(directory)
    known = [case for case in fixtures.cases(files) if rule in ("", case.rule)]
    if not known:
        raise UsageError(f"there is no case of {rule or 'any rule'}")
    projector = Projector(revision)
    records = []
    snapshot = EmbeddedEngine().load(revision.bundle())
    try:
        for case in known:
            projected = case.projected(projector)
            raw = snapshot.decide(projected.input_bytes, CASE_TIMEOUT_MS)
            difference = case.judge(raw, projected, revision.id)
            state = "failed" if difference else "passed"
            expected = case.expect["decision"]
            record = {"rule": case.rule, "case": case.name, "expected": expected, "state": state}
            records.append({**record, "difference": difference or ""})
    finally:
        snapshot.close()
    listed(records, ("rule", "case", "expected", "state", "difference"), output)
    failed = sum(record["state"] == "failed" for record in records)
    if output is Format.TABLE:
        print(f"{len(records) - failed} of {len(records)} cases passed")
    return _unsound(f"{failed} cases failed") if failed else Ending.OK


@app.command("explain")
def explain_facts(
    facts: Annotated[
        str,
        typer.Argument(
            metavar="FACTS", help="A base's name, RULE-ID:CASE, or a YAML file of facts."
        ),
    ],
    policies: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of policies.  [default: ours]")
    ] = None,
    language: Annotated[str, typer.Option(help="zh-Hant, zh-Hans, pt or en.")] = "en",
    output: Output = Format.TABLE,
) -> None:
    """Explain what the policies say about facts: verdict, rules, articles, texts, duties.

    A YAML file has `standing` and `moment` as in policies/fixtures/bases, and may `extend` a base.
    """
    files, revision = _loaded(policies)
    spoken = _language(language)
    projected = _projected(files, revision, facts)
    snapshot = EmbeddedEngine().load(revision.bundle())
    try:
        raw = snapshot.decide(projected.input_bytes, CASE_TIMEOUT_MS)
    finally:
        snapshot.close()
    decision = parse_decision(raw, projected.digest, revision.id)
    if output is Format.TABLE:
        print("\n".join(explain_lines(decision, spoken)))
        return
    _explained(Decided(projected.input_bytes, decision, raw), spoken)


@app.command("ask")
@connected
def ask(
    *,
    method: Annotated[
        str, typer.Argument(metavar="SERVICE/METHOD", help="Full name of the method.")
    ],
    connection: Connection,
    data: Data = "{}",
    purpose: Purpose = "",
    scenario: Scenario = "",
    reference: References = None,
    recipient: Recipient = "",
    register: Descriptors = None,
    language: Annotated[str, typer.Option(help="zh-Hant, zh-Hans, pt or en.")] = "en",
    output: Output = Format.TABLE,
) -> None:
    """Ask a running node what it would decide about a call, and why; nothing moves."""
    spoken = _language(language)
    messages = Messages(method, register)
    said = {
        "purpose": purpose,
        "scenario": scenario,
        "references": reference or (),
        "recipient": recipient,
    }
    found = ask_node(connection, messages, messages.request(data), said)
    if output is Format.JSON:
        shown(found, output)
        return
    print(found["verdict"])
    for one in found["findings"]:
        text = one.get("text", {}).get(spoken, "")
        print(
            f"  {one.get('effect', ''):5} {one.get('rule', '')} ({one.get('article', '')}): {text}"
        )
    for name in ("dropped_fields", "masked_fields"):
        for field in found[name]:
            print(f"  {name.removesuffix('_fields')} {field}")
    print(f"  revision {found['revision'][:16]}")


@app.command("show-revision")
def show_revision(directory: Directory = None, output: Output = Format.TABLE) -> None:
    """Show the revision that a folder is: the content hash that entries name, and its parts."""
    files, revision = _loaded(directory)
    shown(
        {
            "revision": revision.id,
            "opa": OPA_VERSION,
            "rules": len(revision.texts),
            "modules": sorted(revision.modules),
            "cases": sum(1 for _ in fixtures.cases(files)),
        },
        output,
    )


def _unsound(sentence: str) -> int:
    tell(f"error: POLICY_INVALID: {sentence}")
    tell("hint: Mend what is listed and run it again; `docs/officers.md` says how.")
    return Ending.VERIFICATION


def _loaded(directory: Path | None) -> tuple[Files, Revision]:
    files = read_policy_directory(directory or default_policy_directory())
    return files, load_revision(files)


def _language(text: str) -> Language:
    for known in ("zh-Hant", "zh-Hans", "pt", "en"):
        if text == known:
            return known
    raise UsageError(f"--language is zh-Hant, zh-Hans, pt or en, not {text!r}")


def _projected(files: Files, revision: Revision, name: str) -> Projected:
    projector = Projector(revision)
    rule, separator, case = name.partition(":")
    if separator and f"{fixtures.CASES}{rule}.yaml" in files:
        for one in fixtures.cases(files):
            if (one.rule, one.name) == (rule, case):
                return one.projected(projector)
        names = [one.name for one in fixtures.cases(files) if one.rule == rule]
        raise UsageError(f"{rule} has no case {case!r}; it has: {'; '.join(names)}")
    if f"{fixtures.BASES}{name}.yaml" in files:
        document: Mapping[str, Any] = fixtures.base_document(files, name)
    elif Path(name).is_file():
        document = _facts_file(files, Path(name))
    else:
        raise UsageError(f"{name} is no base, no case and no file")
    try:
        return projector.projected(fixtures.facts_from(document))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(Reason.CONFIG_INVALID, f"{name} holds no facts: {error!r}") from error


def _facts_file(files: Files, path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(Reason.CONFIG_INVALID, f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise Refused(Reason.CONFIG_INVALID, f"{path} holds no mapping")
    parent = document.pop("extend", None)
    if parent is None:
        return document
    try:
        return fixtures.merged(fixtures.base_document(files, str(parent)), document)
    except GatewayError as error:
        raise Refused(Reason.CONFIG_INVALID, f"{path}: {error.sentence}") from error


def _explained(decided: Decided, language: Language) -> None:
    decision = decided.decision
    shown(
        {
            "verdict": decision.verdict,
            "revision": decision.revision,
            "input_digest": decision.input_digest,
            "decision_digest": decision.decision_digest,
            "findings": [
                {
                    "effect": one.effect,
                    "rule": one.rule,
                    "article": one.article,
                    "text": one.sentence,
                    "path": one.path,
                    "role": one.role,
                }
                for one in explain(decision, language)
            ],
            "fields": [
                {"path": one.path, "how": one.how, "rule": one.rule} for one in decision.fields
            ],
            "duties": [asdict(one) for one in decision.duties],
            "log_keep_days": decision.log_keep_days,
            "data_keep_days": decision.data_keep_days,
        },
        Format.JSON,
    )
