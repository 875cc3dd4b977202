"""docs/spec/entry.md says what the code does: examples are read, tables compared."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

import pytest

from xbgateway.model import entry as e
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.forms import exchange_named
from xbgateway.model.outcome import TERMINAL, Outcome

PAGE = (Path(__file__).parents[3] / "docs" / "spec" / "entry.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*)\n```", PAGE)
ROWS = {
    row[1]: row[4]
    for line in PAGE.splitlines()
    if (row := [cell.strip() for cell in line.split("|")])
    and re.fullmatch(r"`\w+`", row[1:2][0] if row[1:2] else "")
    and len(row) == 6
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_an_entry(example: str) -> None:
    assert e.decode(example.encode()).encode() == example.encode()


def test_every_kind_has_an_example() -> None:
    shown = {e.decode(example.encode()).kind for example in EXAMPLES}
    assert shown == set(e.Kind)


def test_examples_name_each_other() -> None:
    entries = [e.decode(example.encode()) for example in EXAMPLES]
    leaves = {e.leaf_hex(entry.encode()) for entry in entries}
    named = {
        value
        for entry in entries
        for name in ("request", "answer", "hold")
        if isinstance(value := getattr(entry, name, None), str)
    }
    assert named
    assert named <= leaves


@pytest.mark.parametrize("target", get_args(e.Entry), ids=lambda c: c.kind)
def test_the_table_has_each_kind_with_its_fields(target: type[e.Entry]) -> None:
    said = ROWS[f"`{target.kind}`"]
    required: set[str] = set()
    optional: set[str] = set()
    for part in said.split(", "):
        name = re.sub(r"[`\[\]]", "", part).split()[0]
        (optional if part.startswith("[") else required).add(name)
    told = {f.name: f.default for f in fields(target) if f.name != "at"}
    assert required | optional == set(told)
    # A list is always written, whatever its default in code.
    assert optional == {name for name, default in told.items() if default is None}
    assert all(default in (None, ()) or default is MISSING for default in told.values())


def test_only_answers_that_say_something_are_sealed() -> None:
    sealed = next(x for x in EXAMPLES if '"status":"answered"' in x)
    with pytest.raises(Refused) as caught:
        e.decode(sealed.replace('"status":"answered"', '"status":"unknown"').encode())
    assert caught.value.reason is Reason.ENTRY_INVALID


def test_the_states_of_the_table_are_those_of_the_machine() -> None:
    rows = [line.split("|")[3] for line in PAGE.splitlines() if line.count("|") == 4]
    ends = {word for cell in rows for word in re.findall(r"\*\*(\w+)\*\*", cell)}
    assert ends == {str(end) for end in TERMINAL}
    assert {"pending", "held"} == {str(s) for s in set(Outcome) - TERMINAL}


def test_an_entry_of_tomorrow_is_not_garbage() -> None:
    for v in ('"v":2', '"v":"1"', '"v":1.0', '"v":true'):
        with pytest.raises(Refused) as caught:
            e.decode(EXAMPLES[0].replace('"v":1', v).encode())
        assert caught.value.reason is Reason.ENTRY_VERSION


def test_the_exchange_of_something_unreadable() -> None:
    example = EXAMPLES[0].replace('"v":1', '"v":2').encode()
    assert exchange_named(example) == e.decode(EXAMPLES[0].encode()).exchange  # type: ignore[union-attr]
    for raw in (b"", b"[]", b'{"exchange":1}', b'{"exchange":"x"}', b"[" * 50_000):
        assert exchange_named(raw) is None
