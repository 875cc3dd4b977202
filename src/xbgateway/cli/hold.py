"""Holds: what waits for an officer, and the officer's answer."""

from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway

app = typer.Typer(
    help="Transfers that wait for an officer: listed, shown, approved, rejected.",
    rich_markup_mode=None,
)

Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's id.")]
Etag = Annotated[str, typer.Option(help="Answer only the hold with this etag, as shown.")]
_COLUMNS = ("exchange_id", "role", "deadline", "purpose", "sender", "recipient", "rules")


@app.command("list")
@connected
def list_(
    *,
    connection: Connection,
    answered: Annotated[
        bool, typer.Option("--answered", help="Those that were decided here instead.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """List what waits for the roles of the caller (--roles), oldest first."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [hold_record(one) async for one in gateway.holds.list(answered=answered)]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def show(*, exchange: Exchange, connection: Connection, output: Output = Format.TABLE) -> None:
    """Show one hold: which rules, until when, for what. Never any content."""
    found = connection.run(lambda gateway: gateway.holds.get(exchange))
    record = hold_record(found)
    record["texts"] = [
        f"{rule.rule} {language}: {text}"
        for rule in found.rules
        for language, text in sorted(rule.text.items())
    ]
    shown(record, output)


@app.command()
@connected
def approve(
    *,
    exchange: Exchange,
    connection: Connection,
    note: Annotated[str, typer.Option(help="Why, for this node's own record.")] = "",
    etag: Etag = "",
    output: Output = Format.TABLE,
) -> None:
    """Say yes: the transfer goes on if law allows it on the facts of that moment."""
    found = connection.run(lambda gateway: gateway.holds.approve(exchange, note, etag=etag))
    shown(hold_record(found), output)


@app.command()
@connected
def reject(
    *,
    exchange: Exchange,
    reason: Annotated[str, typer.Option(help="Why, for this node's own record.")],
    connection: Connection,
    etag: Etag = "",
    output: Output = Format.TABLE,
) -> None:
    """Say no: the transfer ends."""
    found = connection.run(lambda gateway: gateway.holds.reject(exchange, reason, etag=etag))
    shown(hold_record(found), output)


def hold_record(hold: Message) -> dict[str, Any]:
    """A hold, every key always there."""
    read = MessageToDict(hold, preserving_proto_field_name=True)
    names = (
        *("exchange_id", "etag", "role", "deadline", "create_time", "sender", "recipient"),
        *("service", "method", "purpose", "case_id"),
    )
    said = read.get("decision", {})
    word = "yes" if said.get("approved") else "no"
    return {
        **{name: read.get(name, "") for name in names},
        "open": read.get("open", False),
        "rules": [f"{rule['rule']} ({rule.get('article', '')})" for rule in read.get("rules", [])],
        "approved": word if said else "",
        "officer": said.get("officer", ""),
        "note": said.get("note", ""),
        "decide_time": said.get("decide_time", ""),
    }
