"""Write ``docs/rules.md``: every rule with article, texts, reading and cases.

Run it after changing a rule, a text or a fixture; a test holds the page to the policies.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from xbgateway.policy import fixtures, lint
from xbgateway.policy.lint import RuleMetadata
from xbgateway.policy.revision import Revision, load_revision
from xbgateway.policy.source import Files, default_policy_directory, read_policy_directory
from xbgateway.policy.texts import LANGUAGES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rules.md"
GROUPS = (
    ("GW-", "The gateway itself"),
    ("CN-", "Mainland: national law"),
    ("ZH-", "Mainland: Zhuhai"),
    ("HZ-", "Mainland: authorised operation"),
    ("JA-", "Mainland: verification first"),
    ("GBA-", "Greater Bay Area standard contract"),
    ("MO-", "Macao"),
)
HEAD = """# Rules

Written by `scripts/gen_rules_doc.py` from `policies/`; do not edit.

Each rule denies, holds or warns, or puts a duty on an allowed transfer. *Verified* says whether the
source was read and is not among the points still to be confirmed; a rule that is *not verified* is
applied all the same. Every rule is asked in both directions. Cases are in `policies/fixtures/`, run
by `xbgateway policy check`. How to read and change all this: [officers.md](officers.md).
"""


def page(files: Files) -> str:
    """The whole page."""
    revision = load_revision(files)
    metadata, problems = lint.rule_metadata(files)
    if problems:
        raise SystemExit("\n".join(str(problem) for problem in problems))
    known = {rule.id: rule for rule in metadata}
    cases = list(fixtures.cases(files))
    parts = [HEAD]
    for prefix, title in GROUPS:
        rules = [rule for rule in sorted(known) if rule.startswith(prefix)]
        parts += [f"## {title}\n"] if rules else []
        parts += [
            "\n".join(_rule(known[rule], revision, [one for one in cases if one.rule == rule]))
            for rule in rules
        ]
    parts.append("\n".join(_tables(revision)))
    return "\n".join(parts)


def _rule(rule: RuleMetadata, revision: Revision, cases: list[fixtures.Case]) -> Iterator[str]:
    entry = revision.texts[rule.id]
    yield f"### {rule.id} · {rule.title}\n"
    yield f"{rule.description}\n"
    yield f"- Source: {entry['article']}"
    yield f"- Verified: {'yes' if rule.verified else 'no'}"
    yield f"- Where: `policies/{rule.file}`"
    if rule.id in revision.readings:
        yield f"- Reading: {revision.readings[rule.id]}"
    for language in LANGUAGES:
        yield f"- {language}: {entry['text'][language]}"
    yield ""
    yield "| Case | Decision | Rules that stop or warn |"
    yield "|---|---|---|"
    for case in cases:
        rules = [*case.expect.get("deny", []), *case.expect.get("holds", [])]
        rules += [f"{one} (warns)" for one in case.expect.get("warns", [])]
        yield f"| {case.name} | {case.expect['decision']} | {', '.join(rules) or '–'} |"
    yield ""


def _tables(revision: Revision) -> Iterator[str]:
    yield "## Tables\n"
    yield "| Table | Rows | Not verified | Statutes |"
    yield "|---|---|---|---|"
    names = sorted({row.table for row in revision.tables.rows})
    for name in names:
        rows = [row for row in revision.tables.rows if row.table == name]
        doubtful = sum(not row.verified for row in rows)
        statutes = "; ".join(sorted({row.statute for row in rows}))
        yield f"| `{name}` | {len(rows)} | {doubtful} | {statutes} |"
    yield ""


def main() -> None:
    """Write the page, or with ``--check`` fail where it differs."""
    text = page(read_policy_directory(default_policy_directory()))
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{PAGE} is not what the policies say; run scripts/gen_rules_doc.py")
        return
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
