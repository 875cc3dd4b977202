"""Signed notes: the C2SP text format that carries checkpoints and their signatures.

Signs, parses strictly and verifies; knows nothing of trees. Ed25519 comes from ``cryptography``,
two signature types are spoken: 0x01 (a log's own signature) and 0x04 (a timestamped cosignature).
Failures are ``Fatal``, since a bad note on the link stops the lane; ``proof_file.py`` turns them
into refusals where a stranger hands one in.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused

_DASH = "\N{EM DASH} "
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"(?P<name>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+={0,2})")
_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_TIME_S_MAX = 2**63 - 1

# The y coordinates of the eight points of small order on edwards25519: for such a "key" one
# signature fits every message, and OpenSSL accepts it.
_FIELD = 2**255 - 19
_ORDER_EIGHT_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD - 1, _ORDER_EIGHT_Y, _FIELD - _ORDER_EIGHT_Y})


class SignatureType(IntEnum):
    """The C2SP signature types that this gateway speaks."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims to have signed, under which 4-byte key id, and the bytes."""

    name: str
    key_id: bytes
    payload: bytes

    def line(self) -> bytes:
        """The line as it stands in a note, with its LF."""
        coded = encode_base64(self.key_id + self.payload)
        return f"{_DASH}{self.name} {coded}\n".encode()


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that was checked. ``time_s`` is set for cosignatures (POSIX seconds)."""

    name: str
    key_id: bytes
    time_s: int | None


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key under a name: what a vkey says.

    Raises ``Refused(KEY_WEAK)`` for a point of small order or a non-canonical encoding, and
    ``Refused(CONFIG_INVALID)`` for a malformed name or length.
    """

    name: str
    public_key: bytes
    type: SignatureType = SignatureType.ED25519
    key_id: bytes = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        _check_key(self.public_key)
        hashed = self.name.encode() + b"\n" + bytes([self.type]) + self.public_key
        object.__setattr__(self, "key_id", sha256(hashed).digest()[:_KEY_ID_BYTES])
        key = Ed25519PublicKey.from_public_bytes(self.public_key)
        object.__setattr__(self, "_key", key)

    @classmethod
    def from_vkey(cls, text: str) -> Self:
        """Parse ``<name>+<8 hex of key id>+<base64(type || key)>``.

        Raises ``Refused``: CONFIG_INVALID (malformed, or the id is not the key's), SUITE_UNKNOWN
        (a signature type that we do not speak), KEY_WEAK.
        """
        matched = _VKEY.fullmatch(text)
        raw = b"" if matched is None else decode_base64(matched["key"])
        if matched is None or not raw:
            raise Refused(Reason.CONFIG_INVALID, "the verifier key is malformed", vkey=text[:200])
        if raw[0] not in tuple(SignatureType):
            raise Refused(
                Reason.SUITE_UNKNOWN, "the verifier key has an unknown type", type=str(raw[0])
            )
        verifier = cls(matched["name"], raw[1:], SignatureType(raw[0]))
        if verifier.key_id.hex() != matched["id"]:
            raise Refused(
                Reason.CONFIG_INVALID, "the verifier key's id is another key's", vkey=text[:200]
            )
        return verifier

    @property
    def vkey(self) -> str:
        """The text form that outside tools read."""
        coded = encode_base64(bytes([self.type]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{coded}"

    def verify(self, text: bytes, payload: bytes) -> int | None:
        """Check one signature over a note's text; the time of a cosignature, else None.

        Raises ``Fatal(CHECKPOINT_SIGNATURE)``.
        """
        time_s = None
        message, signature = text, payload
        if self.type is SignatureType.COSIGNATURE_V1:
            time_s = int.from_bytes(payload[:_TIME_BYTES], "big")
            signature = payload[_TIME_BYTES:]
            message = cosignature_message(text, time_s)
        if len(signature) != _SIGNATURE_BYTES or (time_s or 0) > _TIME_S_MAX:
            raise self._wrong()
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise self._wrong() from None
        return time_s

    def _wrong(self) -> Fatal:
        sentence = "a known key's signature is wrong"
        return Fatal(Reason.CHECKPOINT_SIGNATURE, sentence, name=self.name)


class NoteSigner:
    """A log's Ed25519 key under a name; the name of a log's key is the log's origin."""

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = NoteVerifier(name, key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The key name that the signature lines carry."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The public half as text."""
        return self.verifier.vkey

    def named(self, name: str) -> "NoteSigner":
        """The same key under another name: one node key signs all of the node's logs."""
        return NoteSigner(name, self._key)

    def sign(self, text: bytes) -> bytes:
        """The signature line over a note's text, which ends in LF."""
        check_text(text)
        return Signature(self.name, self.verifier.key_id, self._key.sign(text)).line()


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: its text and what claim to be signatures. Parsing verifies nothing."""

    text: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a note within the limits; raises ``Fatal(CHECKPOINT_MALFORMED)``."""
        # REQ-LOG-7: strict in what we read, so that one note has one form.
        if len(raw) > limits.NOTE_BYTES_MAX:
            raise malformed("the note is too large")
        _check_characters(raw)
        split = raw.rfind(b"\n\n")
        block = raw[split + 2 :]
        if split < 0 or not block.endswith(b"\n"):
            raise malformed("the note has no signatures after a blank line")
        lines = block[:-1].decode().split("\n")
        if len(lines) > limits.NOTE_SIGNATURES_MAX:
            raise malformed("the note has too many signatures")
        return cls(raw[: split + 1], tuple(_parse_line(line) for line in lines))

    def marshal(self) -> bytes:
        """The note as bytes; parsing it gives this value again."""
        return join(self.text, *(signature.line() for signature in self.signatures))

    def open(self, verifiers: Sequence[NoteVerifier]) -> tuple[Verified, ...]:
        """Check every signature of a known key; at least one must be there.

        Unknown keys are passed over. Raises ``Fatal(CHECKPOINT_SIGNATURE)`` when a known key's
        signature is wrong, or none is of a known key.
        """
        # REQ-LOG-7
        known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
        verified = tuple(
            Verified(line.name, line.key_id, verifier.verify(self.text, line.payload))
            for line in self.signatures
            if (verifier := known.get((line.name, line.key_id))) is not None
        )
        if not verified:
            raise Fatal(Reason.CHECKPOINT_SIGNATURE, "no signature is of a known key")
        return verified


def join(text: bytes, *lines: bytes) -> bytes:
    """A note from its text and signature lines."""
    return text + b"\n" + b"".join(lines)


def parse_signature_line(line: bytes) -> Signature:
    """One signature line with its LF; raises ``Fatal(CHECKPOINT_MALFORMED)``."""
    if len(line) > limits.NOTE_BYTES_MAX or not line.endswith(b"\n") or b"\n" in line[:-1]:
        raise malformed("the signature is not one line")
    _check_characters(line)
    return _parse_line(line[:-1].decode())


def cosignature_message(text: bytes, time_s: int) -> bytes:
    """What a 0x04 cosigner signs (C2SP tlog-cosignature): it never equals a note's text."""
    return b"cosignature/v1\ntime %d\n" % time_s + text


def encode_base64(raw: bytes) -> str:
    """Standard alphabet with padding (RFC 4648 §4)."""
    return base64.b64encode(raw).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes, or nothing at all unless ``text`` is their one canonical form."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    return raw if encode_base64(raw) == text else b""


def malformed(sentence: str) -> Fatal:
    """The error for bytes that are no note, checkpoint or signature line."""
    return Fatal(Reason.CHECKPOINT_MALFORMED, sentence)


def check_name(name: str) -> None:
    """Raise ``Refused(CONFIG_INVALID)`` unless ``name`` can name a key in a note."""
    if not _is_name(name):
        raise Refused(Reason.CONFIG_INVALID, "the key name is not allowed", name=name[:200])


def check_text(text: bytes) -> None:
    """Raise ``Fatal(CHECKPOINT_MALFORMED)`` unless ``text`` can be the text of a note."""
    _check_characters(text)
    if not text.endswith(b"\n"):
        raise malformed("the text does not end in a line feed")


@lru_cache(maxsize=1024)  # names of keys come again with every note
def _is_name(name: str) -> bool:
    bad = any(one.isspace() or one == "+" or ord(one) < ord(" ") for one in name)
    return bool(name) and not bad


def _check_characters(raw: bytes) -> None:
    if _CONTROL.search(raw):
        raise malformed("the note has a control character")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise malformed("the note is not UTF-8") from None


def _check_key(raw: bytes) -> None:
    """Refuse what is no Ed25519 key, or one for which signatures mean nothing."""
    if len(raw) != _KEY_BYTES:
        raise Refused(Reason.CONFIG_INVALID, "an Ed25519 key has 32 bytes", bytes=str(len(raw)))
    # REQ-LOG-8: the top bit is the sign of x; a y of the field's size or more has a twin.
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _FIELD or y in _SMALL_ORDER_Y:
        raise Refused(Reason.KEY_WEAK, "the Ed25519 key is a point of small order")


def _parse_line(line: str) -> Signature:
    name, _, coded = line.removeprefix(_DASH).partition(" ")
    raw = decode_base64(coded)
    if not line.startswith(_DASH) or not _is_name(name) or len(raw) <= _KEY_ID_BYTES:
        raise malformed("a signature line is malformed")
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])
