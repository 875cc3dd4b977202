"""The offline audit of files: an exported log, or a receipt (an entry and its proof)."""

from pathlib import Path

from xbgateway.cli.receipts import ENTRY, PROOF
from xbgateway.cli.trust import ALONE, Trust, claiming
from xbgateway.cli.verdict import Verdict
from xbgateway.model.entry import decode, leaf_hex
from xbgateway.model.errors import Fatal, GatewayError, Reason, Refused
from xbgateway.model.limits import ENTRY_BYTES_MAX, NOTE_BYTES_MAX, PROOF_BYTES_MAX
from xbgateway.model.origins import parse
from xbgateway.model.outcome import Placed, Position
from xbgateway.tlog import Checkpoint, Note, NoteVerifier, Proof, audit_log, verify_proof
from xbgateway.tlog.tiles import CHECKPOINT_PATH


def verify_export(directory: Path, trust: Trust, *, cosigned: bool = False) -> Verdict:
    """The verdict on one log in the C2SP tile layout."""
    verdict = Verdict(str(directory), "", "export")
    try:
        note = _read(directory / CHECKPOINT_PATH, NOTE_BYTES_MAX)
        claimed = Checkpoint.parse(Note.parse(note).text)
        verdict.origin, verdict.size = claimed.origin, claimed.size
        verifier, cosigner = _keys(note, claimed.origin, trust, cosigned=cosigned)
    except GatewayError as error:
        verdict.blame(CHECKPOINT_PATH, error)
        return verdict
    report = audit_log(
        lambda path: (directory / path).read_bytes(),
        verifier,
        claimed.origin,
        (cosigner,) if cosigner else (),
    )
    verdict.entries_checked = report.entries_checked
    verdict.findings.extend(report.findings)
    if report.cosigned_s and cosigner is not None:
        verdict.held_size, verdict.held_by = claimed.size, cosigner.name
    if report.findings_total > len(report.findings):
        verdict.notes.append(f"{report.findings_total} findings; the first ones are told")
    return verdict


def verify_receipt(
    proof_file: Path, trust: Trust, *, cosigned: bool = False
) -> tuple[Verdict, Placed | None]:
    """The verdict on one entry with its proof; the entry in its place where it is sound."""
    verdict = Verdict(str(proof_file), "", "receipt")
    try:
        proof = Proof.unmarshal(_read(proof_file, PROOF_BYTES_MAX))
        entry = _read(
            proof_file.with_name(proof_file.name.removesuffix(PROOF) + ENTRY), ENTRY_BYTES_MAX
        )
        claimed = Checkpoint.parse(Note.parse(proof.checkpoint).text)
        verdict.origin, verdict.size = claimed.origin, claimed.size
        verifier, cosigner = _keys(proof.checkpoint, claimed.origin, trust, cosigned=cosigned)
        verify_proof(entry, proof, verifier, (cosigner,) if cosigner else ())
        verdict.entries_checked = 1
        if cosigner is not None:
            verdict.held_size, verdict.held_by = claimed.size, cosigner.name
        read = decode(entry)
    except GatewayError as error:
        verdict.blame(proof_file.name, error)
        return verdict, None
    exchange = getattr(read, "exchange", None)
    verdict.notes.append(
        f"entry {proof.index}: {read.kind}" + (f" of {exchange}" if exchange else "")
    )
    position = Position(claimed.origin, parse(claimed.origin).writer, proof.index)
    return verdict, Placed(position, leaf_hex(entry), read)


def _keys(
    note: bytes, origin: str, trust: Trust, *, cosigned: bool
) -> tuple[NoteVerifier, NoteVerifier | None]:
    """The keys that must have signed a note: the log's, and the cosigner's where it claims to have.

    Also where it is asked for, and where the log's key alone proves nothing any more. Raises
    ``Refused(KEY_UNKNOWN)``, ``Fatal(CHECKPOINT_SIGNATURE)``.
    """
    verifier, cosigner = trust.log(origin, note), trust.cosigner(origin, note)
    alone = trust.compromised(verifier)
    if cosigner is None:
        if alone:
            raise Fatal(Reason.CHECKPOINT_SIGNATURE, ALONE, origin=origin)
        return verifier, None
    there = any(claiming(note, (cosigner,)))
    return verifier, cosigner if there or cosigned or alone else None


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise Refused(
            Reason.PROOF_INVALID, f"{path.name} cannot be read: {error.strerror}"
        ) from error
    if len(content) > bytes_max:
        raise Refused(Reason.PROOF_INVALID, f"{path.name} is larger than it can be")
    return content
