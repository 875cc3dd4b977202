"""Duties that decisions left to people: listed, shown, confirmed."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway
from xbgateway.client.duties import state_of
from xbgateway.client.paging import first

app = typer.Typer(help="Duties that decisions left to people.", rich_markup_mode=None)
_COLUMNS = ("duty_id", "state", "verb", "who", "about", "due_at", "party", "exchange_id", "paper")


class State(StrEnum):
    """Which duties to list; ``open`` has overdue ones too."""

    OPEN = "open"
    OVERDUE = "overdue"
    CONFIRMED = "confirmed"


@app.command("list")
@connected
def list_(
    connection: Connection,
    *,
    state: Annotated[State, typer.Option(help="Which; open has overdue ones too.")] = State.OPEN,
    verb: Annotated[str, typer.Option(help="Only file, notify, delete_confirm, ….")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List duties of the calling party, earliest first; for auditors, of every party."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        pages = gateway.duties.list(state=state.value, verb=verb, page_size=min(limit, 500))
        return [_record(one) for one in await first(pages, limit)]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def show(
    duty: Annotated[str, typer.Argument(metavar="DUTY", help="The duty's id.")],
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """Show one duty: who owes what, by when, who may confirm it, and who did."""
    shown(_record(connection.run(lambda gateway: gateway.duties.get(duty))), output)


@app.command()
@connected
def confirm(
    *,
    duties: Annotated[list[str], typer.Argument(metavar="DUTY...", help="Ids of the duties.")],
    connection: Connection,
    note: Annotated[str, typer.Option(help="What was done; no personal data.")] = "",
    evidence: Annotated[str, typer.Option(help="Number of the filing, letter or minute.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Confirm as an officer (--roles) that duties were carried out. Ends at the first refusal."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        return [
            _record(await gateway.duties.confirm(one, note=note, evidence_ref=evidence))
            for one in duties
        ]

    listed(connection.run(work), ("duty_id", "state", "verb", "confirmed_at", "role"), output)


def _record(duty: Any) -> dict[str, Any]:
    """A duty as the JSON contract has it."""
    return {name: _value(duty, name) for name in (f.name for f in duty.DESCRIPTOR.fields)}


def _value(duty: Any, name: str) -> Any:
    value = getattr(duty, name)
    if name == "state":
        return state_of(duty)
    if name.endswith("_at"):
        return value.ToJsonString() if duty.HasField(name) else None
    return list(value) if name in {"rules", "roles"} else value
