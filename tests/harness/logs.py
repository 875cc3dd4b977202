"""Logs of stores without a node around them: own ones and mirrors under one key."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.store import LogSpec
from xbgateway.tlog import Keys, NoteSigner, Turn


def _first(key: Ed25519PrivateKey) -> Turn:
    return Turn(0, key.public_key().public_bytes_raw(), bytes(32))


def own_logs(key: Ed25519PrivateKey, *origins: str) -> list[LogSpec]:
    """Logs that the store's node writes and signs."""
    return [LogSpec(one, _first(key), Keys(NoteSigner(one, key))) for one in origins]


def mirrored_logs(key: Ed25519PrivateKey, *origins: str) -> list[LogSpec]:
    """Logs of a peer who signs with ``key``."""
    return [LogSpec(one, _first(key)) for one in origins]
