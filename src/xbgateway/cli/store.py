"""The store as a whole, of a node that is stopped."""

from pathlib import Path
from typing import Annotated

import typer

from xbgateway.cli.output import Format, Output, listed
from xbgateway.store.migration import migrate as moved

app = typer.Typer(help="Move a stopped node's store.", no_args_is_help=True)

_WHERE = "a file, or postgresql://…"


@app.command()
def migrate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"The store: {_WHERE}.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"Where to: {_WHERE}.")],
    output: Output = Format.TABLE,
) -> None:
    """Copy a store into an empty place of either kind and compare every row. The node must be off.

    The source stays as it is. It must never be served again: two nodes would write one log.
    """
    counts = moved(_place(source), _place(target))
    rows = [{"table": table, "rows": count} for table, count in counts.items()]
    listed(rows, ("table", "rows"), output)


def _place(text: str) -> Path | str:
    return text if text.startswith(("postgresql://", "postgres://")) else Path(text)
