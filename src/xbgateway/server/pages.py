"""Page tokens: opaque, signed, and good only for the caller and the list they were made for."""

import base64
import binascii
import hashlib
import hmac
import json

from xbgateway.model.errors import Reason, Refused

from .ports import Before

_MAC_BYTES = 16
_TOKEN_CHARS_MAX = 512


class PageTokens:
    """Makes and reads page tokens (AIP-158) under one key.

    ``key`` is at least 32 secret bytes, the same for every process that serves the node; tokens
    of another key are refused.
    """

    def __init__(self, key: bytes) -> None:
        assert len(key) >= hashlib.sha256().digest_size
        self._key = key

    def seal(self, listing: str, party: str, before: Before) -> str:
        """A token that continues ``listing`` for ``party`` before the given position."""
        body = json.dumps(before).encode("ascii")
        return base64.urlsafe_b64encode(self._mac(listing, party, body) + body).decode("ascii")

    def open(self, listing: str, party: str, token: str) -> Before | None:
        """Where to continue; None for the empty token. Raises ``Refused(PAGE_TOKEN_INVALID)``."""
        if not token:
            return None
        try:
            raw = base64.b64decode(
                token[: _TOKEN_CHARS_MAX + 1].encode("ascii"), b"-_", validate=True
            )
        except (binascii.Error, UnicodeEncodeError) as error:
            raise _invalid() from error
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(listing, party, body)):
            raise _invalid()
        at, exchange = json.loads(body)
        return at, exchange

    def _mac(self, listing: str, party: str, body: bytes) -> bytes:
        message = json.dumps([listing, party]).encode() + b"\0" + body
        return hmac.digest(self._key, message, "sha256")[:_MAC_BYTES]


def _invalid() -> Refused:
    return Refused(
        Reason.PAGE_TOKEN_INVALID, "The page token is not of this caller's list on this node."
    )
