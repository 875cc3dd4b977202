"""Cosignatures (C2SP tlog-cosignature, Ed25519, type 0x04): the receipt of a mirror.

A mirror's cosignature on a checkpoint says "at this time I durably hold every entry up to this
size". Never checks that this is so: a mirror cosigns only what ``mirror.py`` accepted and its
store committed.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog.checkpoint import Checkpoint
from xbgateway.tlog.note import (
    Note,
    NoteVerifier,
    Signature,
    SignatureType,
    cosignature_message,
    parse_signature_line,
)

_TIME_BYTES = 8


class Cosigner:
    """An Ed25519 key of its own for one cosigning role.

    REQ-LOG-9: the key is never a log's key nor another role's, since the signed message does not
    say the cosigner's name.
    """

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes_raw()
        self.verifier = NoteVerifier(name, public, SignatureType.COSIGNATURE_V1)

    @property
    def name(self) -> str:
        """The key name that the cosignature lines carry."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The public half as text."""
        return self.verifier.vkey

    def cosign(self, checkpoint_text: bytes, time_s: int) -> bytes:
        """The cosignature line over a checkpoint's text at ``time_s`` (POSIX seconds, whole).

        Raises ``Fatal(CHECKPOINT_MALFORMED)`` when the text is no checkpoint.
        """
        Checkpoint.parse(checkpoint_text)
        signature = self._key.sign(cosignature_message(checkpoint_text, time_s))
        payload = time_s.to_bytes(_TIME_BYTES, "big") + signature
        return Signature(self.name, self.verifier.key_id, payload).line()


def verify_cosignature(note: bytes, verifier: NoteVerifier) -> int:
    """The time of a cosigner's signature in a note, in POSIX seconds; the latest of several.

    Raises ``Fatal``: CHECKPOINT_MALFORMED, or CHECKPOINT_SIGNATURE (absent or wrong).
    """
    parsed = Note.parse(note)
    _check_type(verifier)
    times = [one.time_s for one in parsed.open((verifier,)) if one.time_s is not None]
    Checkpoint.parse(parsed.text)
    return max(times)


def verify_cosignature_line(
    checkpoint_text: bytes, line: bytes, verifiers: Sequence[NoteVerifier]
) -> int:
    """As :func:`verify_cosignature`, for a line that came alone: the receipt on the link.

    It counts under any of the keys given: while a key is replaced there are two.
    """
    for verifier in verifiers:
        _check_type(verifier)
    signature = parse_signature_line(line)
    times = Note(checkpoint_text, (signature,)).open(verifiers)
    Checkpoint.parse(checkpoint_text)
    return max(one.time_s for one in times if one.time_s is not None)


def add_signatures(note: bytes, *lines: bytes) -> bytes:
    """The note with further signature lines below its own, each checked for form only.

    REQ-LOG-6: the log's signature stays first. Raises ``Fatal(CHECKPOINT_MALFORMED)``.
    """
    parsed = Note.parse(note)
    added = tuple(parse_signature_line(line) for line in lines)
    grown = Note(parsed.text, parsed.signatures + added).marshal()
    Note.parse(grown)
    return grown


def _check_type(verifier: NoteVerifier) -> None:
    if verifier.type is not SignatureType.COSIGNATURE_V1:
        raise Fatal(
            Reason.CHECKPOINT_SIGNATURE,
            "a note signature does not stand for a cosignature",
            name=verifier.name,
        )
