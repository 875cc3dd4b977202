"""Parties, as a register document has them."""

from typing import Any

import typer

from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.cli.register import File, read
from xbgateway.register import Register

app = typer.Typer(help="Parties of a register document.", rich_markup_mode=None)


@app.command("list")
def list_(file: File, output: Output = Format.TABLE) -> None:
    """List the parties of a register."""
    register = read(file)
    records = [_described(register, party.id) for party in register.document.parties]
    listed(records, ("id", "node", "jurisdiction", "kind", "auditor", "name"), output)


@app.command()
def show(
    file: File,
    party: str = typer.Argument(metavar="PARTY", help="The party's id."),
    output: Output = Format.TABLE,
) -> None:
    """Show one party: where it lives, what it may do, what it provides."""
    register = read(file)
    record = _described(register, party)
    document = register.document
    found = register.party(party)
    record |= {
        "names": {
            "zh-Hans": found.name.zh_hans,
            "zh-Hant": found.name.zh_hant,
            "pt": found.name.pt,
        },
        "region": found.region,
        "role": found.role,
        "powers": list(found.powers),
        "provides": [o.service for o in document.services if o.provider == party],
        "owns": [d.id for d in document.datasets if d.owner == party],
        "calls_in": [s.id for s in document.scenarios if party in s.callers],
        "answers_in": [s.id for s in document.scenarios if party in s.providers],
    }
    shown(record, output)


def _described(register: Register, party: str) -> dict[str, Any]:
    found = register.party(party)
    domain = register.node(found.node).trust_domain
    return {
        "id": found.id,
        "name": found.name.en,
        "node": found.node,
        "jurisdiction": found.jurisdiction,
        "kind": found.kind,
        "auditor": found.auditor,
        "spiffe_id": f"spiffe://{domain}/party/{found.id}",
    }
