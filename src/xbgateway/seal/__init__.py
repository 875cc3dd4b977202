"""Sealing: what leaves a node is readable by one other node only, and provably what was logged.

Pure: bytes and numbers in, bytes out, errors raised; no socket, file, clock or loop. It stands
between *minimise* and *record* on the way out, between *mirror* and *check content* on the way in,
and under the store for what rests. ``docs/spec/envelope.md`` is the construction.
"""

from xbgateway.seal._random import random_bytes
from xbgateway.seal.epochs import WRAP_BYTES, Epoch, ReceivingEpochs, SendingEpochs
from xbgateway.seal.keys import KeyBundle, KeyState, SealingKey, SealingKeyRing, key_id_of
from xbgateway.seal.messages import (
    OVERHEAD_BYTES,
    commitment,
    header_hash,
    message_key,
    open_sealed,
    seal,
)
from xbgateway.seal.rest import RestKey, open_at_rest, seal_at_rest
from xbgateway.seal.segments import (
    SEALED_SEGMENT_BYTES,
    SEGMENT_OVERHEAD_BYTES,
    SegmentOpener,
    SegmentSealer,
    new_stream_key,
)
from xbgateway.seal.suite import SUITE, digest, keyed_hash

__all__ = [
    "OVERHEAD_BYTES",
    "SEALED_SEGMENT_BYTES",
    "SEGMENT_OVERHEAD_BYTES",
    "SUITE",
    "WRAP_BYTES",
    "Epoch",
    "KeyBundle",
    "KeyState",
    "ReceivingEpochs",
    "RestKey",
    "SealingKey",
    "SealingKeyRing",
    "SegmentOpener",
    "SegmentSealer",
    "SendingEpochs",
    "commitment",
    "digest",
    "header_hash",
    "key_id_of",
    "keyed_hash",
    "message_key",
    "new_stream_key",
    "open_at_rest",
    "open_sealed",
    "random_bytes",
    "seal",
    "seal_at_rest",
]
