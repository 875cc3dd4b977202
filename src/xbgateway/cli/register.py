"""Register documents: checked before a node is given one."""

from pathlib import Path
from typing import Annotated

import typer

from xbgateway.cli.output import Format, Output, shown
from xbgateway.register import Register, build_catalogue, load_register

app = typer.Typer(help="Register documents.", rich_markup_mode=None)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The register document (YAML).")]


@app.callback()
def _group() -> None:
    """Keep `check` a command of its own."""


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


def read(file: Path) -> Register:
    """The register in a file. Raises ``Refused(CONFIG_INVALID)``."""
    return load_register(file.read_bytes(), file.parent)
