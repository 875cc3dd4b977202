"""At rest: one key per exchange, wrapped under the node's rest key; destroy it and it is gone.

The receiver re-encrypts what it opened, both sides keep facts and results this way. The log holds
nothing of it, so deleting one wrapped key erases payload, facts and result and leaves every proof
valid. This room returns bytes; where they are stored and deleted is the store's part.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from xbgateway.model.errors import Reason, Refused
from xbgateway.seal._random import random_bytes
from xbgateway.seal.suite import (
    KEY_BYTES,
    LABEL_REST,
    LABEL_REST_KEY,
    SUITE_BYTE,
    TAG_BYTES,
    check_suite,
)

NONCE_BYTES = 12
KEY_TAG_BYTES = 4
WRAPPED_BYTES = 1 + KEY_TAG_BYTES + KEY_BYTES + 8
OVERHEAD_AT_REST_BYTES = 1 + NONCE_BYTES + TAG_BYTES


class RestKey:
    """The node's key-encryption key (32 bytes): wraps exchange keys and does nothing else.

    Wrapping is AES key wrap (RFC 3394) and not GCM with a random nonce, because a rest key lives
    for years: 2^32 random nonces under one key (SP 800-38D's bound) are a month's work for a busy
    node, and RFC 3394 needs no nonce at all when what it wraps is itself random (REQ-SEAL-13).
    """

    def __init__(self, kek: bytes) -> None:
        if len(kek) != KEY_BYTES:
            raise Refused(Reason.KEY_WEAK, "A rest key has 32 bytes.")
        self._kek = kek
        self._tag = hashlib.sha256(LABEL_REST_KEY + kek).digest()[:KEY_TAG_BYTES]

    def new_exchange_key(self) -> tuple[bytes, bytes]:
        """``(wrapped, key)``: 45 bytes to store, 32 bytes to use now."""
        key = random_bytes(KEY_BYTES)
        return self.wrap(key), key

    def wrap(self, key: bytes) -> bytes:
        """``key`` (32 random bytes) under this rest key; also how a new rest key takes it over.

        Raises ``Refused(KEY_WEAK)`` for another length.
        """
        if len(key) != KEY_BYTES:
            raise Refused(Reason.KEY_WEAK, "An exchange key has 32 bytes.")
        return SUITE_BYTE + self._tag + aes_key_wrap(self._kek, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The exchange key. Raises ``Refused(SUITE_UNKNOWN | KEY_UNKNOWN | SEAL_BROKEN)``."""
        check_suite(wrapped, "exchange key")
        if len(wrapped) != WRAPPED_BYTES:
            raise Refused(Reason.SEAL_BROKEN, "The wrapped exchange key has the wrong length.")
        if wrapped[1 : 1 + KEY_TAG_BYTES] != self._tag:
            raise Refused(Reason.KEY_UNKNOWN, "The exchange key is wrapped under another rest key.")
        try:
            return aes_key_unwrap(self._kek, wrapped[1 + KEY_TAG_BYTES :])
        except InvalidUnwrap as error:
            raise Refused(Reason.SEAL_BROKEN, "The wrapped exchange key was altered.") from error


def seal_at_rest(key: bytes, context: bytes, plaintext: bytes) -> bytes:
    """Encrypt one thing of an exchange for storage; 29 bytes longer.

    ``context`` says which thing of the exchange it is and must be given again to open it; which
    exchange, its key says. The
    nonce is random: an exchange key seals a few dozen things in its life, and after as many as
    2^16 two nonces would meet with a chance below 2^-64 (REQ-SEAL-14).
    """
    nonce = random_bytes(NONCE_BYTES)
    return SUITE_BYTE + nonce + AESGCM(key).encrypt(nonce, plaintext, LABEL_REST + context)


def open_at_rest(key: bytes, context: bytes, sealed: bytes) -> bytes:
    """What ``seal_at_rest`` was given. Raises ``Refused(SUITE_UNKNOWN | SEAL_BROKEN)``."""
    check_suite(sealed, "stored value")
    if len(sealed) < OVERHEAD_AT_REST_BYTES:
        raise Refused(Reason.SEAL_BROKEN, "The stored value is too short.")
    view = memoryview(sealed)
    nonce, body = view[1 : 1 + NONCE_BYTES], view[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, LABEL_REST + context)
    except InvalidTag as error:
        raise Refused(
            Reason.SEAL_BROKEN, "The stored value does not open under its key and context."
        ) from error
