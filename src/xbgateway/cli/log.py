"""The logs: read through a running node, or verified, exported and released on its store."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from xbgateway.cli import offline
from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.cli.receipts import write_receipt
from xbgateway.client import Gateway, Receipt
from xbgateway.client.paging import first
from xbgateway.model.entry import leaf_hex

app = typer.Typer(help="Transfer logs: read, proved, verified, exported.", rich_markup_mode=None)

Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="The log's name.")]
_COLUMNS = ("index", "at", "kind", "exchange", "detail")


@app.command("list")
@connected
def list_(connection: Connection, output: Output = Format.TABLE) -> None:
    """List a running node's logs: own ones, mirrors, the home log. For auditors."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [
            {
                "origin": one.origin,
                "role": one.role,
                "size": one.size,
                "held_size": one.held_size,
                "stopped": one.stopped,
                "checkpoint": one.checkpoint.decode(),
            }
            for one in await gateway.list_logs()
        ]

    listed(connection.run(work), ("origin", "role", "size", "held_size", "stopped"), output)


@app.command()
@connected
def show(
    *,
    origin: Origin,
    connection: Connection,
    start: Annotated[int, typer.Option(help="First index.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="At most so many entries.", min=1)] = 100,
    exchange: Annotated[str, typer.Option(help="Only entries of this exchange.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Show entries of a log, in order."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        pages = gateway.list_entries(
            origin, start=start, page_size=min(limit, 1000), exchange_id=exchange
        )
        found = await first(pages, limit)
        return [_entry(one.origin, one.index, one.entry) for one in found]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def tail(
    connection: Connection,
    origin: Annotated[
        str, typer.Argument(metavar="[ORIGIN]", help="The log; all of the node's where not given.")
    ] = "",
    start: Annotated[int, typer.Option(help="First index.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="End after so many; 0 means never.", min=0)] = 0,
    output: Output = Format.TABLE,
) -> None:
    """Follow a log: entries from an index on, then each new one. JSON is one object a line."""

    async def work(gateway: Gateway) -> None:
        seen = 0
        async for one in gateway.tail(origin, start=start):
            record = _entry(one.origin, one.index, one.entry)
            if output is Format.JSON:
                print(json.dumps(record, ensure_ascii=False), flush=True)
            else:
                line = " ".join(str(record[name]) for name in ("origin", *_COLUMNS))
                print(line.rstrip(), flush=True)
            seen += 1
            if seen == limit:
                return

    connection.run(work)


@app.command()
@connected
def prove(
    origin: Origin,
    index: Annotated[int, typer.Argument(metavar="INDEX", help="The entry's index.", min=0)],
    connection: Connection,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the .entry and .tlog-proof files go.")
    ] = Path(),
    output: Output = Format.TABLE,
) -> None:
    """Fetch one entry with its proof, for `log verify` or any C2SP tool."""
    proven = connection.run(lambda gateway: gateway.prove(origin, index))
    files = write_receipt(out, Receipt("", (proven,)))
    record = {"origin": origin, "index": index, "leaf": leaf_hex(proven.entry)}
    shown({**record, "files": [str(path) for path in files]}, output)


app.command()(offline.verify)
app.command()(offline.export)
app.command()(offline.release)


def _entry(origin: str, index: int, raw: bytes) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(raw)
    except ValueError:
        body = {}
    rest = {
        name: value
        for name, value in body.items()
        if name in ("outcome", "status", "reason", "service", "method", "purpose", "rules")
    }
    return {
        "origin": origin,
        "index": index,
        "at": body.get("at", ""),
        "kind": body.get("kind", "unreadable"),
        "exchange": body.get("exchange", ""),
        "detail": " ".join(
            f"{name}={','.join(value) if isinstance(value, list) else value}"
            for name, value in rest.items()
            if value
        ),
        "leaf": leaf_hex(raw),
        "entry": body,
    }
