"""The offline audit of a whole exported log: every bundle, every tile, root and signatures.

Needs nothing but the files, the log's public key and its origin; reads 256 entries at a time and
keeps O(log n). Findings are collected, since an auditor wants to know all that is wrong; the first
damaged entry is named where the tree tells it. What an audit of one copy can never see (a rollback,
a rewritten history that was signed again) is :func:`audit_history`'s part, with checkpoints that
somebody kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.tlog.checkpoint import Checkpoint, open_checkpoint
from xbgateway.tlog.cosignature import verify_cosignature
from xbgateway.tlog.frontier import Frontier
from xbgateway.tlog.merkle import HASH_BYTES, leaf_hash, root_of, verify_consistency
from xbgateway.tlog.note import NoteVerifier
from xbgateway.tlog.prover import consistency_proof
from xbgateway.tlog.tiles import (
    CHECKPOINT_PATH,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    bundle_path,
    decode_bundle,
    split_hashes,
    tile_path,
    tile_reader_of,
    tile_width,
)

# A path of the tlog-tiles layout -> its bytes; OSError or LookupError when it is missing.
PathReader = Callable[[str], bytes]
_MISSING = (OSError, LookupError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, why, and the first entry that it concerns if known."""

    path: str
    reason: Reason
    sentence: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit saw. ``checkpoint`` is None unless the log's own signature holds.

    ``cosigned_s`` has the time (POSIX seconds) of each cosigner asked for whose signature holds.
    ``findings`` is cut at ``AUDIT_FINDINGS_MAX``; ``findings_total`` is not.
    """

    checkpoint: Checkpoint | None
    entries_checked: int
    tiles_checked: int
    cosigned_s: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]
    findings_total: int

    @property
    def first_damaged_entry(self) -> int | None:
        """The lowest entry that a kept finding concerns."""
        entries = [one.entry for one in self.findings if one.entry is not None]
        return min(entries, default=None)

    def require_clean(self) -> Checkpoint:
        """The checkpoint of a sound log; raises ``Fatal`` with the first finding's reason."""
        if self.findings:
            first = self.findings[0]
            raise Fatal(
                first.reason,
                first.sentence,
                path=first.path,
                entry="" if first.entry is None else str(first.entry),
                findings=str(self.findings_total),
            )
        assert self.checkpoint is not None
        return self.checkpoint


def audit_log(
    read: PathReader,
    verifier: NoteVerifier,
    origin: str,
    cosigners: Sequence[NoteVerifier] = (),
) -> AuditReport:
    """Verify a whole log in the tlog-tiles layout; every cosigner given must have signed.

    Nothing of a log is judged under a checkpoint that its key did not sign. Raises only what
    ``read`` raises besides ``OSError`` and ``LookupError``.
    """
    audit = _Audit(read)
    checkpoint = audit.signatures(verifier, origin, cosigners)
    if checkpoint is not None:
        audit.tree(checkpoint)
    return AuditReport(
        checkpoint,
        audit.entries_checked,
        audit.tiles_checked,
        tuple(audit.cosigned_s),
        tuple(audit.findings),
        audit.findings_total,
    )


def audit_history(
    read: PathReader,
    current: Checkpoint,
    older_notes: Iterable[bytes],
    verifier: NoteVerifier,
) -> tuple[Finding, ...]:
    """Check a log at ``current`` against checkpoints that were kept from earlier.

    REQ-LOG-20: an honest log extends each of them. Findings: CHECKPOINT_* (the kept note is not of
    this log), LOG_ROLLBACK (it had more entries), LOG_FORK (it had others). ``current`` should come
    from a clean :func:`audit_log` of the same files: damaged tiles look like a fork here.
    """
    findings: list[Finding] = []
    tile = tile_reader_of(read)
    for number, note in enumerate(older_notes):
        where = f"older checkpoint {number}"
        try:
            older = open_checkpoint(note, verifier, current.origin)
            if older.size > current.size:
                sentence = f"the log had {older.size} entries and has {current.size}"
                findings.append(Finding(where, Reason.LOG_ROLLBACK, sentence, current.size))
                continue
            proof = consistency_proof(older.size, current.size, tile)
            verify_consistency(older.size, current.size, older.root, current.root, proof)
        except Refused:
            sentence = f"the log does not extend what it was at {older.size} entries"
            findings.append(Finding(where, Reason.LOG_FORK, sentence))
        except Fatal as fatal:
            findings.append(Finding(where, fatal.reason, fatal.sentence))
        except _MISSING as missing:
            findings.append(Finding(str(missing), Reason.STORE_CORRUPT, "a tile is missing"))
    return tuple(findings)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Up to 256 entries as the log states them twice: in a bundle and in a level 0 tile."""

    index: int
    width: int
    by_bundle: tuple[bytes, ...]
    bundle_sound: bool
    by_tile: tuple[bytes, ...]
    tile_sound: bool

    def first_difference(self) -> int:
        """The first entry number at which bundle and tile do not say the same."""
        pairs = zip(self.by_bundle, self.by_tile, strict=False)
        shared = min(len(self.by_bundle), len(self.by_tile), self.width - 1)
        inside = next((i for i, (one, other) in enumerate(pairs) if one != other), shared)
        return self.index * TILE_WIDTH + inside

    def candidates(self) -> list[tuple[bytes, ...]]:
        """The readings that are whole, the entries themselves first."""
        both = ((self.by_bundle, self.bundle_sound), (self.by_tile, self.tile_sound))
        return [hashes for hashes, sound in both if sound]


class _Audit:
    """One pass over a log: what was counted and found so far."""

    def __init__(self, read: PathReader) -> None:
        self._read = read
        self.entries_checked = 0
        self.tiles_checked = 0
        self.cosigned_s: list[tuple[str, int]] = []
        self.findings: list[Finding] = []
        self.findings_total = 0

    def signatures(
        self, verifier: NoteVerifier, origin: str, cosigners: Sequence[NoteVerifier]
    ) -> Checkpoint | None:
        """The signed checkpoint, or None and a finding."""
        note = self._file(CHECKPOINT_PATH, None)
        if note is None:
            return None
        try:
            checkpoint = open_checkpoint(note, verifier, origin)
        except Fatal as fatal:
            self._find(CHECKPOINT_PATH, fatal.reason, fatal.sentence)
            return None
        for cosigner in cosigners:
            try:
                self.cosigned_s.append((cosigner.name, verify_cosignature(note, cosigner)))
            except Fatal as fatal:
                sentence = f"{cosigner.name}: {fatal.sentence}"
                self._find(CHECKPOINT_PATH, fatal.reason, sentence)
        return checkpoint

    def tree(self, checkpoint: Checkpoint) -> None:
        """REQ-LOG-19: every bundle against its tile, every tile against those below, the root."""
        frontier: Frontier | None = Frontier()
        # REQ-LOG-18: nothing is pruned, so the first chunk is always there.
        for index in range(-(-checkpoint.size // TILE_WIDTH)):
            chunk = self._chunk(index, tile_width(0, index, checkpoint.size))
            if chunk.bundle_sound and chunk.by_bundle == chunk.by_tile:
                chosen: tuple[bytes, ...] | None = chunk.by_bundle
            else:
                chosen = self._judge(chunk, checkpoint, frontier)
            if frontier is None or chosen is None:
                frontier = None
                continue
            for tile in frontier.extend(chosen):
                self._upper(tile)
        if frontier is None:
            sentence = "the root cannot be computed: some entries have neither bundle nor tile"
            self._find(CHECKPOINT_PATH, Reason.LOG_SIZE, sentence)
            return
        for tile in frontier.partial_tiles():
            self._upper(tile)
        if frontier.root() != checkpoint.root:
            sentence = "the entries do not lead to the signed root"
            self._find(CHECKPOINT_PATH, Reason.LOG_FORK, sentence)

    def _chunk(self, index: int, width: int) -> _Chunk:
        """Read both statements of a chunk; what cannot be read is an empty statement."""
        first = index * TILE_WIDTH
        bundle = self._file(bundle_path(index, width), first) or b""
        tile = self._file(tile_path(0, index, width), first) or b""
        entries, filled = decode_bundle(bundle)
        self.entries_checked += len(entries)
        self.tiles_checked += 1
        return _Chunk(
            index,
            width,
            tuple([leaf_hash(entry) for entry in entries]),
            len(entries) == width and filled == len(bundle),
            split_hashes(tile),
            len(tile) == width * HASH_BYTES,
        )

    def _judge(
        self, chunk: _Chunk, checkpoint: Checkpoint, frontier: Frontier | None
    ) -> tuple[bytes, ...] | None:
        """Bundle and tile differ: name which of them the rest of the tree contradicts."""
        entry = chunk.first_difference()
        candidates = chunk.candidates()
        proven = [one for one in candidates if self._fits(one, chunk, checkpoint, frontier)]
        bundle = bundle_path(chunk.index, chunk.width)
        tile = tile_path(0, chunk.index, chunk.width)
        if not proven:
            sentence = "the bundle and its tile disagree, and the tree confirms neither"
            self._find(bundle, Reason.STORE_CORRUPT, sentence, entry)
        elif chunk.bundle_sound and proven[0] == chunk.by_bundle:
            sentence = "the tile is not that of its entries"
            self._find(tile, Reason.STORE_CORRUPT, sentence, entry)
        else:
            sentence = "the entry is not the one in the tree"
            self._find(bundle, Reason.STORE_CORRUPT, sentence, entry)
        return next(iter(proven or candidates), None)

    def _fits(
        self,
        leaf_hashes: tuple[bytes, ...],
        chunk: _Chunk,
        checkpoint: Checkpoint,
        frontier: Frontier | None,
    ) -> bool:
        """Whether the tree above has this chunk: the level 1 tile, or for the last one the root."""
        if chunk.width == TILE_WIDTH:
            above, place = divmod(chunk.index, TILE_WIDTH)
            width = tile_width(1, above, checkpoint.size)
            try:
                row = self._read(tile_path(1, above, width))
            except _MISSING:
                return False
            return row[place * HASH_BYTES :][:HASH_BYTES] == root_of(leaf_hashes)
        if frontier is None:
            return False
        trial = frontier.copy()
        trial.extend(leaf_hashes)
        return trial.root() == checkpoint.root

    def _upper(self, tile: Tile) -> None:
        """Compare a computed tile with the stored one; level 0 was compared with its bundle."""
        if tile.level == 0:
            return
        self.tiles_checked += 1
        span = TILE_HEIGHT * tile.level
        first = (tile.index * TILE_WIDTH) << span
        stored = self._file(tile.path(), first)
        if stored is None or stored == tile.hashes:
            return
        pairs = zip(split_hashes(stored), split_hashes(tile.hashes), strict=False)
        place = next((i for i, (one, other) in enumerate(pairs) if one != other), 0)
        sentence = "the tile is not that of the tiles below it"
        self._find(tile.path(), Reason.STORE_CORRUPT, sentence, first + (place << span))

    def _file(self, path: str, entry: int | None) -> bytes | None:
        try:
            return self._read(path)
        except _MISSING:
            self._find(path, Reason.STORE_CORRUPT, "the file is missing", entry)
            return None

    def _find(self, path: str, reason: Reason, sentence: str, entry: int | None = None) -> None:
        self.findings_total += 1
        if len(self.findings) < limits.AUDIT_FINDINGS_MAX:
            self.findings.append(Finding(path, reason, sentence, entry))
