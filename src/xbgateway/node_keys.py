"""A node's private keys, and its part in the life of those that sign and cosign logs.

A new log or cosigning key is announced by an entry in each of the node's own logs, all in one
commit (``docs/spec/log.md``, *Keys over time*). The node cosigns for a peer with the new key once
that peer is known to hold the announcement.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.exchange import Topology
from xbgateway.identity import load_ed25519, load_rest_key, load_seal_seed
from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import SigningKeys
from xbgateway.model.entry_parts import Compromised
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.model.limits import SEALING_RETIRED_S
from xbgateway.model.record import Append, Record
from xbgateway.register import Register
from xbgateway.register.entries import Node
from xbgateway.seal import RestKey, SealingKey, SealingKeyRing, keyed_hash
from xbgateway.store import LogSpec, Store
from xbgateway.tlog import Cosigner, Keys, NoteSigner, NoteVerifier, SignatureType, Turn

# How the file of a replaced key ends that somebody else may have.
COMPROMISED_KEY = ".compromised.key"
_WORDS: dict[tuple[bool, bool], Compromised] = {
    (False, False): "no",
    (True, False): "log",
    (False, True): "cosign",
    (True, True): "both",
}


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """A node's private keys, apart from its transport key."""

    logs: Keys[NoteSigner]  # named anew for each origin
    cosigners: Keys[Cosigner]
    ring: SealingKeyRing
    rest: RestKey
    counting: bytes
    compromised: set[bytes] = field(default_factory=set)  # public halves of replaced keys

    @classmethod
    def load(cls, folder: Path, trust_domain: str, node: str, *, dev: bool = False) -> "NodeKeys":
        """Read the keys of a folder.

        ``seal.key`` is the sealing key in use; ``seal-<time>.key`` are retired ones that still
        open what was sealed for them (``xbgateway keys rotate-sealing`` renames, operators delete).
        So for ``log.key`` and ``cosign.key``: what came before signs along until all peers know.
        """
        rest = load_rest_key(folder / "rest.key", dev=dev)
        retired = sorted(folder.glob("seal-*.key"))
        keys = [load_seal_seed(path, dev=dev) for path in (*retired, folder / "seal.key")]
        made = cls(
            logs=Keys(),
            cosigners=Keys(),
            ring=SealingKeyRing(SealingKey.from_seed(seed) for seed in keys),
            rest=RestKey(rest),
            counting=keyed_hash(rest, b"xbg/v1/counting"),
        )
        name, mirror = f"{trust_domain}/{node}", cosigner_name(trust_domain, node)
        made._read_signing(folder, name, mirror, dev=dev)
        return made

    def refresh_signing(self, folder: Path, *, dev: bool = False) -> None:
        """Take up the log and cosigning keys that are in the folder now."""
        name, mirror = self.logs.newest.name, self.cosigners.newest.name
        self._read_signing(folder, name, mirror, dev=dev)

    def _read_signing(self, folder: Path, name: str, mirror: str, *, dev: bool) -> None:
        logs = _in_folder(folder, "log", dev=dev)
        cosigns = _in_folder(folder, "cosign", dev=dev)
        self.logs.add(*(NoteSigner(name, key) for key in logs.values()))
        self.cosigners.add(*(Cosigner(mirror, key) for key in cosigns.values()))
        self.compromised.update(
            key.public_key().public_bytes_raw()
            for path, key in (*logs.items(), *cosigns.items())
            if path.name.endswith(COMPROMISED_KEY)
        )

    def refresh(self, folder: Path, now: datetime, *, dev: bool = False) -> bool:
        """Take up a newer sealing key from the folder; the older one only opens from now on."""
        key = SealingKey.from_seed(load_seal_seed(folder / "seal.key", dev=dev))
        older = self.ring.newest
        if key.key_id == older.key_id:
            return False
        self.ring.add(key)
        self.ring.retire(older.key_id, now.timestamp() + SEALING_RETIRED_S)
        return True


def _in_folder(folder: Path, use: str, *, dev: bool) -> dict[Path, Ed25519PrivateKey]:
    """Keys of one use, that in use last."""
    paths = (*sorted(folder.glob(f"{use}-*.key")), folder / f"{use}.key")
    return {path: load_ed25519(path, dev=dev) for path in paths}


def cosigner_name(trust_domain: str, node: str) -> str:
    """The name under which a node cosigns its peers' logs."""
    return f"{trust_domain}/{node}/mirror"


def specs(register: Register, topology: Topology, keys: NodeKeys) -> list[LogSpec]:
    """The logs that this node's store has: own ones with signers, and mirrors of its peers'."""
    me = first_turn(register.node(topology.node))
    return [
        *(LogSpec(origin, me, keys.logs) for origin in topology.own()),
        *(
            LogSpec(origin, first_turn(register.node(topology.peer_of(origin))))
            for origin in topology.mirrored()
        ),
    ]


def first_turn(node: Node) -> Turn:
    """The keys of a node's logs as the register has them."""
    return Turn(0, bytes.fromhex(node.log_key), bytes.fromhex(node.cosign_key))


class Signing:
    """Which keys this node signs and cosigns with, and whose cosignatures it takes."""

    def __init__(
        self, register: Register, store: Store, topology: Topology, keys: NodeKeys, clock: Clock
    ) -> None:
        """Raises ``Fatal(CONFIG_INVALID)`` where folder, store and register do not fit."""
        self._domains = {node.id: node.trust_domain for node in register.nodes}
        self._store, self._topology, self._keys, self._clock = store, topology, keys, clock
        known = {turn.log_key for turn in store.heads[topology.home].turns.all}
        wanted = first_turn(register.node(topology.node)).log_key
        if wanted not in known and wanted != keys.logs.newest.verifier.public_key:
            raise Fatal(
                Reason.CONFIG_INVALID, "log.key is not the key that the register has for this node"
            )
        self.cosigner()

    async def announce(self) -> bool:
        """Name the newest keys in every own log that has not heard of them; whether one had not.

        REQ-LOG-22: in one commit. Raises ``Refused(CONFIG_INVALID)`` for a compromised key.
        """
        log_key = self._keys.logs.newest.verifier.public_key
        cosign_key = self._keys.cosigners.newest.verifier.public_key
        appends = []
        for origin in self._topology.own():
            head = self._store.heads[origin]
            last = head.turns.last
            # A log that has stopped takes no entry: it hears of them once it is released.
            if head.stopped or (last.log_key, last.cosign_key) == (log_key, cosign_key):
                continue
            if {log_key, cosign_key} & self._keys.compromised:
                raise Refused(
                    Reason.CONFIG_INVALID, "log.key or cosign.key is a key that is compromised"
                )
            entry = SigningKeys(
                at=instant(self._clock.now()),
                node=self._topology.node,
                log_key=log_key.hex(),
                cosign_key=cosign_key.hex(),
                compromised=_WORDS[
                    last.log_key != log_key and last.log_key in self._keys.compromised,
                    last.cosign_key != cosign_key and last.cosign_key in self._keys.compromised,
                ],
            )
            appends.append(Append(origin, entry.encode()))
        if appends:
            await self._store.record(Record(tuple(appends)))
        return bool(appends)

    def cosigner(self, peer: str | None = None) -> Cosigner:
        """With what to cosign a peer's logs: the newest key that it knows (REQ-LINK-14).

        For no peer, the newest that is announced.

        Raises ``Fatal(CONFIG_INVALID)`` where that key is not in the folder any more.
        """
        if peer is None:
            turn = self._store.heads[self._topology.home].turns.last
        else:
            head = self._store.heads[self._topology.control_out(peer)]
            turn = head.turns.at(head.held_size)
        return self._keys.cosigners.of(turn.cosign_key)

    def cosigned_by(self, peer: str) -> tuple[NoteVerifier, ...]:
        """The keys with which a peer may cosign our logs now."""
        turns = self._store.heads[self._topology.control_in(peer)].turns
        name = cosigner_name(self._domains[peer], peer)
        return tuple(_cosigner_verifier(name, key) for key in turns.cosigning())


@lru_cache(maxsize=256)
def _cosigner_verifier(name: str, key: bytes) -> NoteVerifier:
    return NoteVerifier(name, key, SignatureType.COSIGNATURE_V1)
