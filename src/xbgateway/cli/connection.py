"""How a command reaches a running node: options, environment, or a profile file.

What is given on the command line wins over the environment (``XBG_…``), and that over the profile
(TOML, the same names; relative paths count from its folder). :func:`connected` gives a command all
of these options at once.
"""

import asyncio
import functools
import inspect
import os
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from xbgateway.cli.ending import UsageError
from xbgateway.client import Gateway
from xbgateway.model.errors import Reason, Refused

ENVIRONMENT = "XBG_"
_FILES = frozenset({"cert", "key", "roots", "token_key"})
_REQUIRED = ("address", "cert", "key", "roots")
_Result = TypeVar("_Result")

_HELP: Mapping[str, str] = {
    "profile": "TOML file with any of the options below.",
    "address": "Host and port of the node.",
    "cert": "Client certificate chain, PEM.",
    "key": "Its private key, PEM.",
    "roots": "Roots of the node, PEM.",
    "party": "The party that calls.",
    "node": "The node's SPIFFE id, for tokens.",
    "token_key": "Key that signs tokens, PEM; the certificate's where not given.",
    "kid": "Key id of the token key at the node.  [default: token]",
    "roles": "Offices of the person who calls, parted by commas.",
    "system": "Which system of the party calls.  [default: cli]",
    "server_name": "Name in the node's certificate, where it is not the address.",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the node is and who calls."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, given: Mapping[str, str | None]) -> "Connection":
        """From the options; what was not given comes from the profile. Raises as reading does."""
        profile = given.get("profile")
        values = _profile(Path(profile)) if profile else {}
        values |= {name: value for name, value in given.items() if value and name != "profile"}
        missing = [name for name in _REQUIRED if name not in values]
        if missing:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise UsageError(f"no connection to a node: {named} missing (or a --profile with them)")
        return cls(values)

    def run(self, work: Callable[[Gateway], Awaitable[_Result]]) -> _Result:
        """Connect, do ``work``, close. Raises ``GatewayCallError``."""

        async def whole() -> _Result:
            async with self._gateway() as gateway:
                return await work(gateway)

        return asyncio.run(whole())

    def _gateway(self) -> Gateway:
        values = self.values
        key = values.get("token_key")
        try:
            return Gateway.connect(
                values["address"],
                certificate=Path(values["cert"]),
                key=Path(values["key"]),
                roots=Path(values["roots"]),
                party=values.get("party"),
                node=values.get("node"),
                system=values.get("system", "cli"),
                token_key=Path(key) if key else None,
                kid=values.get("kid", "token"),
                roles=role_list(values.get("roles", "")),
                server_name=values.get("server_name"),
            )
        except (ValueError, TypeError) as error:
            raise Refused(
                Reason.CONFIG_INVALID, f"the connection cannot be used: {error}"
            ) from error


def connected(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """Replace a command's ``connection`` parameter by all the options that make one."""
    own = inspect.signature(command, eval_str=True).parameters
    parameters = [p for name, p in own.items() if name != "connection"]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{name.replace('_', '-')}", help=text, envvar=ENVIRONMENT + name.upper()
                ),
            ],
        )
        for name, text in _HELP.items()
    ]

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> _Result:
        given = {name: kwargs.pop(name) for name in _HELP}
        return command(*args, connection=Connection.of(given), **kwargs)

    # Typer reads both; functools.wraps left the command's own.
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined] # documented
    run.__annotations__ = {p.name: p.annotation for p in keyword}
    return run


def role_list(text: str) -> tuple[str, ...]:
    """Offices as given on the command line: ``cdo,compliance``."""
    return tuple(role.strip() for role in text.split(",") if role.strip())


def _profile(file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as content:
            read = tomllib.load(content)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(Reason.CONFIG_INVALID, f"profile: {file}: not TOML: {error}") from error
    unknown = sorted(set(read) - (set(_HELP) - {"profile"}))
    wrong = sorted(name for name, value in read.items() if not isinstance(value, str))
    if unknown or wrong:
        name = (unknown or wrong)[0]
        why = "no option has this name" if unknown else "text is wanted"
        raise Refused(Reason.CONFIG_INVALID, f"profile: {file}: {name}: {why}")
    base = file.parent
    return {n: os.fspath(base / v) if n in _FILES else v for n, v in read.items()}
