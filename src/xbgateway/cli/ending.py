"""How a command ends: exit codes, and the two lines in which an error is told.

``xbgateway: error: …`` and ``xbgateway: hint: …`` go to standard error, results to standard
output, so that a pipe never carries a complaint.
"""

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import apsw
import grpc
import typer
from typer.core import TyperGroup

from xbgateway.client import GatewayCallError
from xbgateway.model.errors import Fatal, GatewayError, Reason, Unavailable
from xbgateway.model.reasons import CATALOGUE

PROGRAM = "xbgateway"


class Ending(IntEnum):
    """Exit codes; ``docs/cli.md`` says the same to users."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    VERIFICATION = 3
    UNAVAILABLE = 4
    CONFIGURATION = 5


ENDINGS = {
    Ending.OK: "done, or found sound",
    Ending.REFUSED: "refused, by policy, by the node or by the other side",
    Ending.USAGE: "the command was not understood",
    Ending.VERIFICATION: "what was verified is not sound",
    Ending.UNAVAILABLE: "a node, store or engine cannot be used now; try again",
    Ending.CONFIGURATION: "a setting, file, key, register or policy cannot be used",
}

_CONFIGURATION = frozenset(
    {Reason.CONFIG_INVALID, Reason.KEY_WEAK, Reason.STORE_VERSION, Reason.POLICY_INVALID}
)
_BUSY = frozenset({Reason.STORE_LOCKED, Reason.STORE_UNAVAILABLE, Reason.POLICY_UNAVAILABLE})
_UNSOUND = frozenset(
    {
        *(Reason.PROOF_INVALID, Reason.CHECKPOINT_MALFORMED, Reason.CHECKPOINT_SIGNATURE),
        *(Reason.CHECKPOINT_ORIGIN, Reason.LOG_SIZE, Reason.LOG_ROLLBACK, Reason.LOG_FORK),
        *(Reason.STORE_CORRUPT, Reason.SEAL_BROKEN),
    }
)
_LATER = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class UsageError(typer.TyperException):
    """The command was understood by the parser and still cannot mean anything."""

    exit_code = Ending.USAGE


def ending_of(error: GatewayError | GatewayCallError) -> Ending:
    """The exit code of an error."""
    if isinstance(error, GatewayCallError):
        return Ending.UNAVAILABLE if error.code in _LATER else Ending.REFUSED
    if error.reason in _CONFIGURATION:
        return Ending.CONFIGURATION
    if error.reason in _BUSY or isinstance(error, Unavailable):
        return Ending.UNAVAILABLE
    if error.reason in _UNSOUND or isinstance(error, Fatal):
        return Ending.VERIFICATION
    return Ending.REFUSED


def tell(line: str) -> None:
    """One line to standard error that is neither result nor error."""
    print(f"{PROGRAM}: {line}", file=sys.stderr)


def tell_error(error: GatewayError | GatewayCallError) -> None:
    """The error and its hint, and what a caller needs to ask again."""
    tell(f"error: {error.reason}: {error.sentence}")
    if isinstance(error, GatewayCallError):
        for name in ("rule", "article", "role", "deadline", "operation"):
            if value := error.metadata.get(name):
                tell(f"{name}: {value}")
        if error.exchange_id:
            tell(f"exchange: {error.exchange_id} ({error.outcome or 'state not known'})")
        if error.request_id:
            tell(f"request id: {error.request_id}")
    hint = hint_of(error.reason)
    if hint:
        tell(f"hint: {hint}")


def hint_of(reason: str) -> str:
    """What to do about a reason, from the errors page; empty for a bare gRPC code."""
    try:
        explanation = CATALOGUE.get(Reason(reason))
    except ValueError:
        return "Check address, roots and certificate of the connection."
    return explanation.hint if explanation else ""


def ended(command: Callable[[], Any]) -> int:
    """Run a command; its exit code, with every expected error told in one voice."""
    try:
        code = command()
    except (GatewayError, GatewayCallError) as error:
        tell_error(error)
        return ending_of(error)
    except typer.TyperException as error:
        tell(f"error: {error.format_message()}")
        context = getattr(error, "ctx", None)
        asked = context.command_path if context is not None else PROGRAM
        tell(f"hint: `{asked} --help` shows what it takes")
        return Ending.USAGE
    except typer.Abort:
        tell("error: not confirmed, nothing was changed")
        return Ending.REFUSED
    except apsw.Error as error:
        damaged = isinstance(error, apsw.CorruptError | apsw.NotADBError)
        reason = Reason.STORE_CORRUPT if damaged else Reason.STORE_UNAVAILABLE
        told = Fatal(reason, f"the store cannot be read: {error}")
        tell_error(told)
        return ending_of(told)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        tell(f"error: {where}{error.strerror or error}")
        return Ending.CONFIGURATION
    return code if isinstance(code, int) else Ending.OK


class Program(TyperGroup):
    """The top of the command tree: every command below it ends through :func:`ended`."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **more: Any) -> Any:
        """Parse, run, exit."""
        more |= {"prog_name": PROGRAM, "standalone_mode": False}
        run = super().main
        sys.exit(ended(lambda: run(args, **more)))
