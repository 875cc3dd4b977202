"""Sealing one message under an epoch, and opening it again: pure bytes in, bytes out.

The caller gives the header (canonical bytes that name exchange, leg, parties, declaration and
decision) and has already compared ``digest(sealed)`` with the entry before it opens anything.
``docs/spec/envelope.md`` is the construction to the byte; the tags below are its requirements.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.seal._random import random_bytes
from xbgateway.seal.epochs import Epoch
from xbgateway.seal.suite import (
    HASH_BYTES,
    KEY_BYTES,
    LABEL_COMMIT,
    LABEL_HEADER,
    LABEL_KEY,
    SUITE_BYTE,
    TAG_BYTES,
    check_suite,
)

SALT_BYTES = 32
OVERHEAD_BYTES = 1 + SALT_BYTES + TAG_BYTES

# REQ-SEAL-9. GCM breaks when one key meets one nonce with two plaintexts. Here the key itself is
# derived from the header's hash, the wrap's hash and the commitment, and the commitment fixes
# salt and payload: another plaintext is another key. Sealing the same message twice gives the
# same bytes, which tells nothing new. So the nonce carries no duty and is constant.
_NONCE = bytes(12)
_SHA256 = hashes.SHA256()


def commitment(salt: bytes, payload: bytes) -> bytes:
    """HMAC-SHA-256 keyed with the salt (REQ-SEAL-7): hides a guessable payload, binds to it.

    ``salt`` is exactly 32 bytes: HMAC pads shorter keys with zeros, so a free length would let
    two salts give one commitment. Raises ``Refused(SEAL_BROKEN)`` for another length.
    """
    if len(salt) != SALT_BYTES:
        raise Refused(Reason.SEAL_BROKEN, f"A commitment's salt has {SALT_BYTES} bytes.")
    # Not the one-shot ``hmac.digest``: it gives the interpreter lock away whatever the size, and
    # waiting to get it back costs many times the hash of a record.
    return hmac.new(salt, LABEL_COMMIT + payload, "sha256").digest()


def header_hash(header: bytes) -> bytes:
    """SHA-256 over the label and the header's bytes as they travel (REQ-SEAL-6)."""
    return hashlib.sha256(LABEL_HEADER + header).digest()


def message_key(
    secret: bytes, hashed_header: bytes, wrap_hash: bytes, commitment_digest: bytes
) -> bytes:
    """The 32-byte key of one message (REQ-SEAL-8), from its :func:`header_hash`.

    Revealing it in a dispute opens this one message and no other of the epoch.
    """
    info = LABEL_KEY + hashed_header + wrap_hash + commitment_digest
    return HKDF(_SHA256, KEY_BYTES, None, info).derive(secret)


def seal(
    epoch: Epoch, header: bytes, payload: bytes, salt: bytes | None = None
) -> tuple[bytes, bytes]:
    """``(sealed, commitment)`` of ``payload`` (at most ``MESSAGE_BYTES_MAX``) under the header.

    The sealed bytes are 49 longer than the payload. ``salt`` is random unless a test vector gives
    one. Raises ``Refused(PAYLOAD_TOO_LARGE)``.
    """
    if len(payload) > limits.MESSAGE_BYTES_MAX:
        raise Refused(Reason.PAYLOAD_TOO_LARGE, "The payload is too large for one message.")
    salt = random_bytes(SALT_BYTES) if salt is None else salt
    promise, hashed = commitment(salt, payload), header_hash(header)
    key = message_key(epoch.secret, hashed, epoch.wrap_hash, promise)
    return SUITE_BYTE + AESGCM(key).encrypt(_NONCE, salt + payload, hashed), promise


def open_sealed(
    secret: bytes, wrap_hash: bytes, header: bytes, sealed: bytes, commitment_digest: bytes
) -> bytes:
    """The payload of ``sealed``, in the order of REQ-SEAL-10.

    Raises ``Refused``: ``SUITE_UNKNOWN`` for another suite's byte, ``SEAL_BROKEN`` when any of
    secret, wrap hash, header, commitment or sealed bytes is not the sender's, ``PAYLOAD_ALTERED``
    when the sender sealed something else than it committed to.
    """
    check_suite(sealed, "sealed payload")
    length = len(sealed) - OVERHEAD_BYTES
    if not 0 <= length <= limits.MESSAGE_BYTES_MAX or len(commitment_digest) != HASH_BYTES:
        raise Refused(Reason.SEAL_BROKEN, "The sealed payload has a length it cannot have.")
    hashed = header_hash(header)
    key = message_key(secret, hashed, wrap_hash, commitment_digest)
    try:
        opened = AESGCM(key).decrypt(_NONCE, memoryview(sealed)[1:], hashed)
    except InvalidTag as error:
        raise Refused(
            Reason.SEAL_BROKEN, "The sealed payload does not open under its header and commitment."
        ) from error
    salt, payload = opened[:SALT_BYTES], opened[SALT_BYTES:]
    if not hmac.compare_digest(commitment(salt, payload), commitment_digest):
        # GCM does not commit to its key: a dishonest sender can make bytes that open twice.
        raise Refused(
            Reason.PAYLOAD_ALTERED, "The payload is not the one that the entry commits to."
        )
    return payload
