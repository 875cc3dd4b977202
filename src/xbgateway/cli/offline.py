"""Work on logs without a node: verify anything, export for outside tools, release a stopped log."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import apsw
import typer

from xbgateway.cli.audit_files import verify_export, verify_receipt
from xbgateway.cli.audit_store import (
    Store,
    size_of,
    verify_anchors,
    verify_mirror,
    verify_store,
)
from xbgateway.cli.ending import Ending, UsageError, hint_of, tell
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.cli.receipts import PROOF
from xbgateway.cli.trust import Trust
from xbgateway.cli.verdict import STORE, Verdict
from xbgateway.identity.keyfiles import PRIVATE_MODE, PUBLIC_MODE, write_file
from xbgateway.model.clock import instant
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.model.outcome import Placed, by_exchange
from xbgateway.store import StoreLock
from xbgateway.tlog import Checkpoint, Note, export_files
from xbgateway.tlog.tiles import CHECKPOINT_PATH

_SQLITE = b"SQLite format 3\x00"

StoreFile = Annotated[Path, typer.Argument(metavar="STORE", help="A node's store file.")]
Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="The log's name.")]


def verify(
    path: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Stores, exported logs, receipts, or folders of these."
        ),
    ],
    register: Annotated[
        Path | None, typer.Option(help="Register file: the public keys of all nodes.")
    ] = None,
    vkey: Annotated[
        list[str] | None, typer.Option(help="A public key as C2SP text; repeatable.")
    ] = None,
    require_cosigned: Annotated[
        bool, typer.Option("--require-cosigned", help="Unsound without the peer's cosignature.")
    ] = False,
    output: Output = Format.TABLE,
) -> int:
    """Verify logs and receipts offline, with public keys only; ends with 3 on any finding.

    Re-hashes every entry, checks checkpoint signatures and cosignatures, anchors of home logs, and
    the outcome of every exchange. Of a store the file itself is checked as well, by SQLite: what
    stands beside the logs proves nothing by itself. Of two nodes' stores given together, each
    mirror is compared with the log it mirrors. A store is opened read-only; its node may run.
    """
    trust = Trust.of(register, vkey or ())
    stores, exports, proofs = _sources(path)
    verdicts: list[Verdict] = []
    opened = [Store.open(one) for one in stores]
    for store in opened:
        verdicts += verify_store(store, trust, cosigned=require_cosigned)
    _across(opened, verdicts)
    verdicts += [verify_export(one, trust, cosigned=require_cosigned) for one in exports]
    placed: list[Placed] = []
    for one in proofs:
        verdict, proven = verify_receipt(one, trust, cosigned=require_cosigned)
        verdicts.append(verdict)
        placed += [proven] if proven else []
    told = {exchange: str(state.outcome) for exchange, state in by_exchange(placed)}
    return _report(verdicts, told, sum(len(store.outcomes) for store in opened), output)


def export(
    store: StoreFile,
    origin: Origin,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")],
    output: Output = Format.TABLE,
) -> None:
    """Export a log as files in the C2SP tile layout, for public tools and `log verify`.

    The checkpoint is written last, and only when the entries lead to it. Run again, it goes on
    where it was; a grown log adds to what is there.
    """
    opened = _open(store)
    log = opened.log(origin)
    note = log.newest()
    if note is None:
        raise Refused(Reason.ENTRY_UNKNOWN, f"nothing of {origin} has been signed yet")
    there = directory / CHECKPOINT_PATH
    if there.exists():
        other = Checkpoint.parse(Note.parse(there.read_bytes()).text)
        if other.origin != origin:
            raise Refused(Reason.CONFIG_INVALID, f"{directory} holds an export of {other.origin}")
    written = kept = 0
    size = size_of(note)
    for name, content in export_files(
        note, size, lambda start, end: opened.reader.entries(origin, start, end)
    ):
        file = directory / name
        if file.is_file() and file.read_bytes() == content:
            kept += 1
        else:
            write_file(file, content, PUBLIC_MODE)
            written += 1
    record = {"origin": origin, "directory": str(directory), "size": size}
    shown({**record, "files_written": written, "files_kept": kept}, output)


def release(
    store: StoreFile,
    origin: Origin,
    reason: Annotated[str, typer.Option(help="What was found, for the record.")],
) -> None:
    """Let a stopped log go on, after a person has looked. The node must be stopped.

    When it was, why the log had stopped and what was found is appended to STORE.released.jsonl,
    before anything is released. If the cause is still there, the log stops at the next group.
    """
    if not reason.strip():
        raise UsageError("--reason must say what was found")
    lock = StoreLock(_open(store).path)
    try:
        was = _open(store).log(origin).stopped
        if not was:
            raise Refused(Reason.CONFIG_INVALID, f"{origin} has not stopped")
        record = {
            "at": instant(datetime.now(UTC)),
            "origin": origin,
            "stopped": was,
            "reason": reason.strip(),
        }
        # The record first: a release that nobody can account for must not happen.
        file = store.with_name(store.name + ".released.jsonl")
        before = file.read_bytes() if file.exists() else b""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        write_file(file, before + line, PRIVATE_MODE)
        connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("synchronous", "FULL")
            connection.execute("UPDATE logs SET stopped = NULL WHERE origin = ?", (origin,))
        finally:
            connection.close()
    except apsw.Error as error:
        raise Fatal(Reason.STORE_UNAVAILABLE, f"the store cannot be written: {error}") from error
    finally:
        lock.release()
    print(f"released  {origin}  (stopped by {was})")


def _open(path: Path) -> Store:
    if not path.is_file():
        raise Refused(Reason.CONFIG_INVALID, f"{path} is no store")
    return Store.open(path)


def _sources(paths: Iterable[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Stores, exported logs and proofs below the given paths."""
    stores: list[Path] = []
    exports: list[Path] = []
    proofs: list[Path] = []
    for path in paths:
        if path.is_dir():
            exports += sorted(found.parent for found in path.rglob(CHECKPOINT_PATH))
            proofs += sorted(path.rglob(f"*{PROOF}"))
            stores += [one for one in sorted(path.glob("*.db")) if _is_store(one)]
            if not (exports or proofs or stores):
                raise Refused(Reason.CONFIG_INVALID, f"{path} holds nothing to verify")
        elif path.name.endswith(PROOF):
            proofs.append(path)
        elif path.suffix == ".entry":
            proofs.append(path.with_suffix(PROOF))
        elif path.is_file() and _is_store(path):
            stores.append(path)
        else:
            raise Refused(Reason.CONFIG_INVALID, f"{path} is no store, export or receipt")
    return stores, exports, proofs


def _is_store(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _across(stores: Sequence[Store], verdicts: list[Verdict]) -> None:
    """What only several logs show together: anchors and mirrors."""
    found = {(verdict.source, verdict.origin): verdict for verdict in verdicts}
    anchors: dict[str, dict[int, str]] = {}
    for store in stores:
        for origin, said in store.anchors.items():
            anchors.setdefault(origin, {}).update(said)
    for store in stores:
        for log in store.logs:
            if log.role != "own":
                continue
            verify_anchors(store, log, anchors.get(log.origin, {}), _of(found, store, log.origin))
            for other in stores:
                if other is not store and any(one.origin == log.origin for one in other.logs):
                    verify_mirror(store, log, other, _of(found, other, log.origin))


def _of(found: dict[tuple[str, str], Verdict], store: Store, origin: str) -> Verdict:
    return found[str(store.path), origin]


def _report(
    verdicts: list[Verdict], receipts: dict[str, str], exchanges: int, output: Format
) -> int:
    bad = [verdict for verdict in verdicts if not verdict.sound]
    records = [verdict.record() for verdict in verdicts]
    if output is Format.JSON:
        logs = [one for one in records if one["role"] != STORE]
        files = [
            {name: one[name] for name in ("state", "source", "findings")}
            for one in records
            if one["role"] == STORE
        ]
        told = {"ok": not bad, "stores": files, "logs": logs}
        shown({**told, "exchanges": exchanges, "receipts": receipts}, output)
    else:
        columns = ("state", "origin", "role", "size", "held_size", "first_damaged_entry")
        listed(
            [{**one, "origin": one["origin"] or one["source"]} for one in records], columns, output
        )
        for verdict in verdicts:
            _explain(verdict)
        for exchange, outcome in receipts.items():
            print(f"exchange {exchange}: {outcome}")
        sound = len(verdicts) - len(bad)
        print(f"{sound} of {len(verdicts)} sound, {exchanges} exchanges read")
    if not bad:
        return Ending.OK
    first = bad[0].findings[0]
    where = "" if first.entry is None else f", entry {first.entry}"
    tell(f"error: {first.reason}: {bad[0].origin or bad[0].source}{where}: {first.sentence}")
    tell(f"hint: {hint_of(first.reason)}")
    return Ending.VERIFICATION


def _explain(verdict: Verdict) -> None:
    lines: list[Any] = [f"note: {note}" for note in verdict.notes]
    for one in verdict.findings:
        where = one.path if one.entry is None else f"{one.path}, entry {one.entry}"
        lines.append(f"{one.reason}: {where}: {one.sentence}")
    for line in lines:
        print(f"{verdict.origin or verdict.source}: {line}")
