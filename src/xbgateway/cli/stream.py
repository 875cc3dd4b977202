"""Attachments of any size: handed to the own node, and fetched from it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Self
from uuid import uuid4

import typer

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.output import Format, Output, shown
from xbgateway.client import Gateway, GatewayCallError
from xbgateway.model.limits import SEGMENT_BYTES

app = typer.Typer(help="Attachments of any size, segment by segment.", rich_markup_mode=None)

_PATIENCE = 30  # attempts without any progress
_PAUSE_S = 1.0
StreamId = Annotated[
    str,
    typer.Argument(metavar="STREAM", help="The id of an upload, or of the exchange it came with."),
]


@app.command()
@connected
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    stream: Annotated[str, typer.Option("--id", help="Go on with this upload.")] = "",
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """Hand a file to the own node; name the id it prints as a call's attachment."""
    stream_id, size_bytes = stream or str(uuid4()), file.stat().st_size
    print(f"stream {stream_id}", file=sys.stderr)

    async def work(gateway: Gateway) -> None:
        with file.open("rb") as content, _Meter() as meter:

            async def once() -> bool:
                return await gateway.streams.upload(stream_id, content, size_bytes, meter.told)

            await _patiently(once, meter)

    connection.run(work)
    shown({"stream_id": stream_id, "size_bytes": size_bytes, "complete": True}, output)


@app.command()
@connected
def show(stream: StreamId, *, connection: Connection, output: Output = Format.TABLE) -> None:
    """What the node holds of an attachment."""
    found = connection.run(lambda gateway: gateway.streams.get(stream))
    shown(
        {
            "stream_id": found.stream_id,
            "size_bytes": found.size_bytes,
            "bytes_held": found.bytes_held,
            "complete": found.complete,
            "exchange_id": found.exchange_id,
            "create_time": found.create_time.ToJsonString(),
        },
        output,
    )


@app.command()
@connected
def download(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="That brought it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")],
    *,
    connection: Connection,
    output: Output = Format.TABLE,
) -> None:
    """Fetch the attachment of an exchange into a file; what is there of it already is kept."""
    partial = file.with_name(file.name + ".part")

    async def work(gateway: Gateway) -> int:
        size_bytes = (await gateway.streams.get(exchange)).size_bytes
        with partial.open("ab") as content, _Meter() as meter:

            async def once() -> bool:
                start = content.tell() // SEGMENT_BYTES
                content.truncate(start * SEGMENT_BYTES)
                content.seek(0, 2)
                async for segment in gateway.streams.download(exchange, start):
                    content.write(segment)
                    meter.told(content.tell(), size_bytes)
                return content.tell() == size_bytes

            await _patiently(once, meter)
        return size_bytes

    size_bytes = connection.run(work)
    partial.replace(file)
    shown({"exchange_id": exchange, "file": str(file), "size_bytes": size_bytes}, output)


@app.command()
@connected
def delete(stream: StreamId, *, connection: Connection, output: Output = Format.TABLE) -> None:
    """Take back an upload, or give up what came in with an exchange that is over."""
    connection.run(lambda gateway: gateway.streams.delete(stream))
    shown({"stream_id": stream, "deleted": True}, output)


class _Meter:
    """Progress for a person, on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self.done = -1
        self._shown = -1

    def told(self, done: int, size_bytes: int) -> None:
        """So many bytes of all of them."""
        self.done = done
        percent = 100 if not size_bytes else done * 100 // size_bytes
        if sys.stderr.isatty() and percent != self._shown:
            self._shown = percent
            line = f"\r{done / 1e6:,.1f} of {size_bytes / 1e6:,.1f} MB  {percent} %"
            print(line, end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._shown >= 0:
            print(file=sys.stderr)


async def _patiently(once: Callable[[], Awaitable[bool]], meter: _Meter) -> None:
    """Again and again while the node is away, for as long as that brings something at times."""
    idle = 0
    while True:
        before = meter.done
        try:
            if await once():
                return
        except GatewayCallError as error:
            idle = 0 if meter.done > before else idle + 1
            if not error.retryable or idle > _PATIENCE:
                raise
        await asyncio.sleep(_PAUSE_S)
