"""The ``.tlog-proof`` file: one entry's offline proof, in the C2SP tlog-proof form.

Marshals, parses strictly and verifies. Whoever holds an entry, its proof and the public keys can
check it with no network and no gateway. Never trusts the ``extra`` line, which nothing signs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.tlog.checkpoint import Checkpoint, open_checkpoint
from xbgateway.tlog.cosignature import verify_cosignature
from xbgateway.tlog.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from xbgateway.tlog.note import Note, NoteVerifier, decode_base64, encode_base64

_MAGIC = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's index, its inclusion path leaf upward, and the signed checkpoint verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def marshal(self) -> bytes:
        """The file's bytes."""
        lines = [_MAGIC]
        if self.extra:
            lines.append(_EXTRA + encode_base64(self.extra))
        lines.append(f"index {self.index}")
        lines.extend(encode_base64(one) for one in self.hashes)
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint

    @classmethod
    def unmarshal(cls, raw: bytes) -> Self:
        """Read a proof file; raises ``Refused(PROOF_INVALID)`` unless it has the one exact form."""
        head, blank, checkpoint = raw.partition(b"\n\n")
        if len(raw) > limits.PROOF_BYTES_MAX or not blank:
            raise _refused("the proof file has not its parts, or is too large")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise _refused("the proof's head is not ASCII") from None
        if lines.pop(0) != _MAGIC:
            raise _refused("the file is not a version 1 proof")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = decode_base64(lines.pop(0).removeprefix(_EXTRA))
            if not extra:
                raise _refused("the extra line is malformed")
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None:
            raise _refused("the index line is missing or malformed")
        hashes = tuple(decode_base64(line) for line in lines)
        # REQ-LOG-17
        if len(hashes) > limits.PROOF_HASHES_MAX or any(len(one) != HASH_BYTES for one in hashes):
            raise _refused("a hash line is malformed, or there are too many")
        try:
            Note.parse(checkpoint)
        except Fatal as fatal:
            raise _refused(fatal.sentence) from fatal
        return cls(int(index[1]), hashes, checkpoint, extra)


def verify_proof(
    entry: bytes,
    proof: Proof,
    log_verifier: NoteVerifier,
    cosigner_verifiers: Sequence[NoteVerifier] = (),
) -> Checkpoint:
    """Check that ``entry`` is in the log of ``log_verifier``; the checkpoint that says so.

    The log's origin is its key's name (REQ-LOG-4). Every cosigner given must have signed. Raises
    ``Refused``: CHECKPOINT_MALFORMED, CHECKPOINT_SIGNATURE, CHECKPOINT_ORIGIN, PROOF_INVALID. A
    proof is handed in by somebody, so its faults never are ``Fatal``.
    """
    # REQ-LOG-17: leaf, then log, then cosigners, then path.
    leaf = leaf_hash(entry)
    try:
        checkpoint = open_checkpoint(proof.checkpoint, log_verifier, log_verifier.name)
        for verifier in cosigner_verifiers:
            verify_cosignature(proof.checkpoint, verifier)
    except Fatal as fatal:
        raise Refused(fatal.reason, fatal.sentence, **fatal.metadata) from fatal
    verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
    return checkpoint


def _refused(sentence: str) -> Refused:
    return Refused(Reason.PROOF_INVALID, sentence)
