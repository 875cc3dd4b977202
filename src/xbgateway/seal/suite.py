"""Suite XBG-1: its name, its byte, its labels and the hashes that are more than one call.

Nothing here chooses an algorithm at run time: a suite is one fixed set, named once in every wrap
and in every sealed body by its first byte (REQ-SEAL-1). A second suite is a second byte and a
second set of labels, never a mixture.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives import hpke

from xbgateway.model.errors import Reason, Refused

SUITE = "XBG-1"
SUITE_BYTE = b"\x01"
HASH_BYTES = 32
KEY_BYTES = 32
TAG_BYTES = 16

# Every label ends in a zero byte, so none is a prefix of another one plus its content.
LABEL_WRAP = b"xbg/v1/wrap\0"
LABEL_HEADER = b"xbg/v1/hdr\0"
LABEL_KEY = b"xbg/v1/key\0"
LABEL_COMMIT = b"xbg/v1/commit\0"
LABEL_SEGMENT = b"xbg/v1/segment\0"
LABEL_REST = b"xbg/v1/rest\0"
LABEL_REST_KEY = b"xbg/v1/rest-key\0"
LABEL_KEYED_HASH = b"xbg/v1/keyed-hash\0"

HPKE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def check_suite(sealed: bytes, what: str) -> None:
    """Refuse ``what`` unless its first byte names a suite this node has (REQ-SEAL-1).

    Raises ``Refused(SUITE_UNKNOWN)``; an empty value names no suite.
    """
    if sealed[:1] != SUITE_BYTE:
        raise Refused(
            Reason.SUITE_UNKNOWN,
            f"The {what} is of a sealing suite that this node does not have.",
            suite_byte=sealed[:1].hex(),
        )


def digest(sealed: bytes) -> str:
    """SHA-256 of sealed bytes as 64 hex characters: what an entry names and callers compare."""
    return hashlib.sha256(sealed).hexdigest()


def keyed_hash(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over length-prefixed ``parts``: subject tokens, request fingerprints.

    ``key`` is exactly 32 bytes; the result is 32 bytes. Each part is preceded by its length as
    eight big-endian bytes, so ``("ab", "c")`` and ``("a", "bc")`` differ (REQ-SEAL-15).
    Raises ``Refused(KEY_WEAK)`` for a key of another length.
    """
    if len(key) != KEY_BYTES:
        raise Refused(Reason.KEY_WEAK, "A keyed hash needs a key of 32 bytes.")
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(key, LABEL_KEYED_HASH + framed, "sha256").digest()
