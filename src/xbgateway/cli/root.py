"""The tree of commands. Says nothing itself."""

import typer

from xbgateway.cli import (
    call,
    certs,
    dead_letter,
    decision,
    duty,
    exchange,
    hold,
    inbox,
    keys,
    log,
    party,
    policy,
    register,
    revision,
    serve,
    store,
    stream,
    submit,
    token,
)
from xbgateway.cli.ending import Program

app = typer.Typer(
    name="xbgateway",
    cls=Program,
    help="Gateway for cross-border government data: decided, sealed, logged, provable.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve.serve, serve.check_config, call.call, submit.submit, serve.version):
    app.command()(command)
for name, group in (
    ("certs", certs.app),
    ("keys", keys.app),
    ("register", register.app),
    ("party", party.app),
    ("token", token.app),
    ("exchange", exchange.app),
    ("hold", hold.app),
    ("inbox", inbox.app),
    ("dead-letter", dead_letter.app),
    ("stream", stream.app),
    ("log", log.app),
    ("store", store.app),
    ("policy", policy.app),
    ("revision", revision.app),
    ("decision", decision.app),
    ("duty", duty.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """The ``xbgateway`` program."""
    app()
