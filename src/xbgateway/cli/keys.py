"""A node's keys on disk: the public halves shown, the sealing key rolled and retired.

Private halves are never printed. What a running node does with a new file is its own part: it
looks every two seconds.
"""

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from xbgateway.cli.output import Format, Output, shown
from xbgateway.core import NodeKeys, topology_of
from xbgateway.identity import load_seal_seed
from xbgateway.identity.keyfiles import (
    PRIVATE_MODE,
    SEAL_LABEL,
    SEAL_SEED_BYTES,
    labelled,
    write_file,
)
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import SEALING_RETIRED_S
from xbgateway.register import Register, load_register
from xbgateway.seal import SealingKey

app = typer.Typer(help="A node's keys: public halves, sealing-key roll.", rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The node's folder of keys.")]
_TIME = "%Y%m%dT%H%M%SZ"
_RETIRED = re.compile(r"seal-(\d{8}T\d{6}Z)\.key")


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
        "log_key": keys.log.verifier.public_key.hex(),
        "cosign_key": keys.cosigner.verifier.public_key.hex(),
        "sealing_key": keys.ring.newest.key_id,
        "retired_sealing_keys": [
            f"{time} {SealingKey.from_seed(load_seal_seed(path)).key_id}"
            for time, path in _retired(directory)
        ],
    }
    if register is not None:
        found = load_register(register.read_bytes(), register.parent)
        node = _node_of(found, record["log_key"])
        named = NodeKeys.load(directory, found.node(node).trust_domain, node)
        record["node"] = node
        record["vkeys"] = [
            keys.log.named(origin).vkey for origin in topology_of(found, node, lanes).own()
        ]
        record["cosigner_vkey"] = named.cosigner.vkey
    shown(record, output)


@app.command("rotate-sealing")
def rotate_sealing(directory: Folder) -> None:
    """Make a new sealing key; the old one stays as seal-<time>.key and still opens.

    A running node announces the new key to its peers within seconds. Delete the old one with
    `keys retire` once nothing sealed for it can arrive any more.
    """
    current = directory / "seal.key"
    old = SealingKey.from_seed(load_seal_seed(current))
    time = f"{datetime.now(UTC):{_TIME}}"
    kept = directory / f"seal-{time}.key"
    # A link, then a rename over the first name: at no moment is there no seal.key. A run that died
    # in between left the link behind, and it is that one which is kept.
    left = [path for _, path in _retired(directory) if path.samefile(current)]
    if left:
        kept = left[-1]
    else:
        os.link(current, kept)
    seed = secrets.token_bytes(SEAL_SEED_BYTES)
    write_file(current, labelled(SEAL_LABEL, seed), PRIVATE_MODE)
    print(f"old  {old.key_id}  {kept.name}")
    print(f"new  {SealingKey.from_seed(seed).key_id}  {current.name}")


@app.command()
def retire(
    directory: Folder,
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="As in seal-TIME.key, e.g. 20260316T020000Z.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    early: Annotated[
        bool, typer.Option("--early", help="Also while something sealed for it may arrive.")
    ] = False,
) -> None:
    """Delete a retired sealing key for good: what was sealed for it can never be opened again."""
    path = dict(_retired(directory)).get(time)
    if path is None:
        raise Refused(Reason.CONFIG_INVALID, f"there is no seal-{time}.key in {directory}")
    age_s = (datetime.now(UTC) - datetime.strptime(time, _TIME).replace(tzinfo=UTC)).total_seconds()
    if age_s < SEALING_RETIRED_S and not early:
        days = SEALING_RETIRED_S / 86_400
        raise Refused(
            Reason.KEY_RETIRED,
            f"seal-{time}.key was replaced less than {days:.0f} days ago (--early deletes it)",
        )
    key = SealingKey.from_seed(load_seal_seed(path))
    if not yes:
        typer.confirm(f"Delete sealing key {key.key_id} for good?", abort=True, err=True)
    path.unlink()
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    print(f"deleted  {key.key_id}  {path.name}")


def _retired(directory: Path) -> list[tuple[str, Path]]:
    """Time and file of each retired sealing key, oldest first."""
    found = ((_RETIRED.fullmatch(path.name), path) for path in sorted(directory.glob("seal-*.key")))
    return [(match[1], path) for match, path in found if match]


def _node_of(register: Register, log_key: str) -> str:
    for node in register.nodes:
        if node.log_key == log_key:
            return node.id
    raise Refused(Reason.CONFIG_INVALID, "no node of the register has this log key")
