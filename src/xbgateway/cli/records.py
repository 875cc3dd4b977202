"""Records of a running node's register: read, followed through time, changed by officers."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.ending import UsageError
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway, GatewayCallError
from xbgateway.client.paging import first
from xbgateway.model.clock import instant, parse_instant
from xbgateway.model.errors import Reason
from xbgateway.register.life import MACHINES, Event

Kind = Annotated[str, typer.Argument(metavar="KIND", help="party, agreement, consent, …")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The record's id.")]


@connected
def list_(
    kind: Kind,
    connection: Connection,
    state: Annotated[str, typer.Option(help="Only records in this state.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """List records of a kind: all for officers and auditors, for a party those that name it."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [_record(one) async for one in gateway.registers.records(kind, state=state)]

    listed(connection.run(work), ("id", "state", "owner", "since", "etag"), output)


@connected
def show(
    *,
    kind: Kind,
    record_id: Id,
    connection: Connection,
    as_of: Annotated[
        str, typer.Option(help="As it stood then: 2026-03-16T02:00:00Z; a day alone is its end.")
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Show a record, its state and what can happen to it."""
    when = _moment(as_of) if as_of else None
    found = connection.run(lambda gateway: gateway.registers.get(kind, record_id, as_of=when))
    shown(_record(found), output)


@connected
def history(
    connection: Connection,
    kind: Annotated[str, typer.Argument(metavar="[KIND]", help="Of this kind only.")] = "",
    record_id: Annotated[str, typer.Argument(metavar="[ID]", help="Of this record only.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many changes.", min=1)] = 100,
    output: Output = Format.TABLE,
) -> None:
    """Show changes, newest first, and those of the other side that were refused."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        pages = gateway.registers.changes(kind, record_id, page_size=min(limit, 1000))
        return [_plain(one) for one in await first(pages, limit)]

    columns = ("number", "at", "kind", "id", "event", "node", "officer", "refused")
    listed(connection.run(work), columns, output)


@connected
def due(
    connection: Connection,
    kind: Annotated[str, typer.Argument(metavar="[KIND]", help="Of this kind only.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """List what is to be done about records, the earliest first; what is overdue stays."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [_plain(one) async for one in gateway.registers.due(kind)]

    columns = ("due_on", "kind", "id", "what", "role", "statute")
    listed(connection.run(work), columns, output)


def events(kind: Kind, output: Output = Format.TABLE) -> None:
    """List everything that can happen to records of a kind; asks no node."""
    if (machine := MACHINES.get(kind)) is None:
        raise UsageError(f"no kind {kind}; there are {', '.join(sorted(MACHINES))}")
    columns = ("event", "from", "to", "roles", "must", "may")
    listed((_event(one) for one in machine.events), columns, output)


@connected
def apply(
    *,
    kind: Kind,
    record_id: Id,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="See `register events KIND`.")],
    connection: Connection,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A field; JSON or text; repeatable."),
    ] = None,
    etag: Annotated[
        str, typer.Option(help="Of the record as you saw it; asked of the node where not given.")
    ] = "",
    request_id: Annotated[
        str | None, typer.Option(help="UUID; the same one again gives the same change.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Apply an event to a record, as an officer of its office. Asks before it changes anything."""
    values = dict(_given(one) for one in given or ())

    async def work(gateway: Gateway, etag: str, *, dry: bool) -> Any:
        return await gateway.registers.apply(
            kind,
            record_id,
            event,
            given=values,
            etag=etag,
            request_id=request_id,
            validate_only=dry,
        )

    seen = etag or connection.run(lambda gateway: _etag(gateway, kind, record_id))
    if dry_run or not yes:
        would = connection.run(lambda gateway: work(gateway, seen, dry=True))
        if dry_run:
            shown(_record(would), output)
            return
        typer.confirm(f"{kind} {record_id} will be {would.state}. Apply {event}?", abort=True)
    shown(_record(connection.run(lambda gateway: work(gateway, seen, dry=False))), output)


async def _etag(gateway: Gateway, kind: str, record_id: str) -> str:
    """The record's etag now; empty where there is no such record yet."""
    try:
        return (await gateway.registers.get(kind, record_id)).etag
    except GatewayCallError as error:
        if error.reason != Reason.RECORD_UNKNOWN:
            raise
        return ""


def _given(text: str) -> tuple[str, Any]:
    name, parted, value = text.partition("=")
    if not parted or not name:
        raise UsageError(f"--set takes NAME=VALUE, not {text}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _moment(text: str) -> datetime:
    try:
        if len(text) == len("2026-03-16"):
            return parse_instant(text + "T23:59:59.999+08:00")
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"--as-of is no time with an offset: {text}") from error


def _record(one: Any) -> dict[str, Any]:
    """A record as the node gives it."""
    return {
        "kind": one.kind,
        "id": one.id,
        "owner": one.owner,
        "state": one.state,
        "since": instant(one.since.ToDatetime(tzinfo=UTC)) if one.HasField("since") else "",
        "etag": one.etag,
        "version": one.version,
        "body": _whole(MessageToDict(one.body)),
        "events": [event.name for event in one.events],
    }


def _plain(message: Message) -> dict[str, Any]:
    """Every field, with the proto's own names, whether or not it has a value."""
    found: dict[str, Any] = _whole(
        MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    )
    return found


def _whole(value: Any) -> Any:
    """Numbers as registers know them: the wire has fractions only."""
    match value:
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case float():
            return int(value)
    return value


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.name,
        "title": event.title,
        "from": list(event.sources) or ["(new)"],
        "to": list(event.to) or ["(same)"],
        "roles": list(event.roles),
        "must": list(event.must),
        "may": list(event.optional),
        "statute": event.statute,
    }
