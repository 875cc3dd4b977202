"""Small logs, their keys and their mirrors, as the tlog tests tell them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.model.errors import GatewayError, Reason
from xbgateway.tlog import (
    Checkpoint,
    Cosigner,
    Frontier,
    NoteSigner,
    Tile,
    TileReader,
    export_files,
    leaf_hash,
    node_hash,
    sign_checkpoint,
)

ORIGIN = "xbgateway.example/zhuhai/transfers"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
COSIGNER = Cosigner(
    "xbgateway.example/macao/witness", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
)
STRANGER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32))
COSIGNED_S = 1_760_000_000


def transfers(count: int) -> list[bytes]:
    """The entries of the golden log."""
    return [json.dumps({"seq": i, "kind": "transfer"}).encode() for i in range(count)]


def naive_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written: split at the largest power of two below n."""
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    split = 1
    while split * 2 < len(leaf_hashes):
        split *= 2
    return node_hash(naive_root(leaf_hashes[:split]), naive_root(leaf_hashes[split:]))


@dataclass
class Tiles:
    """The tiles of a log, readable at its present size, counting what is read."""

    frontier: Frontier
    stored: dict[tuple[int, int], bytes]
    reads: int = 0

    def read(self, level: int, index: int, width: int) -> bytes:
        self.reads += 1
        return self.stored[level, index][: 32 * width]


def tiles_of(leaf_hashes: Sequence[bytes]) -> Tiles:
    frontier = Frontier()
    stored: list[Tile] = []
    for leaf in leaf_hashes:
        stored.extend(frontier.append(leaf))
    stored.extend(frontier.partial_tiles())
    return Tiles(frontier, {(tile.level, tile.index): tile.hashes for tile in stored})


def reader_of(leaf_hashes: Sequence[bytes]) -> TileReader:
    return tiles_of(leaf_hashes).read


def checkpoint_of(entries: Sequence[bytes], origin: str = ORIGIN) -> Checkpoint:
    frontier = Frontier()
    frontier.extend(leaf_hash(entry) for entry in entries)
    return Checkpoint(origin, len(entries), frontier.root())


def note_of(entries: Sequence[bytes]) -> bytes:
    return sign_checkpoint(checkpoint_of(entries), SIGNER)


def exported(entries: Sequence[bytes], note: bytes | None = None) -> dict[str, bytes]:
    signed = note_of(entries) if note is None else note
    return dict(export_files(signed, len(entries), lambda start, end: entries[start:end]))


def reason_of(kind: type[GatewayError], call: Callable[..., Any], *arguments: object) -> Reason:
    """The reason with which ``call`` fails; it must fail with an error of this kind."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    return caught.value.reason
