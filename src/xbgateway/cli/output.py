"""Results as a table for people or as JSON for programs.

The JSON contract: a listing is an array of objects, anything else one object; keys are stable,
new ones may come, and readers ignore those that they do not know. Bytes are hex unless said
otherwise, times RFC 3339 UTC.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Record = Mapping[str, Any]


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[
    Format, typer.Option("--output", "-o", help="A table for people, or JSON for programs.")
]


def listed(records: Iterable[Record], columns: Sequence[str], form: Format) -> None:
    """Write a listing; a table shows ``columns``, JSON every key."""
    found = list(records)
    if form is Format.JSON:
        _json(found)
        return
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for record in found:
        table.add_row(*(Text(_cell(record.get(name))) for name in columns))
    _print(table)


def shown(record: Record, form: Format) -> None:
    """Write one thing: a line for each key, or one JSON object."""
    if form is Format.JSON:
        _json(record)
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        if isinstance(value, Mapping):
            parts: Sequence[object] = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        else:
            parts = value if isinstance(value, list | tuple) and value else [value]
        for number, part in enumerate(parts):
            print(f"{name if number == 0 else '':{width}}  {_cell(part)}".rstrip())


def _json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(_cell(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_cell(one)}" for name, one in value.items())
    return str(value)


def _print(table: Table) -> None:
    # A pipe gets whole lines, whatever the terminal's width would have been.
    width = None if sys.stdout.isatty() else 10_000
    console = Console(file=sys.stdout, width=width, no_color=not sys.stdout.isatty())
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        if line.strip():
            print(line.rstrip())
