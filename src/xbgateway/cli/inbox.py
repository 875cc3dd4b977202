"""The inbox of a provider that pulls: messages fetched under a lease, and answered."""

from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.ending import UsageError
from xbgateway.cli.messages import Messages
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway

app = typer.Typer(
    help="Exchanges of the caller's own services that it fetches itself.", rich_markup_mode=None
)

Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's id.")]
Lease = Annotated[str, typer.Argument(metavar="LEASE", help="As the pull gave it.")]
Register = Annotated[
    Path | None,
    typer.Option("--register", metavar="FILE", help="Register with the service's messages."),
]
_COLUMNS = ("exchange_id", "attempt", "lease_end", "sender", "purpose", "method", "lease")


@app.command()
@connected
def pull(
    *,
    connection: Connection,
    most: Annotated[int, typer.Option("--max", help="At most so many.", min=1)] = 10,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the first.", min=0)] = 0.0,
    register: Register = None,
    output: Output = Format.TABLE,
) -> None:
    """Fetch messages; each is ours until its lease ends. With -o json the request is shown too."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [_record(one, register) for one in await gateway.inbox.pull(most, wait)]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def ack(
    exchange: Exchange,
    lease: Lease,
    *,
    connection: Connection,
    method: Annotated[str, typer.Option(metavar="SERVICE/METHOD", help="Whose answer it is.")] = "",
    data: Annotated[str, typer.Option(help="The answer as JSON, or @FILE.")] = "",
    error: Annotated[int, typer.Option(help="The service's own error: a gRPC code.", min=0)] = 0,
    message: Annotated[str, typer.Option(help="Its text; names no person.")] = "",
    register: Register = None,
    output: Output = Format.TABLE,
) -> None:
    """Answer a message. The same answer again is no error, another one is refused."""
    if bool(error) == bool(method):
        raise UsageError("give either --method and --data, or --error")
    answer = b"" if error else Messages(method, register).answer(data or "{}").SerializeToString()

    async def work(gateway: Gateway) -> None:
        if error:
            await gateway.inbox.fail(exchange, lease, error, message)
        else:
            await gateway.inbox.acknowledge(exchange, lease, answer)

    connection.run(work)
    shown({"exchange_id": exchange, "acknowledged": True}, output)


@app.command()
@connected
def extend(
    exchange: Exchange,
    lease: Lease,
    *,
    seconds: Annotated[int, typer.Option(help="From now on.", min=1)],
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """Keep a message longer."""
    found = connection.run(lambda gateway: gateway.inbox.extend(exchange, lease, seconds))
    shown({"exchange_id": exchange, "lease_end": found.lease_end.ToJsonString()}, output)


@app.command()
@connected
def release(
    exchange: Exchange, lease: Lease, *, connection: Connection, output: Output = Format.TABLE
) -> None:
    """Give a message back unanswered; the attempt counts."""
    connection.run(lambda gateway: gateway.inbox.release(exchange, lease))
    shown({"exchange_id": exchange, "released": True}, output)


def _record(message: Any, register: Path | None) -> dict[str, Any]:
    """A message, every key always there, with its request as the provider's file names it."""
    read = MessageToDict(message, preserving_proto_field_name=True)
    names = ("exchange_id", "service", "method", "sender", "purpose", "case_id", "attempt")
    known = Messages(f"{message.service}/{message.method}", register)
    return {
        **{name: read.get(name, "") for name in (*names, "lease", "lease_end")},
        "request": known.plain(known.request_type.FromString(message.payload)),
    }
