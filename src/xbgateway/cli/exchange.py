"""Exchanges of the calling party, as its own node knows them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from xbgateway.cli.call import Descriptors, exchange_record
from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.messages import Messages
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.cli.receipts import write_receipt
from xbgateway.client import Gateway, Receipt
from xbgateway.client.paging import first
from xbgateway.model.errors import Reason, Unavailable

app = typer.Typer(help="Exchanges of the calling party.", rich_markup_mode=None)

Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's id.")]


@app.command()
@connected
def show(
    exchange: Exchange,
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


@app.command()
@connected
def watch(
    exchange: Exchange,
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """Follow an exchange: as it is, then each change, to its end. JSON is one object a line."""

    async def work(gateway: Gateway) -> None:
        async for one in gateway.exchanges.watch(exchange):
            record = exchange_record(one)
            if output is Format.JSON:
                print(json.dumps(record, ensure_ascii=False), flush=True)
            else:
                last = record["rungs"][-1] if record["rungs"] else ""
                print(f"{record['outcome']} {record['reason']} {last}".strip(), flush=True)

    connection.run(work)


@app.command()
@connected
def cancel(
    exchange: Exchange,
    connection: Connection,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end, which says whether it was in time.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Take an exchange back, as long as no service can have heard of it."""

    async def work(gateway: Gateway) -> Any:
        found = await gateway.exchanges.cancel(exchange)
        if wait:
            async for one in gateway.exchanges.watch(exchange, etag=found.etag):
                found = one
        return found

    shown(exchange_record(connection.run(work)), output)


@app.command()
@connected
def answer(
    exchange: Exchange,
    connection: Connection,
    register: Descriptors = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the answer of an exchange that has one; before its end there is none to show."""

    async def work(gateway: Gateway) -> tuple[Messages, Message | None]:
        known = await gateway.get_exchange(exchange)
        messages = Messages(f"{known.service}/{known.method}", register)
        return messages, await gateway.exchanges.answer(exchange, messages.answer_type)

    messages, found = connection.run(work)
    if found is None:
        raise Unavailable(Reason.EXCHANGE_PENDING, f"exchange {exchange} is not over yet")
    shown({"exchange_id": exchange, "answer": messages.plain(found)}, output)
