"""A node's keys on disk: the public halves shown, keys rolled and retired.

Private halves are never printed. What a running node does with a new file is its own part: it
looks every two seconds.
"""

import os
import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.cli.output import Format, Output, shown
from xbgateway.core import topology_of
from xbgateway.identity import load_ed25519, load_seal_seed
from xbgateway.identity.keyfiles import (
    PRIVATE_MODE,
    SEAL_LABEL,
    SEAL_SEED_BYTES,
    labelled,
    private_pem,
    write_file,
)
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import SEALING_RETIRED_S
from xbgateway.node_keys import COMPROMISED_KEY, NodeKeys
from xbgateway.register import Register, load_register
from xbgateway.seal import SealingKey

app = typer.Typer(help="A node's keys: public halves, rolling, retiring.", rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The node's folder of keys.")]
Compromised = Annotated[
    bool, typer.Option("--compromised", help="Somebody else may have the old key: say so.")
]
_TIME = "%Y%m%dT%H%M%SZ"


class Use(StrEnum):
    """What a key is for; the file in use has this name."""

    SEAL = "seal"
    LOG = "log"
    COSIGN = "cosign"


@app.command()
def show(
    directory: Folder,
    register: Annotated[
        Path | None, typer.Option(help="Register file: adds the vkeys of all the node's logs.")
    ] = None,
    lanes: Annotated[int, typer.Option(help="Data lanes per peer and direction.", min=1)] = 1,
    output: Output = Format.TABLE,
) -> None:
    """Show the public halves of a node's keys; with the register, a vkey for each of its logs.

    A vkey is what outside tools (C2SP) verify checkpoints with.
    """
    keys = NodeKeys.load(directory, "unnamed", "node")
    record: dict[str, Any] = {
        "log_key": keys.logs.newest.verifier.public_key.hex(),
        "cosign_key": keys.cosigners.newest.verifier.public_key.hex(),
        "sealing_key": keys.ring.newest.key_id,
        **{
            name: [f"{time} {_shown(use, path)}" for time, path in _retired(directory, use)]
            for use, name in (
                (Use.LOG, "replaced_log_keys"),
                (Use.COSIGN, "replaced_cosign_keys"),
                (Use.SEAL, "retired_sealing_keys"),
            )
        },
    }
    if register is not None:
        found = load_register(register.read_bytes(), register.parent)
        node = _node_of(found, keys)
        named = NodeKeys.load(directory, found.node(node).trust_domain, node)
        record["node"] = node
        record["vkeys"] = [
            keys.logs.newest.named(origin).vkey for origin in topology_of(found, node, lanes).own()
        ]
        record["cosigner_vkey"] = named.cosigners.newest.vkey
    shown(record, output)


@app.command("rotate-sealing")
def rotate_sealing(directory: Folder) -> None:
    """Make a new sealing key; the old one stays as seal-<time>.key and still opens.

    A running node announces the new key to its peers within seconds. Delete the old one with
    `keys retire` once nothing sealed for it can arrive any more.
    """
    load_seal_seed(directory / "seal.key")
    seed = secrets.token_bytes(SEAL_SEED_BYTES)
    _rotate(directory, Use.SEAL, labelled(SEAL_LABEL, seed))


@app.command("rotate-log")
def rotate_log(directory: Folder, compromised: Compromised = False) -> None:
    """Make a new log-signing key; the old one stays as log-<time>.key and signs over the change.

    A running node names the new key in each of its logs within seconds, and its peers accept
    nothing newer under the old one. Tell the other side's operators of the new public key: it
    belongs into the register at its next edition, the old one among `former_log_keys`.
    """
    _rotate_signing(directory, Use.LOG, compromised=compromised)


@app.command("rotate-cosigning")
def rotate_cosigning(directory: Folder, compromised: Compromised = False) -> None:
    """Make a new cosigning key; the old one stays as cosign-<time>.key until all peers know.

    As `rotate-log`; in the register the old one goes among `former_cosign_keys`.
    """
    _rotate_signing(directory, Use.COSIGN, compromised=compromised)


def _rotate_signing(directory: Path, use: Use, *, compromised: bool) -> None:
    load_ed25519(directory / f"{use}.key")
    made = private_pem(Ed25519PrivateKey.generate())
    _rotate(directory, use, made, COMPROMISED_KEY if compromised else ".key")


def _rotate(directory: Path, use: Use, made: bytes, ending: str = ".key") -> None:
    """Put a new key in place of the old, which is kept under the time."""
    current = directory / f"{use}.key"
    old = _shown(use, current)
    kept = directory / f"{use}-{datetime.now(UTC):{_TIME}}{ending}"
    # A link, then a rename over the first name: at no moment is there no key in use. A run that
    # died in between left the link behind, and it is that one which is kept.
    left = [(time, path) for time, path in _retired(directory, use) if path.samefile(current)]
    if left:
        time, path = left[-1]
        kept = path.rename(directory / f"{use}-{time}{ending}")
    elif any(time in kept.name for time, _ in _retired(directory, use)):
        raise Refused(Reason.CONFIG_INVALID, f"{use}.key was replaced this very second; try again")
    else:
        os.link(current, kept)
    write_file(current, made, PRIVATE_MODE)
    print(f"old  {old}  {kept.name}")
    print(f"new  {_shown(use, current)}  {current.name}")


def _shown(use: Use, path: Path) -> str:
    """What a key is known by: a sealing key by its id, the others by their public halves."""
    if use is Use.SEAL:
        return SealingKey.from_seed(load_seal_seed(path)).key_id
    return load_ed25519(path).public_key().public_bytes_raw().hex()


@app.command()
def retire(
    directory: Folder,
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="As in seal-TIME.key, e.g. 20260316T020000Z.")
    ],
    use: Annotated[Use, typer.Option("--use", help="What the key was for.")] = Use.SEAL,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    early: Annotated[
        bool, typer.Option("--early", help="Also while it may still be needed.")
    ] = False,
) -> None:
    """Delete a replaced key for good.

    What was sealed for a sealing key can never be opened again. A log or cosigning key is needed
    until every peer has been linked once since the roll; the register has to know its successor.
    """
    path = dict(_retired(directory, use)).get(time)
    if path is None:
        raise Refused(Reason.CONFIG_INVALID, f"there is no {use}-{time}.key in {directory}")
    age_s = (datetime.now(UTC) - datetime.strptime(time, _TIME).replace(tzinfo=UTC)).total_seconds()
    if age_s < SEALING_RETIRED_S and not early:
        days = SEALING_RETIRED_S / 86_400
        raise Refused(
            Reason.KEY_RETIRED,
            f"{path.name} was replaced less than {days:.0f} days ago (--early deletes it)",
        )
    key = _shown(use, path)
    if not yes:
        typer.confirm(f"Delete {use} key {key} for good?", abort=True, err=True)
    path.unlink()
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    print(f"deleted  {key}  {path.name}")


def _retired(directory: Path, use: Use) -> list[tuple[str, Path]]:
    """Time and file of each replaced key of one use, oldest first."""
    named = re.compile(rf"{use}-(\d{{8}}T\d{{6}}Z)(\.compromised)?\.key")
    found = ((named.fullmatch(path.name), path) for path in sorted(directory.glob(f"{use}-*.key")))
    return [(match[1], path) for match, path in found if match]


def _node_of(register: Register, keys: NodeKeys) -> str:
    for node in register.nodes:
        if bytes.fromhex(node.log_key) in keys.logs:
            return node.id
    raise Refused(Reason.CONFIG_INVALID, "no node of the register has this log key")
