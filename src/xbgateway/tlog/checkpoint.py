"""Checkpoints: the signed tree head of a log, in the C2SP tlog-checkpoint form.

Builds, signs, parses and opens them. Never decides whether a checkpoint fits what was seen before:
``mirror.py`` and ``audit.py`` do.
"""

import re
from dataclasses import dataclass
from typing import Self

from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog.merkle import HASH_BYTES
from xbgateway.tlog.note import (
    Note,
    NoteSigner,
    NoteVerifier,
    SignatureType,
    decode_base64,
    encode_base64,
    join,
    malformed,
)

# REQ-LOG-5: decimal without leading zeroes, below 2**63, so every tool can hold it.
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f]")
_SIZE_MAX = 2**63 - 1
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's origin, its size in entries and its 32-byte root.

    Raises ``Fatal(CHECKPOINT_MALFORMED)`` for values that no checkpoint can say.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _CONTROL.search(self.origin):
            raise malformed("the origin is empty or has a control character")
        if not 0 <= self.size <= _SIZE_MAX:
            raise malformed("the size is out of range")
        if len(self.root) != HASH_BYTES:
            raise malformed("the root is not 32 bytes")

    def text(self) -> bytes:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the three lines; raises ``Fatal(CHECKPOINT_MALFORMED)``.

        Extension lines are refused: nothing audits them, and our logs never write any.
        """
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError:
            raise malformed("the checkpoint is not UTF-8") from None
        # REQ-LOG-5
        if len(lines) != _LINES + 1 or lines[_LINES]:
            raise malformed("the checkpoint has not three lines")
        origin, size, root = lines[:_LINES]
        if not _SIZE.fullmatch(size):
            raise malformed("the size is not a plain decimal")
        return cls(origin, int(size), decode_base64(root))


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """The checkpoint as a signed note of one signature.

    Raises ``Fatal(CHECKPOINT_ORIGIN)`` when the signer's name is another log's: see
    :meth:`NoteSigner.named`. Consistency with what was signed before is the caller's promise.
    """
    # REQ-LOG-4: a key name that is the origin is what public tools expect, and keeps one lane's
    # signer off another lane.
    if signer.name != checkpoint.origin:
        raise Fatal(
            Reason.CHECKPOINT_ORIGIN,
            "a log signs under its own origin only",
            origin=checkpoint.origin,
            name=signer.name,
        )
    text = checkpoint.text()
    return join(text, signer.sign(text))


def open_checkpoint(note: bytes, verifier: NoteVerifier, origin: str) -> Checkpoint:
    """The checkpoint in a note, once the log's own signature holds and the origin is the log's.

    Raises ``Fatal``: CHECKPOINT_MALFORMED, CHECKPOINT_SIGNATURE, CHECKPOINT_ORIGIN.
    """
    if verifier.type is not SignatureType.ED25519:
        raise Fatal(
            Reason.CHECKPOINT_SIGNATURE,
            "a cosignature does not stand for the log's own signature",
            name=verifier.name,
        )
    parsed = Note.parse(note)
    parsed.open((verifier,))
    checkpoint = Checkpoint.parse(parsed.text)
    # REQ-LOG-3: one node key signs many logs; the origin inside the signed text tells them apart.
    if checkpoint.origin != origin:
        raise Fatal(
            Reason.CHECKPOINT_ORIGIN,
            "the checkpoint is of another log",
            origin=checkpoint.origin,
            expected=origin,
        )
    return checkpoint
