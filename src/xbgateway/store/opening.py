"""Opening a store: the writing connection, and the heads of its logs held against its rows.

What does not match its own last checkpoint, or what the last commit said, is not opened: no new
checkpoint is ever signed over damaged data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from xbgateway.model.errors import Fatal, Reason
from xbgateway.model.limits import START_TILES_MAX
from xbgateway.model.origins import parse
from xbgateway.tlog import Checkpoint, Keys, NoteSigner, Turn, Turns
from xbgateway.tlog.tiles import TILE_WIDTH

from .connection import Connection
from .logs import LogHead, restore, scrub, signed
from .schema import migrate
from .turns import INSERT_TURN, turns_in, values_of


@dataclass(frozen=True, slots=True)
class LogSpec:
    """A log that the store shall have: an own one has signers.

    ``first`` are its writer's keys from size 0 on, where nothing else is on record yet.
    """

    origin: str
    first: Turn
    signers: Keys[NoteSigner] | None = None


def connect(path: Path, synchronous: str) -> apsw.Connection:
    """The writing connection. Raises ``Fatal(STORE_UNAVAILABLE | STORE_VERSION)``."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(5000)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", synchronous)
        # Erased payloads must not linger in free pages.
        connection.pragma("secure_delete", True)
        connection.pragma("foreign_keys", True)
        # Only this connection checkpoints; readers never do.
        connection.pragma("wal_autocheckpoint", 4000)
        connection.pragma("cache_size", -65536)
        migrate(connection)
    except apsw.Error as error:
        raise Fatal(
            Reason.STORE_UNAVAILABLE, f"the store {path.name} cannot be opened: {error}"
        ) from error
    return connection


def load_heads(connection: Connection, specs: Sequence[LogSpec]) -> dict[str, LogHead]:
    """Every log that the store shall have. Raises ``Fatal(STORE_CORRUPT)``."""
    heads = {}
    for spec in specs:
        role = "own" if spec.signers else "mirror"
        connection.execute(
            "INSERT INTO logs (origin, role) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (spec.origin, role),
        )
        row = connection.execute(
            "SELECT id, size, checkpoint, held_size, held, stopped FROM logs WHERE origin = ?",
            (spec.origin,),
        ).fetchone()
        assert row is not None
        heads[spec.origin] = _head(connection, spec, role, row, _turns(connection, spec, row[0]))
    own = {_ends(head.origin): head.row for head in heads.values() if head.own}
    for head in heads.values():
        writer, reader, lane = _ends(head.origin)
        if not head.own and lane.isdecimal():
            head.answering = own.get((reader, writer, lane))
    return heads


def _ends(origin: str) -> tuple[str | None, str | None, str]:
    parts = parse(origin)
    return parts.writer, parts.reader, parts.lane


def _turns(connection: Connection, spec: LogSpec, log: int) -> Turns:
    """The keys of a log; a new one begins with those that its writer has come to elsewhere."""
    if found := turns_in(connection, log):
        return found
    first, parts = spec.first, parse(spec.origin)
    for lane in ("home", "control"):
        sibling = str(replace(parts, lane=lane, reader=None if lane == "home" else parts.reader))
        row = connection.execute("SELECT id FROM logs WHERE origin = ?", (sibling,)).fetchone()
        if row is not None and (known := turns_in(connection, row[0])):
            first = replace(known.last, size=0, compromised=frozenset())
            break
    connection.execute(INSERT_TURN, (log, *values_of(first)))
    return Turns((first,))


def _head(
    connection: Connection, spec: LogSpec, role: str, row: tuple[Any, ...], turns: Turns
) -> LogHead:
    """Rebuild a head from its rows and hold it against the last checkpoint on record."""
    row_number, size, note, held_size, held, stopped = row
    frontier = restore(connection, row_number, size)
    head = LogHead(
        row_number, spec.origin, role, frontier, note, held_size, held, stopped,
        turns, spec.signers,
    )  # fmt: skip
    if note is not None:
        last = Checkpoint.parse(note.partition(b"\n\n")[0] + b"\n")
        at = frontier if last.size == size else restore(connection, row_number, last.size)
        if last.size > size or at.root() != last.root:
            raise Fatal(
                Reason.STORE_CORRUPT,
                f"log {spec.origin} does not match its own checkpoint of size {last.size}",
                origin=spec.origin,
            )
        head.last = last
    committed = connection.execute(
        "SELECT size, root FROM roots WHERE log = ?", (row_number,)
    ).fetchone()
    if committed is not None and committed != (size, frontier.root()):
        raise Fatal(
            Reason.STORE_CORRUPT,
            f"the rows of log {spec.origin} are not those that were committed",
            origin=spec.origin,
        )
    # What was written last is what a bad stop damages: it is hashed again before anything is signed
    # over it. Everything older is the scrubber's, at its own pace.
    full = size // TILE_WIDTH
    for tile in range(max(0, full - START_TILES_MAX), full):
        scrub(connection, head, tile)
    if spec.signers is not None:
        # A crash may have fallen between the commit and its checkpoint: sign it now.
        head.checkpoint = signed(head, frontier, head.last.size if head.last else 0)
    return head
