"""Link epochs: one HPKE wrap carries one secret to the recipient for at most a minute.

The sender makes a random secret, wraps it for the recipient's sealing key and derives a key per
message from it; the receiver opens the wrap once and keeps the secret in a small bounded table.
Nothing of an epoch is ever stored by this room: the log names only the wrap's hash, the wrap
travels beside it, and a restarted sender starts a new epoch.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.seal.keys import (
    KEY_ID_CHARS,
    KeyBundle,
    SealingKeyRing,
    check_node_id,
    public_key_of,
)
from xbgateway.seal.suite import (
    HPKE,
    KEY_BYTES,
    LABEL_WRAP,
    SUITE_BYTE,
    TAG_BYTES,
    check_suite,
)

KEY_ID_BYTES = KEY_ID_CHARS // 2
ENCAPSULATED_BYTES = 1120
# REQ-SEAL-4: suite byte, key id, encapsulated key, sealed secret with its tag.
WRAP_BYTES = 1 + KEY_ID_BYTES + ENCAPSULATED_BYTES + KEY_BYTES + TAG_BYTES


def _info(sender: str, recipient: str, key_id: str) -> bytes:
    """REQ-SEAL-3: what the wrap is bound to; ids hold no zero byte, so it reads one way only."""
    return LABEL_WRAP + b"\0".join((sender.encode(), recipient.encode(), key_id.encode()))


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as its sender holds it. ``wrap_hash`` is SHA-256 of ``wrap``, 32 bytes."""

    key_id: str
    secret: bytes = field(repr=False)
    wrap: bytes = field(repr=False)
    wrap_hash: bytes

    @classmethod
    def start(cls, sender: str, bundle: KeyBundle) -> "Epoch":
        """A new random secret, wrapped for the bundle's node and key."""
        check_node_id(sender)
        secret = secrets.token_bytes(KEY_BYTES)
        sealed = HPKE.encrypt(
            secret, public_key_of(bundle.public_key), _info(sender, bundle.node, bundle.key_id)
        )
        wrap = SUITE_BYTE + bytes.fromhex(bundle.key_id) + sealed
        assert len(wrap) == WRAP_BYTES
        return cls(bundle.key_id, secret, wrap, hashlib.sha256(wrap).digest())


class SendingEpochs:
    """The epochs one node uses towards one recipient key, one after the other.

    One task owns it: there is no lock. Make a new one when the recipient announces a new key.
    """

    def __init__(self, sender: str, bundle: KeyBundle) -> None:
        self._sender = sender
        self._bundle = bundle
        self._epoch: Epoch | None = None
        self._started_s = 0.0
        self._messages = 0

    def current(self, now_s: float) -> Epoch:
        """The epoch for one more message at ``now_s`` (Unix seconds); each call counts one.

        A new epoch begins after ``EPOCH_S_MAX`` seconds, after ``EPOCH_MESSAGES_MAX`` messages,
        and when the clock has gone back (REQ-SEAL-5). Raises ``Refused(KEY_RETIRED)`` outside
        the key's announced time.
        """
        bundle = self._bundle
        if not bundle.not_before.timestamp() <= now_s < bundle.not_after.timestamp():
            raise Refused(
                Reason.KEY_RETIRED,
                "The recipient's sealing key is not in its announced time.",
                node=bundle.node,
                key_id=bundle.key_id,
            )
        fresh = self._started_s <= now_s < self._started_s + limits.EPOCH_S_MAX
        if self._epoch is None or not fresh or self._messages >= limits.EPOCH_MESSAGES_MAX:
            self._epoch = Epoch.start(self._sender, bundle)
            self._started_s = now_s
            self._messages = 0
        self._messages += 1
        return self._epoch


class ReceivingEpochs:
    """The secrets of one sender's recent wraps, by wrap hash; bounded, least recent goes first.

    One task owns it. To lose an entry costs one more decapsulation, nothing else.
    """

    def __init__(self, sender: str, recipient: str, held_max: int = limits.EPOCHS_HELD_MAX) -> None:
        check_node_id(sender)
        check_node_id(recipient)
        self._sender = sender
        self._recipient = recipient
        self._held_max = held_max
        self._held: OrderedDict[bytes, tuple[str, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def open(self, wrap: bytes, keyring: SealingKeyRing, now_s: float) -> bytes:
        """The epoch's 32-byte secret. The ring is asked every time, also for a held secret.

        Raises ``Refused(SUITE_UNKNOWN | SEAL_BROKEN | KEY_UNKNOWN | KEY_RETIRED)``.
        """
        check_suite(wrap, "wrap")
        if len(wrap) != WRAP_BYTES:
            raise Refused(Reason.SEAL_BROKEN, "The wrap does not have its one possible length.")
        key_id = wrap[1 : 1 + KEY_ID_BYTES].hex()
        key = keyring.opening(key_id, now_s)
        wrap_hash = hashlib.sha256(wrap).digest()
        held = self._held.get(wrap_hash)
        if held is not None:
            self._held.move_to_end(wrap_hash)
            return held[1]
        info = _info(self._sender, self._recipient, key_id)
        try:
            secret = HPKE.decrypt(wrap[1 + KEY_ID_BYTES :], key.private, info)
        except (InvalidTag, ValueError) as error:
            raise Refused(
                Reason.SEAL_BROKEN, "The wrap does not open for these two nodes and this key."
            ) from error
        self._held[wrap_hash] = (key_id, secret)
        while len(self._held) > self._held_max:
            self._held.popitem(last=False)
        return secret

    def forget(self, key_id: str) -> None:
        """Drop every secret that came under ``key_id``; call it when that key is destroyed."""
        for wrap_hash in [one for one, held in self._held.items() if held[0] == key_id]:
            del self._held[wrap_hash]
