"""The turns of a log's keys (:mod:`xbgateway.tlog.keys`) as entries say them and rows keep them."""

from collections.abc import Iterable
from typing import Any

from xbgateway.model.entry import Entry, SigningKeys
from xbgateway.model.errors import Refused
from xbgateway.model.origins import parse
from xbgateway.tlog import Turn, Turns

from .connection import Connection

INSERT_TURN = "INSERT INTO turns VALUES (?, ?, ?, ?, ?)"
_KEY_BYTES = 32


def turn_of(origin: str, index: int, entry: Entry | Refused | None, before: Turn) -> Turn | None:
    """The turn that an entry of a log makes, if it is its writer's word about its keys.

    REQ-LOG-22: another node's word about them is none.
    """
    if not isinstance(entry, SigningKeys) or entry.node != parse(origin).writer:
        return None
    gone = {
        "no": (),
        "log": (before.log_key,),
        "cosign": (before.cosign_key,),
        "both": (before.log_key, before.cosign_key),
    }
    return Turn(
        index + 1,
        bytes.fromhex(entry.log_key),
        bytes.fromhex(entry.cosign_key),
        frozenset(gone[entry.compromised]),
    )


def values_of(turn: Turn) -> tuple[Any, ...]:
    """A turn as its row, after the log's number."""
    gone = b"".join(sorted(turn.compromised))
    return turn.size, turn.log_key, turn.cosign_key, gone


def turns_in(connection: Connection, log: int) -> Turns | None:
    """The turns of a log on record; none where it never had a key on record."""
    rows: Iterable[tuple[int, bytes, bytes, bytes]] = connection.execute(
        "SELECT size, log_key, cosign_key, compromised FROM turns WHERE log = ? ORDER BY size",
        (log,),
    )
    found = tuple(
        Turn(
            size,
            log_key,
            cosign_key,
            frozenset(gone[at : at + _KEY_BYTES] for at in range(0, len(gone), _KEY_BYTES)),
        )
        for size, log_key, cosign_key, gone in rows
    )
    return Turns(found) if found else None
