"""Registers: a document checked before a node is given one, and the records of a running node."""

from pathlib import Path
from typing import Annotated

import typer

from xbgateway.cli import records
from xbgateway.cli.output import Format, Output, shown
from xbgateway.register import Register, build_catalogue, load_register

app = typer.Typer(
    help="Registers: documents checked, records read, changed, due.", rich_markup_mode=None
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The register document (YAML).")]


@app.command()
def check(file: File, output: Output = Format.TABLE) -> None:
    """Check a register: form, references between records, descriptor sets and their labels.

    Ends with 5 and the line that is wrong.
    """
    register = read(file)
    catalogue = build_catalogue(register)
    document = register.document
    shown(
        {
            "file": str(file),
            "version": register.version,
            "environment": register.environment,
            "nodes": [node.id for node in register.nodes],
            "parties": len(document.parties),
            "services": list(catalogue.services),
            "methods": sum(len(catalogue.methods(name)) for name in catalogue.services),
            "datasets": len(document.datasets),
            "scenarios": len(document.scenarios),
            "instruments": len(document.instruments),
        },
        output,
    )


app.command("list")(records.list_)
app.command()(records.show)
app.command()(records.history)
app.command()(records.apply)
app.command()(records.events)
app.command()(records.due)


def read(file: Path) -> Register:
    """The register in a file. Raises ``Refused(CONFIG_INVALID)``."""
    return load_register(file.read_bytes(), file.parent)
