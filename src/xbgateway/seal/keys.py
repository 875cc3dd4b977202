"""Sealing keys: the private half, the ring a node opens with, and the bundle its peers see.

A key pair is X-Wing (ML-KEM-768 with X25519). The private half is stored as two seeds, 64 and 32
bytes, since the library gives the pair no serialisation of its own. This module never reads a
file and never asks the time; whoever holds a ring tells it what happened and when.
"""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from xbgateway.model.errors import Reason, Refused
from xbgateway.seal.suite import SUITE

MLKEM_SEED_BYTES = 64
X25519_SEED_BYTES = 32
SEED_BYTES = MLKEM_SEED_BYTES + X25519_SEED_BYTES
MLKEM_PUBLIC_BYTES = 1184
PUBLIC_BYTES = MLKEM_PUBLIC_BYTES + 32
KEY_ID_CHARS = 32
# A bundle retires what it replaces; more at once is a mistake, not a rotation.
RETIRES_MAX = 16

_KEY_ID = re.compile(r"[0-9a-f]{32}")
_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_BUNDLE_FIELDS = frozenset(
    {"node", "key_id", "suite", "public_key", "not_before", "not_after", "retires"}
)


def key_id_of(public: bytes) -> str:
    """The first 32 hex characters of SHA-256 over the public bytes (REQ-SEAL-2)."""
    return hashlib.sha256(public).hexdigest()[:KEY_ID_CHARS]


def check_node_id(node: str) -> None:
    """Refuse a node id that could be read two ways inside a wrap's info (REQ-SEAL-3).

    Raises ``Refused(ENTRY_INVALID)``.
    """
    if not _NODE_ID.fullmatch(node):
        raise Refused(Reason.ENTRY_INVALID, "A node id has characters or a length it may not have.")


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The private half of one X-Wing key pair; make one with ``generate`` or ``from_seed``.

    ``public`` is 1,216 bytes (ML-KEM-768 then X25519). Python cannot wipe memory: to destroy a
    key is to delete its file and to drop the object; the process then forgets it in its own time.
    """

    key_id: str
    public: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    private: hpke.MLKEM768X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> "SealingKey":
        """A new key pair from the system's random source."""
        return cls.from_seed(secrets.token_bytes(SEED_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealingKey":
        """The key pair of ``seed`` (96 bytes: ML-KEM 64, X25519 32).

        Raises ``Refused(KEY_WEAK)`` for another length.
        """
        if len(seed) != SEED_BYTES:
            raise Refused(Reason.KEY_WEAK, f"A sealing seed has {SEED_BYTES} bytes.")
        lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed[:MLKEM_SEED_BYTES])
        curve = x25519.X25519PrivateKey.from_private_bytes(seed[MLKEM_SEED_BYTES:])
        public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return cls(
            key_id=key_id_of(public),
            public=public,
            seed=seed,
            private=hpke.MLKEM768X25519PrivateKey(lattice, curve),
        )


def public_key_of(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    """The usable public key of 1,216 bytes, checked.

    X25519 of low order would contribute a constant to the hybrid secret, so it is refused even
    though ML-KEM alone would still hide the plaintext (REQ-SEAL-16).
    Raises ``Refused(KEY_WEAK)``.
    """
    if len(public) != PUBLIC_BYTES:
        raise Refused(Reason.KEY_WEAK, f"A sealing public key has {PUBLIC_BYTES} bytes.")
    try:
        lattice = mlkem.MLKEM768PublicKey.from_public_bytes(public[:MLKEM_PUBLIC_BYTES])
        curve = x25519.X25519PublicKey.from_public_bytes(public[MLKEM_PUBLIC_BYTES:])
        # The library refuses an all-zero result, which is what every low-order point gives.
        x25519.X25519PrivateKey.generate().exchange(curve)
    except ValueError as error:
        raise Refused(Reason.KEY_WEAK, "The sealing public key is not a sound key.") from error
    return hpke.MLKEM768X25519PublicKey(lattice, curve)


class KeyState(StrEnum):
    """Where a sealing key stands in its life (REQ-SEAL-12)."""

    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


@dataclass(slots=True)
class _Place:
    """One slot of the ring: ``key`` is None once destroyed."""

    key: SealingKey | None
    receive_until_s: float | None = None


class SealingKeyRing:
    """A node's own sealing keys, by id, with where each stands in its life.

    Not shared between threads; the node's loop owns it.
    """

    def __init__(self, keys: Iterable[SealingKey] = ()) -> None:
        self._places: dict[str, _Place] = {}
        for key in keys:
            self.add(key)

    def add(self, key: SealingKey) -> None:
        """Take ``key`` as active and newest. Raises ``Refused(KEY_RETIRED)`` if it was seen."""
        if key.key_id in self._places:
            raise Refused(
                Reason.KEY_RETIRED, "A sealing key id is used once only.", key_id=key.key_id
            )
        self._places[key.key_id] = _Place(key)

    def retire(self, key_id: str, receive_until_s: float) -> None:
        """From now on only receive with the key, and that until ``receive_until_s`` (Unix s).

        Raises ``Refused(KEY_UNKNOWN | KEY_RETIRED)``; a destroyed key cannot come back, and the
        time of a retired one can only come nearer.
        """
        place = self._place(key_id)
        if place.key is None:
            raise Refused(Reason.KEY_RETIRED, "The sealing key was destroyed.", key_id=key_id)
        known = place.receive_until_s
        place.receive_until_s = receive_until_s if known is None else min(known, receive_until_s)

    def destroy(self, key_id: str) -> None:
        """Forget the private half and remember the id, also of a key never held here."""
        self._places[key_id] = _Place(None)

    def state(self, key_id: str) -> KeyState:
        """Where the key stands. Raises ``Refused(KEY_UNKNOWN)``."""
        place = self._place(key_id)
        if place.key is None:
            return KeyState.DESTROYED
        return KeyState.ACTIVE if place.receive_until_s is None else KeyState.RETIRED

    @property
    def newest(self) -> SealingKey:
        """The active key added last. Raises ``Refused(KEY_UNKNOWN)`` when there is none."""
        for place in reversed(self._places.values()):
            if place.key is not None and place.receive_until_s is None:
                return place.key
        raise Refused(Reason.KEY_UNKNOWN, "This node has no active sealing key.")

    def opening(self, key_id: str, now_s: float) -> SealingKey:
        """The key to open with at ``now_s`` (Unix seconds).

        Raises ``Refused(KEY_UNKNOWN | KEY_RETIRED)``.
        """
        place = self._place(key_id)
        over = place.receive_until_s is not None and now_s >= place.receive_until_s
        if place.key is None or over:
            raise Refused(
                Reason.KEY_RETIRED, "The sealing key opens nothing any more.", key_id=key_id
            )
        return place.key

    def _place(self, key_id: str) -> _Place:
        place = self._places.get(key_id)
        if place is None:
            raise Refused(
                Reason.KEY_UNKNOWN, "This node never had that sealing key.", key_id=key_id
            )
        return place


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """What a node announces of one sealing key in the control lane (REQ-SEAL-11).

    Times are aware UTC datetimes of whole seconds; ``retires`` names key ids that this one
    replaces. A made bundle is a sound bundle: the constructor checks everything, and raises
    ``Refused(ENTRY_INVALID | SUITE_UNKNOWN | KEY_WEAK)``.
    """

    node: str
    key_id: str
    suite: str
    public_key: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    retires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_node_id(self.node)
        if self.suite != SUITE:
            raise Refused(Reason.SUITE_UNKNOWN, "The key bundle is of an unknown sealing suite.")
        public_key_of(self.public_key)
        if self.key_id != key_id_of(self.public_key):
            raise _invalid("does not carry the key that its id names")
        for instant in (self.not_before, self.not_after):
            if instant.tzinfo is not UTC or instant.microsecond:
                raise _invalid("has a time that is not UTC in whole seconds")
        if self.not_before >= self.not_after:
            raise _invalid("ends before it begins")
        distinct = set(self.retires)
        if len(self.retires) > RETIRES_MAX or len(distinct) != len(self.retires):
            raise _invalid("retires too many keys or one key twice")
        if self.key_id in distinct or not all(_KEY_ID.fullmatch(one) for one in distinct):
            raise _invalid("retires itself or something that is no key id")

    @classmethod
    def announce(
        cls,
        node: str,
        key: SealingKey,
        not_before: datetime,
        not_after: datetime,
        retires: tuple[str, ...] = (),
    ) -> "KeyBundle":
        """The bundle that announces ``key`` for ``node``."""
        return cls(node, key.key_id, SUITE, key.public, not_before, not_after, retires)

    def to_fields(self) -> dict[str, str | list[str]]:
        """Plain JSON types for a log entry; the public key in base64, times in RFC 3339."""
        return {
            "node": self.node,
            "key_id": self.key_id,
            "suite": self.suite,
            "public_key": base64.b64encode(self.public_key).decode(),
            "not_before": self.not_before.strftime(_TIME_FORMAT),
            "not_after": self.not_after.strftime(_TIME_FORMAT),
            "retires": list(self.retires),
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "KeyBundle":
        """The bundle of an entry's fields; exactly what ``to_fields`` writes, nothing looser.

        Raises ``Refused(ENTRY_INVALID | SUITE_UNKNOWN | KEY_WEAK)``.
        """
        if set(fields) != _BUNDLE_FIELDS:
            raise _invalid("has missing or unknown fields")
        retires = fields["retires"]
        if not isinstance(retires, list):
            raise _invalid("has no list of retired keys")
        try:
            public = base64.b64decode(_text(fields["public_key"]), validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid("has a public key that is not base64") from error
        made = cls(
            node=_text(fields["node"]),
            key_id=_text(fields["key_id"]),
            suite=_text(fields["suite"]),
            public_key=public,
            not_before=_time(_text(fields["not_before"])),
            not_after=_time(_text(fields["not_after"])),
            retires=tuple(_text(one) for one in retires),
        )
        if made.to_fields() != dict(fields):
            raise _invalid("is not written in its one canonical form")
        return made


def _invalid(what: str) -> Refused:
    return Refused(Reason.ENTRY_INVALID, f"The key bundle {what}.")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _invalid("has a field that is not text")
    return value


def _time(value: str) -> datetime:
    try:
        return datetime.strptime(value, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise _invalid("has a time that is not RFC 3339 UTC in whole seconds") from error
