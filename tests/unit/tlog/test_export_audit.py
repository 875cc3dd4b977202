"""Exported logs: Tessera's fsck accepts them, and both it and our audit see every damage."""

import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.harness.scale import scaled
from tests.unit.tlog.logs import (
    COSIGNED_S,
    COSIGNER,
    ORIGIN,
    SIGNER,
    STRANGER,
    checkpoint_of,
    exported,
    note_of,
    reason_of,
    transfers,
)

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog import (
    AuditReport,
    EntryTooLarge,
    add_signatures,
    audit_history,
    audit_log,
    encode_bundle,
    export_files,
    leaf_hash,
    sign_checkpoint,
)

CORRUPTIONS = 20


def audit(files: dict[str, bytes]) -> AuditReport:
    return audit_log(files.__getitem__, SIGNER.verifier, ORIGIN)


def cosigned(entries: Sequence[bytes]) -> bytes:
    line = COSIGNER.cosign(checkpoint_of(entries).text(), COSIGNED_S)
    return add_signatures(note_of(entries), line)


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, ["checkpoint"]),
        (1, ["tile/entries/000.p/1", "tile/0/000.p/1", "checkpoint"]),
        (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1", "checkpoint"]),
        (
            257,
            [
                "tile/entries/000",
                "tile/0/000",
                "tile/entries/001.p/1",
                "tile/0/001.p/1",
                "tile/1/000.p/1",
                "checkpoint",
            ],
        ),
    ],
)
def test_layout_with_the_checkpoint_last(size: int, paths: list[str]) -> None:
    entries = transfers(size)
    files = exported(entries)
    assert list(files) == paths
    assert files["checkpoint"] == note_of(entries)
    if size:
        assert files[paths[0]] == encode_bundle(entries[:256])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000, 70_000])
def test_an_undamaged_log_is_clean(size: int) -> None:
    entries = transfers(size)
    files = exported(entries, cosigned(entries))
    report = audit_log(files.__getitem__, SIGNER.verifier, ORIGIN, [COSIGNER.verifier])
    assert report.require_clean() == checkpoint_of(entries)
    assert report.entries_checked == size
    bundles = sum(path.startswith("tile/entries/") for path in files)
    assert report.tiles_checked == len(files) - 1 - bundles
    assert report.cosigned_s == ((COSIGNER.name, COSIGNED_S),)


def test_an_export_reads_256_entries_at_a_time() -> None:
    entries = transfers(1000)
    asked: list[tuple[int, int]] = []

    def read(start: int, end: int) -> list[bytes]:
        asked.append((start, end))
        return entries[start:end]

    files = export_files(note_of(entries), 1000, read)
    next(files)
    assert asked == [(0, 256)]
    assert len(list(files)) == 9
    assert asked == [(0, 256), (256, 512), (512, 768), (768, 1000)]


def test_an_export_never_ends_in_a_checkpoint_that_is_not_its_own() -> None:
    entries = transfers(300)
    altered = [*entries[:-1], b"altered"]
    note = note_of(entries)
    seen: list[str] = []

    def copy() -> None:
        for path, _ in export_files(note, 300, lambda start, end: altered[start:end]):
            seen.append(path)

    assert reason_of(Fatal, copy) is Reason.LOG_FORK
    assert "checkpoint" not in seen
    short = export_files(note, 300, lambda start, end: entries[start : end - 1])
    assert reason_of(Fatal, list, short) is Reason.LOG_SIZE
    other = export_files(note, 299, lambda start, end: entries[start:end])
    assert reason_of(Fatal, list, other) is Reason.LOG_SIZE


def test_an_entry_that_no_bundle_holds_is_not_exported() -> None:
    entries = [b"small", bytes(65_536)]
    with pytest.raises(EntryTooLarge):
        exported(entries)


def test_the_first_altered_entry_is_named() -> None:
    entries = transfers(1000)
    for altered in (0, 255, 256, 700, 999):
        files = exported(entries)
        path = f"tile/entries/{altered // 256:03d}" + (".p/232" if altered >= 768 else "")
        first = altered // 256 * 256
        changed = [*entries[first : first + 256]]
        changed[altered - first] = b"altered"
        files[path] = encode_bundle(changed)
        report = audit(files)
        assert report.first_damaged_entry == altered
        assert [one.path for one in report.findings] == [path]
        assert report.findings[0].sentence == "the entry is not the one in the tree"
        assert reason_of(Fatal, report.require_clean) is Reason.STORE_CORRUPT


@pytest.mark.parametrize(
    ("path", "offset", "entry", "sentence"),
    [
        ("tile/0/001", 32 * 7 + 3, 256 + 7, "the tile is not that of its entries"),
        ("tile/0/003.p/232", 32 * 9, 768 + 9, "the tile is not that of its entries"),
        ("tile/1/000.p/3", 32 * 2, 512, "the tile is not that of the tiles below it"),
        # The length of an entry: all after it is shifted, the first is named.
        ("tile/entries/002", 0, 512, "the entry is not the one in the tree"),
    ],
)
def test_a_damaged_file_is_told_from_a_sound_one(
    path: str, offset: int, entry: int, sentence: str
) -> None:
    files = exported(transfers(1000))
    raw = bytearray(files[path])
    raw[offset] ^= 1
    files[path] = bytes(raw)
    report = audit(files)
    assert (report.findings[0].path, report.findings[0].sentence) == (path, sentence)
    assert report.first_damaged_entry == entry
    assert report.findings_total == 1


def test_missing_and_wrong_length_files() -> None:
    whole = exported(transfers(1000))
    for path in whole:
        lost = {key: value for key, value in whole.items() if key != path}
        assert audit(lost).findings[0].path == path
        for raw in (b"", whole[path][:-1], whole[path] + b"\0", whole[path] + whole[path]):
            assert audit({**whole, path: raw}).findings[0].path == path


def test_a_chunk_without_bundle_and_tile_cannot_pass() -> None:
    files = exported(transfers(1000))
    del files["tile/entries/001"], files["tile/0/001"]
    report = audit(files)
    assert report.first_damaged_entry == 256
    assert report.findings[-1].reason is Reason.LOG_SIZE
    # Last chunk gone too: nothing of the tree above is left to judge by.
    files["tile/entries/003.p/232"] = b"\0"
    assert [one.entry for one in audit(files).findings if one.entry is not None][-1] == 768


def test_both_readings_of_a_chunk_damaged() -> None:
    files = exported(transfers(1000))
    for path in ("tile/entries/001", "tile/0/001"):
        raw = bytearray(files[path])
        raw[40] ^= 1
        files[path] = bytes(raw)
    report = audit(files)
    assert report.first_damaged_entry == 256
    assert any("confirms neither" in one.sentence for one in report.findings)
    assert report.findings[-1].reason is Reason.LOG_FORK
    del files["tile/1/000.p/3"]
    assert audit(files).first_damaged_entry == 0


def test_a_rewritten_log_under_the_old_checkpoint() -> None:
    entries = transfers(1000)
    entries[500] = b"rewritten"
    files = exported(entries)
    files["checkpoint"] = note_of(transfers(1000))
    report = audit(files)
    assert [(one.path, one.reason) for one in report.findings] == [("checkpoint", Reason.LOG_FORK)]
    assert report.first_damaged_entry is None


def test_bundle_and_leaf_tile_rewritten_together() -> None:
    entries = transfers(1000)
    files = exported(entries)
    entries[300] = b"rewritten"
    rewritten = exported(entries)
    for path in ("tile/entries/001", "tile/0/001"):
        files[path] = rewritten[path]
    report = audit(files)
    assert [one.path for one in report.findings] == ["tile/1/000.p/3", "checkpoint"]
    assert report.first_damaged_entry == 256


def test_findings_are_bounded_and_counted() -> None:
    files = exported(transfers(300 * 256))
    kept = {path: raw for path, raw in files.items() if not path.startswith("tile/entries/")}
    report = audit(kept)
    assert len(report.findings) == limits.AUDIT_FINDINGS_MAX
    assert report.findings_total == 600


def test_nothing_is_judged_without_the_logs_signature() -> None:
    entries = transfers(10)
    files = exported(entries)
    files["checkpoint"] = sign_checkpoint(checkpoint_of(entries), STRANGER)
    report = audit(files)
    assert (report.checkpoint, report.entries_checked) == (None, 0)
    assert reason_of(Fatal, report.require_clean) is Reason.CHECKPOINT_SIGNATURE


def test_a_cosigner_who_did_not_sign() -> None:
    files = exported(transfers(10))
    report = audit_log(files.__getitem__, SIGNER.verifier, ORIGIN, [COSIGNER.verifier])
    assert [one.reason for one in report.findings] == [Reason.CHECKPOINT_SIGNATURE]
    assert COSIGNER.name in report.findings[0].sentence
    assert report.entries_checked == 10


def test_history_against_kept_checkpoints() -> None:
    entries = transfers(1000)
    files = exported(entries)
    current = checkpoint_of(entries)
    kept = [note_of(entries[:size]) for size in (0, 1, 255, 256, 257, 999, 1000)]
    assert audit_history(files.__getitem__, current, kept, SIGNER.verifier) == ()

    longer = note_of(transfers(1001))
    forked = note_of([*entries[:600], b"withdrawn"])
    forked_now = note_of([*entries[:999], b"withdrawn"])
    foreign = sign_checkpoint(checkpoint_of(entries[:5]), STRANGER)
    found = audit_history(
        files.__getitem__,
        current,
        [longer, kept[3], forked, forked_now, foreign, b"x"],
        SIGNER.verifier,
    )
    assert [(one.path, one.reason) for one in found] == [
        ("older checkpoint 0", Reason.LOG_ROLLBACK),
        ("older checkpoint 2", Reason.LOG_FORK),
        ("older checkpoint 3", Reason.LOG_FORK),
        ("older checkpoint 4", Reason.CHECKPOINT_SIGNATURE),
        ("older checkpoint 5", Reason.CHECKPOINT_MALFORMED),
    ]
    assert found[0].entry == 1000


def test_history_names_tiles_that_are_gone_or_cut() -> None:
    files = exported(transfers(1000))
    current, kept = checkpoint_of(transfers(1000)), [note_of(transfers(300))]
    cut = {**files, "tile/0/001": b""}
    found = audit_history(cut.__getitem__, current, kept, SIGNER.verifier)
    assert [one.reason for one in found] == [Reason.STORE_CORRUPT]
    del cut["tile/0/001"]
    found = audit_history(cut.__getitem__, current, kept, SIGNER.verifier)
    assert [one.reason for one in found] == [Reason.STORE_CORRUPT]
    assert "tile/0/001" in found[0].path


# The outside checker.


def tessera_fsck() -> str:
    """Tessera's fsck, which shares its name with the file system's."""
    found = shutil.which("fsck")
    if found is not None and not found.startswith(("/sbin", "/usr/sbin", "/bin", "/usr/bin")):
        told = subprocess.run([found, "--help"], capture_output=True, timeout=20, check=False)
        if b"storage_url" in told.stderr + told.stdout and b"origin" in told.stderr + told.stdout:
            return found
    if os.environ.get("CI") == "true":
        pytest.fail("CI needs the outside tool fsck of Tessera; another fsck was found")
    pytest.skip("outside tool missing: fsck of Tessera (another fsck was found)")


def says_clean(fsck: str, root: Path) -> bool:
    """Whether fsck reports success; its exit status is 0 either way in v1.0.4."""
    key = root.with_name("log.vkey")
    key.write_text(SIGNER.vkey)
    command = [fsck, "--ui=false", "-N", "64", f"--storage_url=file://{root}/"]
    try:
        told = subprocess.run(
            [*command, f"--public_key={key}"], capture_output=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return b"Successfully fsck'd log" in told.stderr + told.stdout


def write(root: Path, files: dict[str, bytes]) -> None:
    for path, raw in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(raw)


@pytest.mark.tool("fsck")
@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 70_000])
def test_fsck_accepts_our_export(size: int, tmp_path: Path) -> None:
    fsck = tessera_fsck()
    entries = transfers(size)
    write(tmp_path / "log", exported(entries, cosigned(entries)))
    assert says_clean(fsck, tmp_path / "log")


def corruptions(files: dict[str, bytes], count: int) -> list[tuple[str, bytes]]:
    """Seeded one-bit damages: one in each kind of file, then in any."""
    chance = random.Random(20_251_122)
    paths = sorted(files)
    kinds = ["checkpoint", "tile/0/003", "tile/1/000.p/19", "tile/0/019.p/136"]
    kinds += ["tile/entries/003", "tile/entries/019.p/136"]
    damaged = []
    for number in range(count):
        path = kinds[number] if number < len(kinds) else chance.choice(paths)
        bit = chance.randrange(len(files[path]) * 8)
        raw = bytearray(files[path])
        raw[bit // 8] ^= 1 << bit % 8
        damaged.append((path, bytes(raw)))
    return damaged


def test_our_audit_finds_every_seeded_corruption() -> None:
    files = exported(transfers(5000))
    for path, raw in corruptions(files, scaled(CORRUPTIONS)):
        report = audit({**files, path: raw})
        assert [one.path for one in report.findings] == [path]
        assert (report.first_damaged_entry is None) == (path == "checkpoint")


@pytest.mark.tool("fsck")
def test_fsck_reports_no_success_on_seeded_corruptions(tmp_path: Path) -> None:
    fsck = tessera_fsck()
    files = exported(transfers(5000))
    root = tmp_path / "log"
    write(root, files)
    assert says_clean(fsck, root)
    missed = []
    for path, raw in corruptions(files, CORRUPTIONS):
        (root / path).write_bytes(raw)
        if says_clean(fsck, root):
            missed.append(path)
        (root / path).write_bytes(files[path])
    assert missed == []
    assert says_clean(fsck, root)


def test_leaf_hashes_bind_length_and_place() -> None:
    # Two bundles with the same bytes but other borders are other trees.
    one, other = checkpoint_of([b"ab", b"c"]), checkpoint_of([b"a", b"bc"])
    assert one.root != other.root
    assert leaf_hash(b"") != checkpoint_of([]).root
