"""What a mirror takes, and each way in which a log's owner can lie to it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.tlog.logs import (
    ORIGIN,
    SIGNER,
    STRANGER,
    checkpoint_of,
    note_of,
    reason_of,
    tiles_of,
    transfers,
)

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    MirrorStep,
    extend_mirror,
    leaf_hash,
    sign_checkpoint,
)

ENTRIES = transfers(700)


def mirror_at(size: int) -> tuple[Frontier, Checkpoint | None]:
    frontier = Frontier()
    frontier.extend(leaf_hash(entry) for entry in ENTRIES[:size])
    return frontier, checkpoint_of(ENTRIES[:size]) if size else None


def extend(size: int, start: int, entries: list[bytes], note: bytes) -> MirrorStep:
    frontier, last = mirror_at(size)
    return extend_mirror(frontier, start, entries, note, SIGNER.verifier, ORIGIN, last)


def refusal(size: int, start: int, entries: list[bytes], note: bytes) -> Reason:
    """The reason; whatever was refused left the mirror as it was."""
    frontier, last = mirror_at(size)
    before = (frontier.size, frontier.root(), frontier.partial_tiles())
    arguments = (frontier, start, entries, note, SIGNER.verifier, ORIGIN, last)
    reason = reason_of(Fatal, extend_mirror, *arguments)
    assert (frontier.size, frontier.root(), frontier.partial_tiles()) == before
    return reason


@settings(max_examples=scaled(30), deadline=None)
@given(st.lists(st.integers(0, 256), min_size=1, max_size=6))
def test_groups_of_any_size_lead_to_the_same_mirror(counts: list[int]) -> None:
    frontier, last = Frontier(), None
    tiles = {}
    for count in counts:
        start = frontier.size
        group = ENTRIES[start : start + count]
        note = note_of(ENTRIES[: start + len(group)])
        step = extend_mirror(frontier, start, group, note, SIGNER.verifier, ORIGIN, last)
        assert frontier.size == start
        assert step.leaf_hashes == tuple(leaf_hash(entry) for entry in group)
        tiles.update({(tile.level, tile.index): tile.hashes for tile in step.tiles})
        frontier, last = step.frontier, step.checkpoint
    whole = tiles_of([leaf_hash(entry) for entry in ENTRIES[: frontier.size]])
    assert (frontier.size, frontier.root()) == (whole.frontier.size, whole.frontier.root())
    tiles.update({(tile.level, tile.index): tile.hashes for tile in frontier.partial_tiles()})
    assert tiles == whole.stored


def test_rollback() -> None:
    assert refusal(300, 290, [], note_of(ENTRIES[:290])) is Reason.LOG_ROLLBACK
    assert refusal(300, 300, [], note_of([])) is Reason.LOG_ROLLBACK


def test_fork_in_the_new_entries() -> None:
    altered = [*ENTRIES[300:309], b"another"]
    assert refusal(300, 300, altered, note_of(ENTRIES[:310])) is Reason.LOG_FORK
    swapped = [*ENTRIES[300:308], ENTRIES[309], ENTRIES[308]]
    assert refusal(300, 300, swapped, note_of(ENTRIES[:310])) is Reason.LOG_FORK


def test_fork_in_the_old_entries() -> None:
    rewritten = [b"rewritten", *ENTRIES[1:310]]
    assert refusal(300, 300, ENTRIES[300:310], note_of(rewritten)) is Reason.LOG_FORK


def test_fork_at_the_same_size() -> None:
    other = note_of([*ENTRIES[:299], b"another"])
    assert refusal(300, 300, [], other) is Reason.LOG_FORK
    # A fork is not taken for a group sent again.
    assert refusal(300, 290, [*ENTRIES[290:299], b"another"], other) is Reason.LOG_FORK


def test_missing_and_extra_entries() -> None:
    note = note_of(ENTRIES[:310])
    for entries in (ENTRIES[300:309], ENTRIES[300:311], []):
        assert refusal(300, 300, entries, note) is Reason.LOG_SIZE


def test_a_gap_and_an_overlap() -> None:
    note = note_of(ENTRIES[:310])
    assert refusal(300, 301, ENTRIES[301:310], note) is Reason.LOG_SIZE
    assert refusal(300, 299, ENTRIES[299:310], note) is Reason.LOG_SIZE
    assert refusal(0, -1, ENTRIES[:1], note_of([])) is Reason.LOG_SIZE


def test_a_group_sent_again() -> None:
    # Told from a fork by its reason, and from a gap by its start: the caller passes over it.
    note = note_of(ENTRIES[:300])
    assert refusal(300, 290, ENTRIES[290:300], note) is Reason.LOG_SIZE
    again = extend(300, 300, [], note)
    assert (again.frontier.size, again.tiles, again.leaf_hashes) == (300, (), ())


def test_a_group_has_limits() -> None:
    many = [b"x"] * (limits.GROUP_ENTRIES_MAX + 1)
    assert refusal(0, 0, many, note_of(many)) is Reason.GROUP_TOO_LARGE
    long = [bytes(limits.ENTRY_BYTES_MAX + 1)]
    assert refusal(0, 0, long, note_of(long)) is Reason.GROUP_TOO_LARGE
    heavy = [bytes(limits.ENTRY_BYTES_MAX)] * (limits.GROUP_BYTES_MAX // limits.ENTRY_BYTES_MAX + 1)
    assert refusal(0, 0, heavy, note_of(heavy)) is Reason.GROUP_TOO_LARGE
    full = [bytes(limits.GROUP_BYTES_MAX // 256)] * limits.GROUP_ENTRIES_MAX
    assert extend(0, 0, full, note_of(full)).frontier.size == 256


def test_the_size_is_looked_at_before_the_signature() -> None:
    many = [b"x"] * (limits.GROUP_ENTRIES_MAX + 1)
    assert refusal(0, 0, many, b"not a note") is Reason.GROUP_TOO_LARGE


def test_the_signature_is_looked_at_before_origin_and_size() -> None:
    forged = sign_checkpoint(checkpoint_of(ENTRIES[:10]), STRANGER)
    assert refusal(300, 300, [], forged) is Reason.CHECKPOINT_SIGNATURE
    assert refusal(300, 300, [], b"not a note") is Reason.CHECKPOINT_MALFORMED


def test_another_lane_of_the_same_node() -> None:
    other = checkpoint_of(ENTRIES[:310], ORIGIN + "/lane/2")
    note = other.text() + b"\n" + SIGNER.sign(other.text())
    assert refusal(300, 300, ENTRIES[300:310], note) is Reason.CHECKPOINT_ORIGIN


@pytest.mark.parametrize("damage", ["size", "root", "origin", "missing", "left over"])
def test_nothing_is_built_on_a_mirror_that_contradicts_itself(damage: str) -> None:
    size = 0 if damage == "left over" else 300
    frontier, _ = mirror_at(size)
    held = checkpoint_of(ENTRIES[:300])
    last = {
        "size": checkpoint_of(ENTRIES[:299]),
        "root": replace(held, root=bytes(32)),
        "origin": replace(held, origin="a.example"),
        "missing": None,
        "left over": held,
    }[damage]
    group = (size, ENTRIES[size : size + 10], note_of(ENTRIES[: size + 10]))
    arguments = (frontier, *group, SIGNER.verifier, ORIGIN, last)
    assert reason_of(Fatal, extend_mirror, *arguments) is Reason.STORE_CORRUPT
