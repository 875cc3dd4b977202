"""The oracle over store files: what anybody can check of stopped nodes, with public keys only.

As ``oracle.py``, but nothing of a running node is believed: rows are read from the files, every
log is re-hashed, checkpoints and cosignatures are verified with the register's keys, mirrors and
logs are compared to the byte, home logs are held against their anchors, and both sides have to
read every exchange alike.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from xbgateway.model.entry import Anchor, SigningKeys, decode, leaf_hex
from xbgateway.model.origins import is_data, parse
from xbgateway.model.outcome import Placed, Position, State, outcome
from xbgateway.node_keys import cosigner_name
from xbgateway.register import Register, load_register
from xbgateway.register.entries import Node
from xbgateway.store.schema import INDEX_BITS, exchange_key
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    NoteVerifier,
    SignatureType,
    leaf_hash,
    open_checkpoint,
    verify_cosignature_line,
)


@dataclass(frozen=True)
class StoredLog:
    """One log as its rows say."""

    node: str
    origin: str
    role: str
    size: int
    checkpoint: bytes | None
    held_size: int
    held: bytes | None
    stopped: str | None
    entries: list[bytes]
    roots: list[bytes]  # by size, from 0

    @property
    def name(self) -> str:
        return f"{self.node}: {self.origin}"


@dataclass
class Report:
    """Each exchange as both sides read it, and what was looked at."""

    outcomes: dict[str, State] = field(default_factory=dict)
    entries: int = 0
    held: dict[str, int] = field(default_factory=dict)


def examine(stores: Mapping[str, Path], register_file: Path, *, settled: bool = True) -> Report:
    """Raises ``AssertionError`` naming the first thing that is wrong.

    ``settled``: the nodes had time to finish, so that mirrors are complete and nothing waits.
    """
    register = load_register(register_file.read_bytes(), register_file.parent)
    logs = {node: {log.origin: log for log in _logs(node, path)} for node, path in stores.items()}
    report = Report()
    for mine in logs.values():
        for log in mine.values():
            reader = parse(log.origin).reader
            theirs = (one for one in logs.get(reader or "", {}).values() if one.role == "own")
            _check_log(log, register, next((one.entries for one in theirs), []))
            report.entries += log.size
            if log.role == "own":
                report.held[log.origin] = log.held_size
    _check_mirrors(logs, settled=settled)
    _check_anchors(logs)
    _check_exchanges(logs, report)
    for node, path in stores.items() if settled else ():
        waiting = [pos for (pos,) in _rows(path, "SELECT pos FROM pending WHERE step <> 'held'")]
        assert not waiting, f"{node}: {len(waiting)} entries still wait"
    return report


def sizes(store: Path) -> dict[str, int]:
    """Size of each log in a store, also of a running node."""
    return dict(_rows(store, "SELECT origin, size FROM logs"))


def waiting(store: Path) -> int:
    """Mirrored entries that a node has yet to act on."""
    ((count,),) = _rows(store, "SELECT count(*) FROM pending WHERE step <> 'held'")
    return int(count)


def on_record(store: Path, exchange: str) -> str:
    """What a store, also of a running node, has of an exchange: entries, and steps to be taken."""
    if not exchange:
        return "never heard of"
    sql = (
        "SELECT l.origin, e.entry, p.step FROM entries e JOIN logs l ON l.id = e.pos >> ?"
        " LEFT JOIN pending p USING (pos) WHERE e.exchange = ? ORDER BY e.pos"
    )
    return "; ".join(
        f"{decode(entry).kind} in {origin}" + (f", to do: {step}" if step else "")
        for origin, entry, step in _rows(store, sql, INDEX_BITS, exchange_key(exchange))
    )


def _rows(path: Path, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg] # each its own
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql, values).fetchall()


def _logs(node: str, path: Path) -> Iterator[StoredLog]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        connection.execute("BEGIN")
        rows = connection.execute(
            "SELECT id, origin, role, size, checkpoint, held_size, held, stopped FROM logs"
        ).fetchall()
        for row, origin, role, size, checkpoint, held_size, held, stopped in rows:
            first = row << INDEX_BITS
            found = connection.execute(
                "SELECT pos, entry FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos",
                (first, first + (1 << INDEX_BITS)),
            ).fetchall()
            assert [pos - first for pos, _ in found] == list(range(size)), (
                f"{node}: {origin} has {len(found)} rows for {size} entries"
            )
            entries, frontier = [entry for _, entry in found], Frontier()
            roots = [frontier.root()]
            for entry in entries:
                frontier.append(leaf_hash(entry))
                roots.append(frontier.root())
            yield StoredLog(
                node, origin, role, size, checkpoint, held_size, held, stopped, entries, roots
            )


def signing_keys(entries: Sequence[bytes], writer: str) -> dict[int, SigningKeys]:
    """What a log says of its writer's keys, by the size of the log from which on it counts."""
    told = ((size, raw) for size, raw in enumerate(entries, start=1) if b'"signing_keys"' in raw)
    return {
        size: entry
        for size, raw in told
        if isinstance(entry := decode(raw), SigningKeys) and entry.node == writer
    }


def log_verifier(origin: str, register: Register, entries: Sequence[bytes]) -> NoteVerifier:
    """The key that has to sign a checkpoint over exactly these entries."""
    writer = register.node(parse(origin).writer)
    key = writer.log_key
    for entry in signing_keys(entries, writer.id).values():
        key = entry.log_key
    return NoteVerifier(origin, bytes.fromhex(key), SignatureType.ED25519)


def cosigner_verifiers(node: Node, entries: Sequence[bytes]) -> list[NoteVerifier]:
    """Every key that a node cosigned with, by the register and a log of its own."""
    keys = [node.cosign_key, *(one.cosign_key for one in signing_keys(entries, node.id).values())]
    name = cosigner_name(node.trust_domain, node.id)
    return [
        NoteVerifier(name, bytes.fromhex(key), SignatureType.COSIGNATURE_V1)
        for key in dict.fromkeys(keys)
    ]


def _check_log(log: StoredLog, register: Register, of_reader: Sequence[bytes]) -> None:
    """``of_reader``: entries of a log that the reader writes."""
    assert log.stopped is None, f"{log.name} stopped: {log.stopped}"
    if log.checkpoint is not None:
        size = Checkpoint.parse(log.checkpoint.partition(b"\n\n")[0] + b"\n").size
        verifier = log_verifier(log.origin, register, log.entries[:size])
        checkpoint = open_checkpoint(log.checkpoint, verifier, log.origin)
        assert checkpoint.size <= log.size, f"{log.name}: more is signed than there is"
        assert log.roots[checkpoint.size] == checkpoint.root, f"{log.name}: another log is signed"
        if log.role == "mirror":
            assert checkpoint.size == log.size, f"{log.name}: entries that nobody signed"
    else:
        assert log.role == "own" or log.size == 0, f"{log.name}: a mirror without a signature"
    if log.held is not None:
        reader = register.node(parse(log.origin).reader or "")
        text, _, lines = log.held.partition(b"\n\n")
        line = lines.splitlines(keepends=True)[-1]
        verify_cosignature_line(text + b"\n", line, cosigner_verifiers(reader, of_reader))
        held = Checkpoint.parse(text + b"\n")
        verifier = log_verifier(log.origin, register, log.entries[: held.size])
        open_checkpoint(log.held, verifier, log.origin)
        assert held.size == log.held_size
        assert held.size <= log.size, f"{log.name}: the peer holds more than there is"
        assert log.roots[held.size] == held.root, f"{log.name}: the receipt is of another log"


def _check_mirrors(logs: Mapping[str, Mapping[str, StoredLog]], *, settled: bool) -> None:
    for mine in logs.values():
        for log in mine.values():
            own = logs.get(parse(log.origin).writer, {}).get(log.origin)
            if log.role != "mirror" or own is None:
                continue
            assert log.size <= own.size, f"{log.name} is ahead of its log ({log.size}/{own.size})"
            assert own.entries[: log.size] == log.entries, f"{log.name} is not a prefix"
            assert own.held_size <= log.size, f"{log.name}: a receipt for what is not held"
            if settled:
                # Only anchors, which a node writes by itself every second until it is stopped, may
                # come too late for the mirror, and those stand in control lanes alone.
                lacking = [decode(raw) for raw in own.entries[log.size :]]
                late = [e for e in lacking if is_data(log.origin) or not isinstance(e, Anchor)]
                assert not late, f"{log.name} lacks {late}"


def _check_anchors(logs: Mapping[str, Mapping[str, StoredLog]]) -> None:
    """What a node told its peers of its home log is still true."""
    for node, mine in logs.items():
        home = next(log for log in mine.values() if parse(log.origin).reader is None)
        for log in (each for others in logs.values() for each in others.values()):
            origin = parse(log.origin)
            if origin.writer != node or origin.lane != "control":
                continue
            for raw in log.entries:
                entry = decode(raw)
                if isinstance(entry, Anchor):
                    assert entry.size <= home.size, f"{node}: the home log lost entries"
                    assert home.roots[entry.size].hex() == entry.root, f"{node}: another home log"


def _check_exchanges(logs: Mapping[str, Mapping[str, StoredLog]], report: Report) -> None:
    views: dict[str, dict[str, list[Placed]]] = {}
    for node, mine in logs.items():
        groups = views.setdefault(node, {})
        for log in mine.values():
            writer = parse(log.origin).writer
            for index, raw in enumerate(log.entries):
                entry = decode(raw)
                exchange = getattr(entry, "exchange", None)
                if exchange is not None:
                    placed = Placed(Position(log.origin, writer, index), leaf_hex(raw), entry)
                    groups.setdefault(exchange, []).append(placed)
    for node, groups in views.items():
        for exchange, members in groups.items():
            state = outcome(members)
            assert not state.anomalies, f"{node}: {exchange}: {state.anomalies}"
            known = report.outcomes.setdefault(exchange, state)
            assert known.outcome is state.outcome, (
                f"{exchange}: one side says {known.outcome}, {node} says {state.outcome}"
            )
