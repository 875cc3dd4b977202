"""Write ``docs/inputs.md``: every path that a rule can read, from the schema of the input.

``--check`` fails where the page differs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "inputs.md"
SCHEMA = ROOT / "policies" / "schema" / "input.v1.json"

HEAD = """# What a rule can read

Written by `scripts/gen_inputs_doc.py` from `policies/schema/input.v1.json`; do not edit. How to use
it: [officers.md](officers.md).

One document for each leg of an exchange: states and verdicts of the local day, no ids, names or
instants. `none` means that there is nothing of the kind, `unknown` that nobody said. A section of
which only `state` always stands is a paper that need not exist: read its other keys only where
`state` is not `none`. Everything else is always there; GW-SHAPE-1 denies where it is not.
"""


def page() -> str:
    """The whole page."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = [HEAD]
    for name, section in schema["properties"].items():
        parts.append("\n".join(_section(name, section)))
    return "\n".join(parts)


def _section(name: str, section: dict[str, Any]) -> Iterator[str]:
    listed = section["items"] if section["type"] == "array" else section
    yield f"## `{name}`\n"
    yield f"{_sentence(section.get('description', ''))}\n"
    if "properties" not in listed:
        return
    prefix = f"{name}[_]" if listed is not section else name
    yield "| Path | Values | What it says |"
    yield "|---|---|---|"
    for key, value in listed["properties"].items():
        said = _sentence(value.get("description", ""))
        yield f"| `{prefix}.{key}` | {_values(value)} | {said} |"
    yield ""


def _values(value: dict[str, Any]) -> str:
    if "enum" in value:
        return " ".join(f"`{one}`" for one in value["enum"])
    return {
        "boolean": "true, false",
        "integer": "a number",
        "string": "a word",
        "array": "words",
    }[value["type"]]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def main() -> None:
    """Write the page, or with ``--check`` fail where it differs."""
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{PAGE} is not what the schema says; run scripts/gen_inputs_doc.py")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
