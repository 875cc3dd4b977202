"""A log as files in the tlog-tiles layout, for public tools and the offline audit.

Yields paths and bytes, one tile or bundle at a time; writes nothing. The checkpoint comes last and
only when the entries lead to its root, so what is copied in this order never claims too much.
"""

from collections.abc import Callable, Iterable, Iterator

from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog.checkpoint import Checkpoint
from xbgateway.tlog.frontier import Frontier
from xbgateway.tlog.merkle import leaf_hash
from xbgateway.tlog.note import Note
from xbgateway.tlog.tiles import CHECKPOINT_PATH, TILE_WIDTH, bundle_path, encode_bundle

# [start, end) -> those entries in order.
EntryReader = Callable[[int, int], Iterable[bytes]]


def export_files(
    checkpoint_note: bytes, size: int, entry_reader: EntryReader
) -> Iterator[tuple[str, bytes]]:
    """Every file of a log of ``size`` entries, the checkpoint last; at most 256 entries in memory.

    ``checkpoint_note`` is the log's own and is not verified here. Raises ``Fatal``:
    CHECKPOINT_MALFORMED, LOG_SIZE (the note's size is another, or entries are missing), LOG_FORK
    (the entries have another root); ``EntryTooLarge``.
    """
    checkpoint = Checkpoint.parse(Note.parse(checkpoint_note).text)
    if checkpoint.size != size:
        raise Fatal(
            Reason.LOG_SIZE,
            "the checkpoint has another size than the export",
            size=str(size),
            signed=str(checkpoint.size),
        )
    frontier = Frontier()
    for start in range(0, size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, size)
        entries = list(entry_reader(start, end))
        if len(entries) != end - start:
            raise Fatal(
                Reason.LOG_SIZE,
                "entries are missing from the store",
                start=str(start),
                end=str(end),
                found=str(len(entries)),
            )
        yield bundle_path(start // TILE_WIDTH, end - start), encode_bundle(entries)
        for tile in frontier.extend([leaf_hash(entry) for entry in entries]):
            yield tile.path(), tile.hashes
    for tile in frontier.partial_tiles():
        yield tile.path(), tile.hashes
    # REQ-LOG-16
    if frontier.root() != checkpoint.root:
        raise Fatal(
            Reason.LOG_FORK,
            "the stored entries do not lead to the signed root",
            origin=checkpoint.origin,
            size=str(size),
        )
    yield CHECKPOINT_PATH, checkpoint_note
