"""Sealing an attachment segment by segment, so that none of it is ever held whole.

The STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, ePrint 2015/189): AES-256-GCM for
each segment under a nonce of a prefix, the segment's number and whether it is the last one. What is
moved, cut off, doubled or altered does not open. ``docs/spec/streams.md`` is it to the byte.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import SEGMENT_BYTES
from xbgateway.seal._random import random_bytes
from xbgateway.seal.suite import KEY_BYTES, LABEL_SEGMENT, SUITE_BYTE, TAG_BYTES, check_suite

PREFIX_BYTES = 7
SEGMENT_OVERHEAD_BYTES = 1 + PREFIX_BYTES + TAG_BYTES
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + SEGMENT_OVERHEAD_BYTES


def new_stream_key() -> bytes:
    """A key for one attachment and nothing else: 32 random bytes."""
    return random_bytes(KEY_BYTES)


class SegmentSealer:
    """Seals the segments of one run of an upload, each index at most once.

    The prefix is new with each run: what a crash left half written may be sealed again with other
    bytes, and one nonce must never meet two plaintexts (REQ-STR-2).
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._prefix = random_bytes(PREFIX_BYTES)

    def seal(self, index: int, segment: bytes, *, last: bool) -> bytes:
        """The sealed segment, ``SEGMENT_OVERHEAD_BYTES`` longer. ``index`` is below 2^32."""
        nonce = _nonce(self._prefix, index, last)
        return SUITE_BYTE + self._prefix + self._cipher.encrypt(nonce, segment, LABEL_SEGMENT)


class SegmentOpener:
    """Opens the segments of one attachment, in any order."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def open(self, index: int, sealed: bytes, *, last: bool) -> bytes:
        """The segment. Raises ``Refused(SUITE_UNKNOWN | SEAL_BROKEN)``."""
        check_suite(sealed, "segment")
        view = memoryview(sealed)
        nonce = _nonce(bytes(view[1 : 1 + PREFIX_BYTES]), index, last)
        try:
            return self._cipher.decrypt(nonce, view[1 + PREFIX_BYTES :], LABEL_SEGMENT)
        except (InvalidTag, ValueError) as error:
            raise Refused(
                Reason.SEAL_BROKEN, f"segment {index} does not open at its place"
            ) from error


def _nonce(prefix: bytes, index: int, last: bool) -> bytes:
    return prefix + index.to_bytes(4) + bytes((last,))
