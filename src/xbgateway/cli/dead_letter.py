"""What waits for a person: parked deliveries and outcomes that nobody knows."""

from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway

app = typer.Typer(
    help="Deliveries that wait for a person: listed, shown, requeued, resolved, closed.",
    rich_markup_mode=None,
)

Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's id.")]
Note = Annotated[str, typer.Option(help="What was found, for this node's own record.")]
_COLUMNS = ("exchange_id", "state", "reason", "attempts", "first_time", "service", "method")


@app.command("list")
@connected
def list_(*, connection: Connection, output: Output = Format.TABLE) -> None:
    """List what waits: of the caller's party for its officers, everything for auditors."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [dead_letter_record(one) async for one in gateway.dead_letters.list()]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def show(*, exchange: Exchange, connection: Connection, output: Output = Format.TABLE) -> None:
    """Show one item, also after somebody has settled it."""
    shown(dead_letter_record(connection.run(lambda g: g.dead_letters.get(exchange))), output)


@app.command()
@connected
def requeue(*, exchange: Exchange, connection: Connection, output: Output = Format.TABLE) -> None:
    """Deliver a parked exchange anew; not after its last moment."""
    shown(dead_letter_record(connection.run(lambda g: g.dead_letters.requeue(exchange))), output)


@app.command()
@connected
def resolve(
    *,
    exchange: Exchange,
    executed: Annotated[
        bool,
        typer.Option(
            "--unknown/--not-executed",
            help="It acted without an answer or nobody can say; or it certainly did not act.",
        ),
    ],
    note: Note,
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """End a parked exchange with a person's word; the other side is told."""
    found = connection.run(lambda g: g.dead_letters.resolve(exchange, note, executed=executed))
    shown(dead_letter_record(found), output)


@app.command()
@connected
def close(
    *, exchange: Exchange, note: Note, connection: Connection, output: Output = Format.TABLE
) -> None:
    """Say that somebody has looked at an unknown outcome; the outcome stays what it is."""
    found = connection.run(lambda g: g.dead_letters.close(exchange, note))
    shown(dead_letter_record(found), output)


def dead_letter_record(letter: Message) -> dict[str, Any]:
    """An item, every key always there."""
    read = MessageToDict(letter, preserving_proto_field_name=True)
    names = ("exchange_id", "party", "service", "method", "reason", "first_time", "last_time")
    remark = read.get("remark", {})
    return {
        **{name: read.get(name, "") for name in names},
        "state": str(read.get("state", "")).removeprefix("DEAD_LETTER_STATE_").lower() or "queued",
        "attempts": read.get("attempts", 0),
        "may_have_acted": read.get("may_have_acted", False),
        **{name: remark.get(name, "") for name in ("officer", "note")},
        "settle_time": remark.get("time", ""),
    }
