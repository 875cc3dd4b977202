"""One sealed message and everything that belongs to it, for the tests of this room."""

from dataclasses import dataclass
from datetime import UTC, datetime

from xbgateway.model.errors import GatewayError, Reason
from xbgateway.seal import (
    Epoch,
    KeyBundle,
    ReceivingEpochs,
    SealingKey,
    SealingKeyRing,
    open_sealed,
    seal,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 9, tzinfo=UTC)
NOW_S = START.timestamp() + 3600
HEADER = b'{"exchange":"0195-1","leg":"request","recipient":"macao","sender":"zhuhai"}'
PAYLOAD = b"contribution months: 143"
# Seeds by pattern, so that no private key stands in a file.
SEED = bytes(range(96))
OTHER_SEED = bytes(range(96, 192))


@dataclass(frozen=True, slots=True)
class Envelope:
    key: SealingKey
    ring: SealingKeyRing
    bundle: KeyBundle
    epoch: Epoch
    header: bytes
    payload: bytes
    sealed: bytes
    commitment: bytes

    def open(self, **changed: bytes) -> bytes:
        """Open as Macao does, with some of the parts replaced."""
        parts = {
            "wrap_hash": self.epoch.wrap_hash,
            "header": self.header,
            "sealed": self.sealed,
            "commitment_digest": self.commitment,
            **changed,
        }
        wrap = parts.pop("wrap", self.epoch.wrap)
        secret = ReceivingEpochs("zhuhai", "macao").open(wrap, self.ring, NOW_S)
        return open_sealed(secret=parts.pop("secret", secret), **parts)


def bundle_of(key: SealingKey, node: str = "macao") -> KeyBundle:
    return KeyBundle.announce(node, key, START, END)


def envelope(payload: bytes = PAYLOAD, header: bytes = HEADER, seed: bytes = SEED) -> Envelope:
    key = SealingKey.from_seed(seed)
    bundle = bundle_of(key)
    epoch = Epoch.start("zhuhai", bundle)
    sealed, promise = seal(epoch, header, payload)
    ring = SealingKeyRing([key])
    return Envelope(key, ring, bundle, epoch, header, payload, sealed, promise)


def reason_of(error: BaseException) -> Reason:
    assert isinstance(error, GatewayError)
    return error.reason
