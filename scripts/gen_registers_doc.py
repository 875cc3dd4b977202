"""Write ``docs/registers.md``: the life of every kind of register record, from its machine.

``--check`` fails where the page differs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from xbgateway.register.life import MACHINES, Event, Machine, field_types

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "registers.md"

HEAD = """# The life of register records

Written by `scripts/gen_registers_doc.py` from `src/xbgateway/register/life`; do not edit. For
officers: [officers.md](officers.md).

A record has a **state** on each day. It is not stored: it follows from the record's fields and the
day, so records written in a register document have one too, and where a term ends, time alone leads
on. What lies ahead has not happened. Papers that are not in force are as none for the rules.

An **event** is recorded by an officer of one of the offices named (table `roles`). It happens only
in the states listed; any other is refused (`TRANSITION_ILLEGAL`), naming the legal ones. *Must
give* and *may give* are fields of the record; in *may give*, the field in italics is the day on
which it happened, the day of recording where it is left out, and never a later one. A field
marked + is filled in where it is left out. What must hold is refused by name otherwise
(`TRANSITION_REFUSED`), as is what would not lead to a state listed (`leads_to`). Numbers are rows
of the table `thresholds`; a last day is inside.

What is **due** stands in the due list from its state on until it is met; what is overdue stays.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, "\n".join(f"- [{one.title}](#{one.kind})" for one in MACHINES.values())]
    parts += ["\n".join(_machine(machine)) for machine in MACHINES.values()]
    return "\n".join(parts) + "\n"


def _machine(machine: Machine) -> Iterator[str]:
    yield f"\n## {machine.kind}\n"
    yield f"{machine.title}.\n"
    yield "| State | What it means |"
    yield "|---|---|"
    for state, meaning in machine.states.items():
        yield f"| `{state}` | {meaning} |"
    yield ""
    yield "| Event | What happens | From | To | Who | Must give | May give | What must hold | Law |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for event in machine.events:
        yield _event(event)
    if machine.due:
        yield ""
        yield "| Due | What is to be done |"
        yield "|---|---|"
        for what, meaning in machine.due.items():
            yield f"| `{what}` | {meaning} |"
    named = sorted({name for event in machine.events for name in (*event.must, *event.optional)})
    types = field_types(machine.kind)
    yield ""
    yield "Fields: " + ", ".join(f"`{name}` {types[name]}" for name in named) + "."


def _event(event: Event) -> str:
    said = [
        f"`{event.name}`",
        event.title,
        _codes(event.sources) or "(new)",
        _codes(event.to) or "(stays)",
        _codes(event.roles),
        _codes(event.must),
        ", ".join(_optional(event, name) for name in event.optional),
        "; ".join(f"`{guard.name}`: {guard.says}" for guard in event.guards),
        event.statute,
    ]
    return f"| {' | '.join(said)} |"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _optional(event: Event, name: str) -> str:
    if name == event.on:
        return f"*{name}*"
    return f"`{name}`+" if name in event.fills else f"`{name}`"


def main() -> int:
    """Write the page, or with ``--check`` compare it; exit status 1 on a difference."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/registers.md differs: run scripts/gen_registers_doc.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
