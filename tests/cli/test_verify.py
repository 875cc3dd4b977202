"""Damage in stores, exports and receipts is found offline, named, and ends with 3."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.cli.pair import BACK, HOME, LANE, Pair
from tests.harness.scale import scaled
from typer.testing import Result

from xbgateway.store import StoreLock
from xbgateway.store.schema import INDEX_BITS
from xbgateway.tlog import Proof

Run = Callable[..., Result]
CONTROL = "zhuhai.xbg.test/zhuhai/macao/control"


def change(store: Path, sql: str, *values: object) -> None:
    connection = apsw.Connection(str(store))
    connection.execute(sql, values)
    assert connection.changes() > 0
    connection.close()


def row(store: Path, origin: str, index: int) -> int:
    connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    found = connection.execute("SELECT id FROM logs WHERE origin = ?", (origin,)).fetchone()
    connection.close()
    assert found is not None
    return int(found[0]) << INDEX_BITS | index


def verify(run: Run, pair: Pair, *paths: Path) -> tuple[int, dict[str, dict[str, Any]], str]:
    result = run("log", "verify", *paths, "--register", pair.register, "-o", "json")
    told = json.loads(result.stdout)
    assert told["ok"] is (result.exit_code == 0)
    logs = {f"{one['role']} {one['origin']}": one for one in told["logs"]}
    return result.exit_code, logs, result.stderr


@pytest.mark.parametrize("index", [0, 100, 255, 256, 279])
def test_an_altered_entry_is_named(pair: Pair, run: Run, index: int) -> None:
    store = pair.store("zhuhai")
    pos = row(store, LANE, index)
    altered = "CAST(replace(CAST(entry AS TEXT), 'kind', 'Kind') AS BLOB)"
    change(store, f"UPDATE entries SET entry = {altered} WHERE pos = ?", pos)
    code, logs, errors = verify(run, pair, store)
    assert code == 3
    damaged = logs[f"own {LANE}"]
    assert damaged["state"] == "DAMAGED"
    assert damaged["first_damaged_entry"] == index
    assert f"entry {index}" in errors
    assert "xbgateway: hint: " in errors
    assert all(one["state"] == "OK" for name, one in logs.items() if one is not damaged)


def overwrite(store: Path, table: str) -> None:
    """Zero the first page of a table or index, as a bad disk would."""
    connection = apsw.Connection(str(store))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    page: Any = connection.execute(sql, (table,)).fetchall()[0][0]
    size = connection.pragma("page_size")
    connection.close()
    with store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))


@pytest.mark.parametrize("table", ["facts", "parts", "decisions", "exchanges_party"])
def test_a_damaged_page_beside_the_logs_is_found(pair: Pair, run: Run, table: str) -> None:
    """No log has a row there: only SQLite itself can tell."""
    store = pair.store("zhuhai")
    overwrite(store, table)
    result = run("log", "verify", store, "--register", pair.register, "-o", "json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (3, False)
    (file,) = told["stores"]
    assert (file["state"], file["source"]) == ("DAMAGED", str(store))
    assert {one["reason"] for one in file["findings"]} == {"STORE_CORRUPT"}
    assert {one["path"] for one in file["findings"]} == {"integrity"}
    assert {one["state"] for one in told["logs"]} == {"OK"}
    table_form = run("log", "verify", store, "--register", pair.register)
    assert table_form.exit_code == 3
    assert any(
        line.split()[:3] == ["DAMAGED", str(store), "store"]
        for line in table_form.stdout.splitlines()
    )
    assert "STORE_CORRUPT: integrity: " in table_form.stdout
    assert "xbgateway: error: STORE_CORRUPT: " in table_form.stderr


def test_a_wellformed_forged_entry_is_found_where_it_stands(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    change(
        store,
        "UPDATE entries SET entry = (SELECT entry FROM entries WHERE pos = ?) WHERE pos = ?",
        row(store, LANE, 8),
        row(store, LANE, 7),
    )
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    assert logs[f"own {LANE}"]["first_damaged_entry"] == 7


@pytest.mark.parametrize("index", [3, 278])
def test_a_removed_entry_is_found(pair: Pair, run: Run, index: int) -> None:
    store = pair.store("macao")
    change(store, "DELETE FROM entries WHERE pos = ?", row(store, LANE, index))
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    found = logs[f"mirror {LANE}"]["findings"]
    assert "LOG_SIZE" in {one["reason"] for one in found}


def test_a_stored_tile_is_held_against_its_entries(pair: Pair, run: Run) -> None:
    store = pair.store("macao")
    change(
        store, "UPDATE tiles SET hashes = zeroblob(8192) WHERE log = ?", row(store, LANE, 0) >> 40
    )
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    assert logs[f"mirror {LANE}"]["findings"][0]["path"].startswith("tile/")


@pytest.mark.parametrize("column", ["checkpoint", "held"])
def test_a_forged_signature_is_found(pair: Pair, run: Run, column: str) -> None:
    store = pair.store("zhuhai")
    connection = apsw.Connection(str(store))
    found = connection.execute(
        f"SELECT {column} FROM logs WHERE origin = ?", (BACK if column == "checkpoint" else LANE,)
    ).fetchone()
    assert found is not None
    connection.close()
    note = found[0]
    last = note.rstrip().rfind(b" ") + 30  # inside the last line's signature
    forged = note[:last] + (b"A" if note[last : last + 1] != b"A" else b"B") + note[last + 1 :]
    origin = BACK if column == "checkpoint" else LANE
    change(store, f"UPDATE logs SET {column} = ? WHERE origin = ?", forged, origin)
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    role = "mirror" if column == "checkpoint" else "own"
    reasons = {one["reason"] for one in logs[f"{role} {origin}"]["findings"]}
    assert reasons == {"CHECKPOINT_SIGNATURE"}


def test_a_log_cut_back_with_its_size_is_a_rollback(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    change(store, "DELETE FROM entries WHERE pos >= ? AND pos < ?",
           row(store, LANE, 270), row(store, LANE, 300))  # fmt: skip
    change(store, "UPDATE logs SET size = 270 WHERE origin = ?", LANE)
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    assert "LOG_ROLLBACK" in {one["reason"] for one in logs[f"own {LANE}"]["findings"]}


def test_the_anchor_shows_a_rewritten_home_log(pair: Pair, run: Run) -> None:
    """Whoever has the node's own keys can sign another home log; not the anchors at the peer."""
    store = pair.store("zhuhai")
    change(store, "UPDATE logs SET size = 0, checkpoint = NULL WHERE origin = ?", HOME)
    change(store, "DELETE FROM entries WHERE pos >= ? AND pos < ?",
           row(store, HOME, 0), row(store, HOME, 1000))  # fmt: skip
    code, logs, _ = verify(run, pair, store)
    assert code == 3
    assert {one["reason"] for one in logs[f"home {HOME}"]["findings"]} == {"LOG_ROLLBACK"}


def test_a_mirror_is_held_against_the_other_nodes_log(pair: Pair, run: Run) -> None:
    """The owner shortens its own log, every signature right; the mirror knows more."""
    own, mirror = pair.store("zhuhai"), pair.store("macao")
    change(own, "DELETE FROM entries WHERE pos >= ? AND pos < ?",
           row(own, LANE, 0), row(own, LANE, 1000))  # fmt: skip
    change(own, "DELETE FROM tiles WHERE log = ?", row(own, LANE, 0) >> 40)
    change(own, "UPDATE logs SET size = 0, checkpoint = NULL, held = NULL WHERE origin = ?", LANE)
    assert verify(run, pair, mirror)[0] == 0
    code, logs, _ = verify(run, pair, own, mirror)
    assert code == 3
    assert {one["reason"] for one in logs[f"mirror {LANE}"]["findings"]} == {"LOG_ROLLBACK"}


def test_another_registers_key_verifies_nothing_of_that_node(pair: Pair, run: Run) -> None:
    text = pair.register.read_text()
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    key = text.partition("log_key: ")[2][:64]
    pair.register.write_text(text.replace(key, other))
    code, logs, _ = verify(run, pair, pair.store("zhuhai"))
    assert code == 3
    assert {(one["role"], one["state"]) for one in logs.values()} == {
        ("own", "DAMAGED"), ("home", "DAMAGED"), ("mirror", "OK"),
    }  # fmt: skip
    told = {finding["reason"] for one in logs.values() for finding in one["findings"]}
    assert told == {"CHECKPOINT_SIGNATURE"}


def test_an_export_with_one_bit_changed_is_unsound(pair: Pair, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    assert run("log", "export", pair.store("zhuhai"), LANE, folder).exit_code == 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        kept = file.read_bytes()
        file.write_bytes(kept[:40] + bytes([kept[40] ^ 1 if len(kept) > 40 else 0]) + kept[41:])
        result = run("log", "verify", folder, "--register", pair.register)
        assert result.exit_code == 3, (file, result.output)
        file.write_bytes(kept)
    assert run("log", "verify", folder, "--register", pair.register).exit_code == 0


def test_an_export_goes_on_where_it_was(pair: Pair, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    command = ("log", "export", pair.store("zhuhai"), LANE, folder, "-o", "json")
    assert json.loads(run(*command).stdout)["files_kept"] == 0
    (folder / "checkpoint").unlink()
    (folder / "tile/entries/000").write_bytes(b"half")
    told = json.loads(run(*command).stdout)
    assert (told["files_written"], told["files_kept"]) == (2, 4)
    assert run("log", "verify", folder, "--register", pair.register).exit_code == 0


def test_a_damaged_store_is_not_exported(pair: Pair, run: Run, tmp_path: Path) -> None:
    store = pair.store("zhuhai")
    change(
        store, "UPDATE entries SET entry = CAST('{}' AS BLOB) WHERE pos = ?", row(store, LANE, 5)
    )
    result = run("log", "export", store, LANE, tmp_path / "export")
    assert result.exit_code == 3
    assert "LOG_FORK" in result.stderr
    assert not (tmp_path / "export" / "checkpoint").exists()


def test_a_vkey_does_what_the_register_does(pair: Pair, run: Run, tmp_path: Path) -> None:
    shown = run("keys", "show", pair.keys("zhuhai"), "--register", pair.register, "-o", "json")
    vkey = next(one for one in json.loads(shown.stdout)["vkeys"] if one.startswith(LANE))
    folder = tmp_path / "export"
    run("log", "export", pair.store("zhuhai"), LANE, folder)
    assert run("log", "verify", folder, "--vkey", vkey).exit_code == 0
    other = json.loads(shown.stdout)["vkeys"][0]
    assert run("log", "verify", folder, "--vkey", other).exit_code == 3


def test_a_stopped_log_is_released_once_a_person_has_looked(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    change(store, "UPDATE logs SET stopped = 'LOG_FORK' WHERE origin = ?", BACK)
    held = StoreLock(store)
    command = ("log", "release", store, BACK, "--reason", "peer restored from backup, see INC-7")
    assert run(*command).exit_code == 4  # the node runs
    held.release()
    result = run(*command)
    assert result.exit_code == 0, result.output
    record = json.loads(store.with_name("store.db.released.jsonl").read_text())
    assert (record["origin"], record["stopped"]) == (BACK, "LOG_FORK")
    assert "INC-7" in record["reason"]
    assert not store.with_name("store.db-wal").exists()
    assert run(*command).exit_code == 5  # it is not stopped any more
    assert verify(run, pair, store)[0] == 0


def test_decisions_are_told_where_facts_were_erased(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    command = ("decision", "recompute", store, "--keys", pair.keys("zhuhai"))
    change(store, "UPDATE exchanges SET key = NULL WHERE hex(id) = ?",
           pair.exchange.replace("-", "").upper())  # fmt: skip
    result = run(*command, "--exchange", pair.exchange, "-o", "json")
    assert result.exit_code == 0
    states = [one["state"] for one in json.loads(result.stdout)]
    assert states == ["erased", "erased", "elsewhere", "elsewhere"]


def test_a_decision_document_that_was_changed_is_found(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    change(store, "UPDATE decisions SET decision = CAST('{}' AS BLOB)")
    result = run(
        "decision", "recompute", store, "--keys", pair.keys("zhuhai"),
        "--exchange", pair.exchange, "-o", "json",
    )  # fmt: skip
    assert result.exit_code == 3
    assert {one["state"] for one in json.loads(result.stdout)} == {"differs", "elsewhere"}


def test_a_store_carries_the_policies_that_its_decisions_were_made_by(
    pair: Pair, run: Run, tmp_path: Path
) -> None:
    policies = _another_revision(tmp_path)
    result = run(
        "decision", "recompute", pair.store("zhuhai"), "--keys", pair.keys("zhuhai"),
        "--exchange", pair.exchange, "--policies", policies, "-o", "json",
    )  # fmt: skip
    assert result.exit_code == 0
    assert {one["state"] for one in json.loads(result.stdout)} == {"same", "elsewhere"}


def _another_revision(tmp_path: Path) -> Path:
    policies = tmp_path / "policies"
    shutil.copytree(Path(__file__).resolve().parents[2] / "policies", policies)
    texts = policies / "texts" / "mo_transfer.yaml"
    texts.write_text(texts.read_text() + "\n# another revision\n")
    return policies


def test_without_the_archive_another_revision_needs_its_policies(
    pair: Pair, run: Run, tmp_path: Path
) -> None:
    policies = _another_revision(tmp_path)
    change(pair.store("zhuhai"), "DELETE FROM revisions")
    result = run(
        "decision", "recompute", pair.store("zhuhai"), "--keys", pair.keys("zhuhai"),
        "--exchange", pair.exchange, "--policies", policies,
    )  # fmt: skip
    assert result.exit_code == 5
    assert "no revision" in result.stdout


def test_a_receipt_is_worth_nothing_once_a_part_of_it_changed(
    pair: Pair, run: Run, tmp_path: Path
) -> None:
    from xbgateway.store.reader import Reader
    from xbgateway.tlog import inclusion_proof

    reader = Reader(pair.store("zhuhai"))
    note = next(one[6] for one in reader.log_rows() if one[1] == LANE)
    assert note is not None
    path = inclusion_proof(9, 280, lambda *at: reader.tile(LANE, *at))
    (tmp_path / "a.entry").write_bytes(reader.entries(LANE, 9, 10)[0])
    (tmp_path / "a.tlog-proof").write_bytes(Proof(9, path, note).marshal())
    command = ("log", "verify", tmp_path, "--register", pair.register, "--require-cosigned")
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert "entry 9" in result.stdout
    for name in ("a.entry", "a.tlog-proof"):
        kept = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(kept.replace(b"9", b"8", 1))
        assert run(*command).exit_code == 3
        (tmp_path / name).write_bytes(kept)
    (tmp_path / "a.entry").unlink()
    assert run(*command).exit_code == 3


def test_a_file_cut_short_is_a_finding_and_no_traceback(pair: Pair, run: Run) -> None:
    store = pair.store("zhuhai")
    connection = apsw.Connection(str(store))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    assert not store.with_name("store.db-wal").exists()
    content = store.read_bytes()
    store.write_bytes(content[: len(content) // 8])
    for words in (
        ("log", "verify", store, "--register", pair.register),
        ("log", "export", store, LANE, pair.folder / "export"),
    ):
        result = run(*words)
        assert result.exit_code == 3, result.output
        assert "xbgateway: error: " in result.stderr


def test_flipped_bytes_in_an_entry_row_are_always_found(pair: Pair, run: Run) -> None:
    store, chance = pair.store("macao"), Random(7)
    for _ in range(scaled(6)):
        index = chance.randrange(280)
        reader = apsw.Connection(str(store))
        sql = "SELECT entry FROM entries WHERE pos = ?"
        pos = row(store, LANE, index)
        kept: Any = reader.execute(sql, (pos,)).fetchall()[0][0]
        reader.close()
        at = chance.randrange(len(kept))
        flipped = kept[:at] + bytes([kept[at] ^ 1 << chance.randrange(8)]) + kept[at + 1 :]
        change(store, "UPDATE entries SET entry = ? WHERE pos = ?", flipped, pos)
        code, logs, _ = verify(run, pair, store)
        assert code == 3
        assert logs[f"mirror {LANE}"]["state"] == "DAMAGED"
        change(store, "UPDATE entries SET entry = ? WHERE pos = ?", kept, pos)
    assert verify(run, pair, store)[0] == 0
