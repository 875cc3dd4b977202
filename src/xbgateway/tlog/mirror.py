"""What a peer's mirror checks before it takes a group: the log-level half of receiving.

Values in, values out: the frontier that is given stays as it is, so that the caller commits to
its store first and swaps afterwards. Never looks into an entry. A failure here drops the whole
group and stops the lane.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog.checkpoint import Checkpoint, open_checkpoint
from xbgateway.tlog.frontier import Frontier
from xbgateway.tlog.merkle import leaf_hash
from xbgateway.tlog.note import NoteVerifier
from xbgateway.tlog.tiles import Tile


@dataclass(frozen=True, slots=True)
class MirrorStep:
    """A group that may be committed: the new frontier and what to store with it.

    ``tiles`` are the full tiles that the group completed; partial ones are the frontier's.
    """

    frontier: Frontier
    checkpoint: Checkpoint
    tiles: tuple[Tile, ...]
    leaf_hashes: tuple[bytes, ...]


def extend_mirror(  # noqa: PLR0917 - one value for each thing that is compared
    frontier: Frontier,
    start: int,
    entries: Sequence[bytes],
    checkpoint_note: bytes,
    verifier: NoteVerifier,
    origin: str,
    last_checkpoint: Checkpoint | None,
) -> MirrorStep:
    """Verify a group of entries [``start``, ``start`` + n) under its checkpoint.

    ``last_checkpoint`` is the one that the mirror committed last, None for an empty mirror. An
    empty group under an equal checkpoint is sound and changes nothing.

    A group that is sent again after a reconnect has ``start`` below the frontier's size. It fails
    here like any other wrong start: a caller who wants to pass over it compares ``start`` with
    ``frontier.size`` first.

    Raises ``Fatal``: GROUP_TOO_LARGE; CHECKPOINT_MALFORMED, CHECKPOINT_SIGNATURE,
    CHECKPOINT_ORIGIN; LOG_ROLLBACK (a smaller size than we hold); LOG_FORK (another root at the
    size we hold, or over these entries); LOG_SIZE (entries missing, too many, or a wrong start);
    STORE_CORRUPT (our own frontier and last checkpoint disagree).
    """
    # REQ-LOG-12: sizes, signature, origin and old size, root; the cheap and the proven first.
    _check_group(entries)
    checkpoint = open_checkpoint(checkpoint_note, verifier, origin)
    _check_own_state(frontier, last_checkpoint, origin)
    _check_old_size(frontier, checkpoint)
    _check_range(frontier, start, len(entries), checkpoint)
    # REQ-LOG-13: on a copy; memory never runs ahead of the store.
    grown = frontier.copy()
    leaf_hashes = tuple([leaf_hash(entry) for entry in entries])
    tiles = grown.extend(leaf_hashes)
    if grown.root() != checkpoint.root:
        raise Fatal(
            Reason.LOG_FORK,
            "the entries do not lead from our mirror to the signed root",
            origin=origin,
            size=str(checkpoint.size),
        )
    return MirrorStep(grown, checkpoint, tiles, leaf_hashes)


def _check_group(entries: Sequence[bytes]) -> None:
    """REQ-LOG-11: a group is bounded in entries and bytes, an entry by its 16-bit length."""
    largest = max(map(len, entries), default=0)
    total = sum(map(len, entries))
    if (
        len(entries) > limits.GROUP_ENTRIES_MAX
        or largest > limits.ENTRY_BYTES_MAX
        or total > limits.GROUP_BYTES_MAX
    ):
        raise Fatal(
            Reason.GROUP_TOO_LARGE,
            "the group, or an entry of it, is larger than allowed",
            entries=str(len(entries)),
            group_bytes=str(total),
            entry_bytes=str(largest),
        )


def _check_own_state(frontier: Frontier, last: Checkpoint | None, origin: str) -> None:
    """Nothing is built on a mirror whose own two memories differ."""
    agreed = (
        frontier.size == 0
        if last is None
        else (last.origin, last.size, last.root) == (origin, frontier.size, frontier.root())
    )
    if not agreed:
        raise Fatal(
            Reason.STORE_CORRUPT,
            "the mirror's frontier is not that of its last checkpoint",
            origin=origin,
            size=str(frontier.size),
        )


def _check_old_size(frontier: Frontier, checkpoint: Checkpoint) -> None:
    if checkpoint.size < frontier.size:
        raise Fatal(
            Reason.LOG_ROLLBACK,
            "the log's owner signed a smaller size than we hold",
            origin=checkpoint.origin,
            size=str(checkpoint.size),
            held=str(frontier.size),
        )
    if checkpoint.size == frontier.size and checkpoint.root != frontier.root():
        raise Fatal(
            Reason.LOG_FORK,
            "the log's owner signed two roots at one size",
            origin=checkpoint.origin,
            size=str(checkpoint.size),
        )


def _check_range(frontier: Frontier, start: int, count: int, checkpoint: Checkpoint) -> None:
    # REQ-LOG-14: a group starts where the mirror ends and ends where its checkpoint does.
    if start != frontier.size or start + count != checkpoint.size:
        raise Fatal(
            Reason.LOG_SIZE,
            "the group does not reach from our size to the checkpoint's",
            origin=checkpoint.origin,
            start=str(start),
            entries=str(count),
            size=str(checkpoint.size),
            held=str(frontier.size),
        )
