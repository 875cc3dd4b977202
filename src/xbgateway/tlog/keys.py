"""Which keys sign a log, and from which size on (``docs/spec/log.md``, *Keys over time*).

A log says itself when its keys change: an entry in it names the keys that sign from there on. A
checkpoint has to be signed by every key that was in force anywhere between the size that its
reader holds and its own, so the old key and the new one both sign over the change, and afterwards
the old one counts for nothing new. Pure: the store keeps the turns, the node the private halves.
"""

from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from xbgateway.model.errors import Fatal, Reason
from xbgateway.tlog.cosignature import Cosigner
from xbgateway.tlog.note import NoteSigner


@dataclass(frozen=True, slots=True)
class Turn:
    """The public keys (32 bytes each) of a log's writer from a size of the log on."""

    size: int
    log_key: bytes
    cosign_key: bytes  # with which the writer cosigns its peer's logs
    compromised: frozenset[bytes] = frozenset()  # keys that this turn takes out of use


@dataclass(frozen=True, slots=True)
class Turns:
    """All turns of one log, the first at size 0."""

    all: tuple[Turn, ...]

    @property
    def last(self) -> Turn:
        """What is in force at the end of the log."""
        return self.all[-1]

    def at(self, size: int) -> Turn:
        """What is in force for a checkpoint of this size."""
        return next(turn for turn in reversed(self.all) if turn.size <= size)

    def then(self, turn: Turn) -> Self:
        """With one turn more, which is beyond all others."""
        return type(self)((*self.all, turn))

    def signing(self, held: int, size: int) -> tuple[bytes, ...]:
        """The log keys that all have to sign a checkpoint of ``size`` for who holds ``held``.

        The newest comes first (REQ-LOG-23).
        """
        within = [turn.log_key for turn in self.all if held < turn.size <= size]
        return tuple(dict.fromkeys((*reversed(within), self.at(min(held, size)).log_key)))

    def cosigning(self) -> tuple[bytes, ...]:
        """The keys whose cosignatures count now: the last, and the one before while it may be used.

        A reader goes over to its new key once it knows that the change is known (REQ-LINK-14).
        """
        before = [turn.cosign_key for turn in self.all[-2:-1] if turn.cosign_key]
        kept = [key for key in before if key not in self.last.compromised]
        return tuple(dict.fromkeys((self.last.cosign_key, *kept)))


K = TypeVar("K", bound=NoteSigner | Cosigner)


class Keys(Generic[K]):
    """A node's private keys of one use by their public halves; the newest is the one added last."""

    def __init__(self, *keys: K) -> None:
        self._keys: dict[bytes, K] = {key.verifier.public_key: key for key in keys}

    @property
    def newest(self) -> K:
        """The key to be used from now on, once that is announced."""
        return next(reversed(self._keys.values()))

    def __contains__(self, public: bytes) -> bool:
        return public in self._keys

    def add(self, *keys: K) -> None:
        """Take keys, the last as the newest; other threads find every key there at any moment."""
        given = {key.verifier.public_key: key for key in keys}
        self._keys = {p: k for p, k in self._keys.items() if p not in given} | given

    def of(self, public: bytes) -> K:
        """The private key of a public half. Raises ``Fatal(CONFIG_INVALID)``."""
        found = self._keys.get(public)
        if found is None:
            raise Fatal(
                Reason.CONFIG_INVALID,
                f"the key {public.hex()} is in force and not in the node's folder of keys",
            )
        return found
