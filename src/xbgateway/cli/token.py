"""Tokens for trying things out: a JWT as a party's system would mint it."""

from pathlib import Path
from typing import Annotated

import typer

from xbgateway.cli.connection import role_list
from xbgateway.client import TokenMint
from xbgateway.model.errors import Reason, Refused

app = typer.Typer(help="Bearer tokens, for development.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `mint` a command of its own."""


@app.command()
def mint(
    *,
    key: Annotated[Path, typer.Option(help="The party's token key, PEM.")],
    cert: Annotated[Path, typer.Option(help="Client certificate that the token is bound to.")],
    party: Annotated[str, typer.Option(help="Who speaks: the party's id.")],
    node: Annotated[str, typer.Option(help="To whom: the node's SPIFFE id.")],
    system: Annotated[str, typer.Option(help="Which system of the party.")] = "cli",
    roles: Annotated[str, typer.Option(help="Offices of the person, parted by commas.")] = "",
    kid: Annotated[str, typer.Option(help="Key id under which the node knows the key.")] = "token",
    lifetime_s: Annotated[int, typer.Option(help="Seconds until it ends.", min=1, max=3600)] = 600,
) -> None:
    """Mint a token and print it: for grpcurl and tests. The SDK mints its own."""
    try:
        token = TokenMint(
            key=key.read_bytes(),
            certificate=cert.read_bytes(),
            party=party,
            system=system,
            node=node,
            kid=kid,
            lifetime_s=lifetime_s,
            roles=role_list(roles),
        )
    except (ValueError, TypeError) as error:
        raise Refused(Reason.CONFIG_INVALID, f"no token can be minted: {error}") from error
    print(token())
