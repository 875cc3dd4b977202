"""The offline audit of one node's store, read only, with public keys only.

Each log is re-hashed entry by entry against its tiles and its signed checkpoint; what the peer
cosigned is checked against the same tree; anchors of a home log against that home log; and every
exchange is read once more by the one reading there is. Nothing in the store is believed because it
stands there: the rows beside the entries only say where to look.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import apsw

from xbgateway.cli.trust import ALONE, Trust
from xbgateway.cli.verdict import STORE, Verdict
from xbgateway.model.entry import Anchor, Entry, SigningKeys, decode
from xbgateway.model.errors import Fatal, GatewayError, Reason, Refused
from xbgateway.model.limits import AUDIT_FINDINGS_MAX
from xbgateway.model.origins import parse
from xbgateway.model.outcome import Outcome, outcome
from xbgateway.store.reader import Reader
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    Note,
    NoteVerifier,
    PathReader,
    audit_history,
    audit_log,
    encode_bundle,
    leaf_hash,
    verify_cosignature,
)
from xbgateway.tlog.tiles import CHECKPOINT_PATH, TILE_WIDTH

_ROWS = 256


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One row of the store's list of logs."""

    origin: str
    role: str
    size: int
    checkpoint: bytes | None
    held: bytes | None
    stopped: str | None

    def newest(self) -> bytes | None:
        """The checkpoint that covers most; the cosigned one where both cover the same.

        Raises ``Fatal(CHECKPOINT_MALFORMED)``.
        """
        notes = [note for note in (self.checkpoint, self.held) if note is not None]
        return max(notes, key=lambda note: (size_of(note), note is self.held), default=None)


@dataclass(slots=True)
class Store:
    """One store file that is being verified."""

    path: Path
    reader: Reader
    logs: tuple[StoredLog, ...]
    anchors: dict[str, dict[int, str]] = field(default_factory=dict)  # home log → size → root
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Raises ``Fatal(STORE_CORRUPT)`` for a file that is no store."""
        reader = Reader(path)
        try:
            rows = reader.log_rows()
        except apsw.Error as error:
            raise Fatal(Reason.STORE_CORRUPT, f"{path} is no readable store: {error}") from error
        logs = [
            StoredLog(origin, role, size, note, held, stopped)
            for _row, origin, role, size, note, _held_size, held, stopped in rows
        ]
        return cls(path, reader, tuple(logs))

    def log(self, origin: str) -> StoredLog:
        """Raises ``Refused(ENTRY_UNKNOWN)`` for a log that this store does not have."""
        for one in self.logs:
            if one.origin == origin:
                return one
        raise Refused(Reason.ENTRY_UNKNOWN, f"the store {self.path} has no log {origin}")

    def entries(self, origin: str, size: int) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of the entries below ``size``; ends where rows are missing."""
        for start in range(0, size, _ROWS):
            yield from enumerate(
                self.reader.entries(origin, start, min(start + _ROWS, size)), start
            )


def verify_store(store: Store, trust: Trust, *, cosigned: bool = False) -> list[Verdict]:
    """A verdict for the file and one for every log of the store.

    ``cosigned``: without the peer's word a log is unsound. Fills ``store.anchors`` and
    ``store.outcomes`` for comparisons between stores.
    """
    verdicts = [_integrity(store)]
    for log in store.logs:
        home = parse(log.origin).reader is None
        verdict = Verdict(str(store.path), log.origin, "home" if home else log.role, log.size)
        try:
            _verify_log(store, log, trust, verdict, cosigned=cosigned)
        except apsw.Error as error:
            verdict.find("store", Reason.STORE_CORRUPT, f"rows cannot be read: {error}")
        except GatewayError as error:
            verdict.blame(CHECKPOINT_PATH, error)
        verdicts.append(verdict)
    if all(verdict.sound for verdict in verdicts):
        _read_exchanges(store, verdicts)
    return verdicts


def _integrity(store: Store) -> Verdict:
    """SQLite's own word on the file: pages, indexes, constraints; also where no log has a row.

    Logs prove themselves; requests, results, facts and what waits stand in other tables.
    """
    verdict = Verdict(str(store.path), "", STORE)
    try:
        rows = store.reader.connection().execute(f"PRAGMA integrity_check({AUDIT_FINDINGS_MAX})")
        said = [" ".join(str(line).split()) for (line,) in rows]
    except apsw.Error as error:
        said = [f"the check itself failed: {error}"]
    for line in said if said != ["ok"] else ():
        verdict.find("integrity", Reason.STORE_CORRUPT, line)
    return verdict


def verify_anchors(store: Store, log: StoredLog, anchors: dict[int, str], into: Verdict) -> None:
    """A home log against what its node anchored in control lanes (size → root, hex)."""
    if not anchors:
        return
    frontier = Frontier()
    for _index, raw in store.entries(log.origin, log.size):
        frontier.append(leaf_hash(raw))
        said = anchors.get(frontier.size)
        if said is not None and said != frontier.root().hex():
            sentence = f"the home log is another than the one anchored at {frontier.size} entries"
            into.find("anchor", Reason.LOG_FORK, sentence)
            return
    most = max(anchors, default=0)
    if most > frontier.size:
        sentence = f"{most} entries were anchored, the home log has {frontier.size}"
        into.find("anchor", Reason.LOG_ROLLBACK, sentence, frontier.size)


def verify_mirror(writer: Store, own: StoredLog, reader: Store, into: Verdict) -> None:
    """A mirror against the writer's own log, as far as the shorter one goes, to the byte."""
    mirror = reader.log(own.origin)
    shared = min(own.size, mirror.size)
    pairs = zip(
        writer.entries(own.origin, shared), reader.entries(own.origin, shared), strict=False
    )
    for (index, theirs), (_index, ours) in pairs:
        if theirs != ours:
            sentence = f"mirror and the log in {writer.path} differ"
            into.find("mirror", Reason.LOG_FORK, sentence, index)
            return
    if mirror.size > own.size:
        sentence = f"the mirror has {mirror.size} entries, the log in {writer.path} {own.size}"
        into.find("mirror", Reason.LOG_ROLLBACK, sentence, own.size)
    elif mirror.size < own.size:
        into.notes.append(f"{own.size - mirror.size} entries have not reached this mirror")


def size_of(note: bytes) -> int:
    """The size that a checkpoint note claims. Raises ``Fatal(CHECKPOINT_MALFORMED)``."""
    return Checkpoint.parse(Note.parse(note).text).size


def path_reader(reader: Reader, origin: str, note: bytes) -> PathReader:
    """A stored log as if it had been exported: what the audit of files reads."""

    def read(path: str) -> bytes:
        if path == CHECKPOINT_PATH:
            return note
        head, _, partial = path.partition(".p/")
        _, kind, *groups = head.split("/")
        index = int("".join(group.removeprefix("x") for group in groups))
        width = int(partial) if partial else TILE_WIDTH
        try:
            if kind == "entries":
                start = index * TILE_WIDTH
                return encode_bundle(reader.entries(origin, start, start + width))
            return reader.tile(origin, int(kind), index, width)
        except (GatewayError, apsw.Error) as error:
            raise LookupError(path) from error

    return read


def _verify_log(
    store: Store, log: StoredLog, trust: Trust, verdict: Verdict, *, cosigned: bool
) -> None:
    unread, turns = _entries(store, log, verdict)
    if store.reader.entries(log.origin, log.size, log.size + 1):
        verdict.find("entries", Reason.LOG_SIZE, "rows stand beyond the log's size", log.size)
    if log.stopped:
        verdict.notes.append(f"stopped: {log.stopped}")
    note = log.newest()
    if note is None:
        if log.size:
            verdict.find(CHECKPOINT_PATH, Reason.CHECKPOINT_MALFORMED, "there is no checkpoint")
        return
    verifier, cosigner = trust.log(log.origin, note), trust.cosigner(log.origin, log.held or note)
    _check_turn(turns, size_of(note), verifier, verdict)
    if trust.compromised(verifier) and (note is not log.held or cosigner is None):
        verdict.find(CHECKPOINT_PATH, Reason.CHECKPOINT_SIGNATURE, ALONE)
    read = path_reader(store.reader, log.origin, note)
    report = audit_log(read, verifier, log.origin)
    verdict.findings.extend(report.findings)
    verdict.entries_checked = report.entries_checked
    if unread is not None and report.findings and report.first_damaged_entry is None:
        # The tree tells only that something after its last full tile is wrong; the row tells what.
        verdict.find("entries", Reason.ENTRY_INVALID, "the row is no entry", unread)
    if report.checkpoint is None:
        return
    _check_tail(log, report.checkpoint.size, verdict)
    _check_held(log, cosigner, verdict, cosigned=cosigned)
    if report.findings:
        return
    others = [one for one in (log.checkpoint, log.held) if one is not None and one != note]
    for other in others:
        signer = trust.log(log.origin, other)
        verdict.findings.extend(audit_history(read, report.checkpoint, (other,), signer))


def _check_turn(
    turns: dict[int, bytes], size: int, verifier: NoteVerifier, verdict: Verdict
) -> None:
    """The log says with which key it is signed from where on; ``turns`` by index of the entry."""
    index = max((index for index in turns if index < size), default=None)
    if index is not None and turns[index] != verifier.public_key:
        sentence = "it is not signed with the key that this entry names"
        verdict.find(CHECKPOINT_PATH, Reason.CHECKPOINT_SIGNATURE, sentence, index)


def _check_held(
    log: StoredLog, cosigner: NoteVerifier | None, verdict: Verdict, *, cosigned: bool
) -> None:
    """The peer's word that it holds the log. Raises ``Fatal(CHECKPOINT_SIGNATURE)``."""
    if log.held is not None:
        if cosigner is None:
            verdict.notes.append("the peer's cosignature is there, its key is not")
        else:
            verify_cosignature(log.held, cosigner)
            verdict.held_size, verdict.held_by = size_of(log.held), cosigner.name
    elif cosigned and log.role == "own" and cosigner is not None and log.size:
        verdict.find(CHECKPOINT_PATH, Reason.CHECKPOINT_SIGNATURE, "the peer has not cosigned")


def _check_tail(log: StoredLog, signed: int, verdict: Verdict) -> None:
    if signed > log.size:
        sentence = f"{signed} entries are signed, the store has {log.size}"
        verdict.find("entries", Reason.LOG_ROLLBACK, sentence, log.size)
    elif signed < log.size and log.role == "mirror":
        verdict.find("entries", Reason.LOG_SIZE, "the mirror has entries nobody signed", signed)
    elif signed < log.size:
        verdict.notes.append(
            f"the last {log.size - signed} entries are newer than the checkpoint on record"
            " (the node runs, or did not stop by itself)"
        )


def _entries(store: Store, log: StoredLog, verdict: Verdict) -> tuple[int | None, dict[int, bytes]]:
    """Read every entry; missing rows are findings.

    The first one that is no entry, or None; and the log keys that entries name, by index.
    """
    unread: int | None = None
    turns: dict[int, bytes] = {}
    writer = parse(log.origin).writer
    count = 0
    for index, raw in store.entries(log.origin, log.size):
        count += 1
        try:
            entry: Entry = decode(raw)
        except Refused as refused:
            unread = index if unread is None else unread
            if log.role == "own":
                verdict.blame("entries", refused, index)
            continue
        if isinstance(entry, Anchor):
            store.anchors.setdefault(entry.origin, {})[entry.size] = entry.root
        elif isinstance(entry, SigningKeys) and entry.node == writer:
            turns[index] = bytes.fromhex(entry.log_key)
    if count < log.size:
        sentence = f"{log.size - count} of {log.size} rows are missing"
        verdict.find("entries", Reason.LOG_SIZE, sentence)
    return unread, turns


def _read_exchanges(store: Store, verdicts: list[Verdict]) -> None:
    """Every exchange once more, by the one reading; an entry without place is a finding."""
    by_origin = {verdict.origin: verdict for verdict in verdicts}
    rows = store.reader.connection().execute(
        "SELECT DISTINCT exchange FROM entries WHERE exchange IS NOT NULL"
    )
    for (key,) in list(rows):
        exchange = str(UUID(bytes=key))
        state = outcome(store.reader.placed(exchange))
        store.outcomes[exchange] = state.outcome
        for placed in state.anomalies:
            verdict = by_origin[placed.position.origin]
            sentence = f"{placed.entry.kind} has no place in exchange {exchange}"
            verdict.find("outcome", Reason.ENTRY_INVALID, sentence, placed.position.index)
