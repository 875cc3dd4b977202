"""Exchanges of the calling party, as its own node knows them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from xbgateway.cli.call import exchange_record
from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.cli.receipts import write_receipt
from xbgateway.client import Gateway, Receipt
from xbgateway.client.paging import first

app = typer.Typer(help="Exchanges of the calling party.", rich_markup_mode=None)


@app.command()
@connected
def show(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's id.")],
    connection: Connection,
    receipt: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the receipt's files there.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what has become of an exchange; with --receipt, keep the proof of it."""

    async def work(gateway: Gateway) -> tuple[Any, Receipt | None]:
        found = await gateway.get_exchange(exchange)
        return found, await gateway.receipt(exchange) if receipt else None

    found, proven = connection.run(work)
    record = exchange_record(found)
    if receipt is not None and proven is not None:
        record["receipt"] = [str(path) for path in write_receipt(receipt, proven)]
    shown(record, output)


@app.command("list")
@connected
def list_(
    connection: Connection,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1)] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List exchanges, newest first."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        pages = gateway.list_exchanges(page_size=min(limit, 500))
        return [exchange_record(one) for one in await first(pages, limit)]

    columns = ("exchange_id", "create_time", "outcome", "reason", "service", "method", "purpose")
    listed(connection.run(work), columns, output)
