"""Revisions of the policies at a running node: proposed, looked at, put into use."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.ending import UsageError, tell
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.client import Gateway
from xbgateway.client.paging import first
from xbgateway.client.revisions import state_of
from xbgateway.policy.source import read_policy_directory

app = typer.Typer(
    help="Revisions of the policies at a running node: proposed, looked at, put into use.",
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="PROPOSAL", help="The proposal's id.")]
Save = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write its files to this new folder.")
]
_COLUMNS = ("proposal_id", "state", "create_time", "officer", "revision", "note")


@app.command()
@connected
def active(*, connection: Connection, save: Save = None, output: Output = Format.TABLE) -> None:
    """Show which revision the node decides by, and since when."""
    found = connection.run(lambda gateway: gateway.revisions.active())
    _save(save, found.files)
    shown(
        {
            "revision": found.revision,
            "since": found.since.ToJsonString() if found.HasField("since") else None,
            "files": len(found.files),
        },
        output,
    )


@app.command()
@connected
def propose(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of policies.")],
    connection: Connection,
    note: Annotated[str, typer.Option(help="For the second officer: why.")] = "",
    request_id: Annotated[
        str | None, typer.Option(help="UUID; the same one again gives the same proposal.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Have the node check a folder and keep it until a second officer decides.

    The node runs what `policy check` runs. What is unsound is refused with file, line and reason,
    and the revision in use stays.
    """
    files = read_policy_directory(folder)
    tell(f"the node checks {len(files)} files; this takes some seconds")
    found = connection.run(
        lambda gateway: gateway.revisions.propose(files, note=note, request_id=request_id)
    )
    shown(_record(found), output)


@app.command("list")
@connected
def list_(
    *,
    connection: Connection,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List proposals, newest first."""

    async def work(gateway: Gateway) -> list[dict[str, Any]]:
        pages = gateway.revisions.list(page_size=min(limit, 500))
        return [_record(one) for one in await first(pages, limit)]

    listed(connection.run(work), _COLUMNS, output)


@app.command()
@connected
def show(
    *, proposal: Name, connection: Connection, save: Save = None, output: Output = Format.TABLE
) -> None:
    """Show a proposal: whose, what was checked, which files differ from the revision in use."""
    found = connection.run(lambda gateway: gateway.revisions.get(proposal))
    _save(save, found.files)
    shown(_record(found), output)


@app.command()
@connected
def approve(
    *,
    proposal: Name,
    connection: Connection,
    reason: Annotated[str, typer.Option(help="Why; kept at this node.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Put a proposed revision into use, at once and without a restart.

    Only another officer than the one who proposed it can, and only over the revision that it was
    proposed over.
    """
    done = connection.run(lambda gateway: gateway.revisions.approve(proposal, reason=reason))
    shown(_record(done), output)


@app.command()
@connected
def reject(
    *,
    proposal: Name,
    connection: Connection,
    reason: Annotated[str, typer.Option(help="Why; kept at this node.")],
    output: Output = Format.TABLE,
) -> None:
    """End a proposal; whoever made it may withdraw it so."""
    shown(_record(connection.run(lambda g: g.revisions.reject(proposal, reason))), output)


def _record(found: Any) -> dict[str, Any]:
    """A proposal as the JSON contract has it: everything but the files' content."""
    record = MessageToDict(
        found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    del record["files"]
    record["state"] = state_of(found)
    return record


def _save(folder: Path | None, files: Iterable[Any]) -> None:
    if folder is None:
        return
    if folder.exists():
        raise UsageError(f"{folder} is there already; name a new folder")
    for one in files:
        path = folder / one.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"the node names a file outside the folder: {one.path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
