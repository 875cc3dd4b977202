"""Public keys for offline verification: from a register file, or as vkeys given one by one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xbgateway.cli.register import read
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.origins import parse
from xbgateway.node_keys import cosigner_name
from xbgateway.register.entries import Node
from xbgateway.tlog import Note, NoteVerifier, SignatureType

ALONE = "the log's key is compromised, and the other side did not cosign"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count."""

    nodes: Mapping[str, Node]
    vkeys: tuple[NoteVerifier, ...]

    @classmethod
    def of(cls, register: Path | None, vkeys: Iterable[str]) -> "Trust":
        """Raises ``Refused(CONFIG_INVALID)`` for what cannot be read, and for nothing at all."""
        given = tuple(NoteVerifier.from_vkey(text) for text in vkeys)
        nodes = {node.id: node for node in read(register).nodes} if register else {}
        if not nodes and not given:
            raise Refused(
                Reason.CONFIG_INVALID, "nothing can be verified without --register or --vkey"
            )
        return cls(nodes, given)

    def log(self, origin: str, note: bytes) -> NoteVerifier:
        """The key that a note of a log is to be verified with: the one that claims to have signed.

        The newest where none does. Raises ``Refused(KEY_UNKNOWN)`` where nothing is known of the
        log, ``Fatal(CHECKPOINT_MALFORMED)`` for what is no note.
        """
        known = self._logs(origin)
        return next(claiming(note, known), known[0])

    def cosigner(self, origin: str, note: bytes) -> NoteVerifier | None:
        """The key with which a log's reader cosigned a note; where none claims to, the newest.

        None for a home log, or if none is known. A compromised key's word counts for nothing.
        """
        known = [one for one in self._cosigners(origin) if not self.compromised(one)]
        return next(claiming(note, known), known[0] if known else None)

    def compromised(self, verifier: NoteVerifier) -> bool:
        """Whether somebody else may have the private half (REQ-LOG-21)."""
        key = verifier.public_key.hex()
        return any(key in node.compromised_keys for node in self.nodes.values())

    def _logs(self, origin: str) -> list[NoteVerifier]:
        for vkey in self.vkeys:
            if vkey.name == origin and vkey.type is SignatureType.ED25519:
                return [vkey]
        try:
            parts = parse(origin)
        except ValueError:
            raise _unknown(origin) from None
        node = self.nodes.get(parts.writer)
        if node is None or node.trust_domain != parts.trust_domain:
            raise _unknown(origin)
        keys = (node.log_key, *reversed(node.former_log_keys))
        return [NoteVerifier(origin, bytes.fromhex(key)) for key in keys]

    def _cosigners(self, origin: str) -> list[NoteVerifier]:
        try:
            reader = parse(origin).reader
        except ValueError:
            return []
        if reader is None:
            return []
        for vkey in self.vkeys:
            if vkey.type is SignatureType.COSIGNATURE_V1 and vkey.name.endswith(
                f"/{reader}/mirror"
            ):
                return [vkey]
        node = self.nodes.get(reader)
        if node is None:
            return []
        name = cosigner_name(node.trust_domain, reader)
        return [
            NoteVerifier(name, bytes.fromhex(key), SignatureType.COSIGNATURE_V1)
            for key in (node.cosign_key, *reversed(node.former_cosign_keys))
        ]


def claiming(note: bytes, known: Iterable[NoteVerifier]) -> Iterator[NoteVerifier]:
    """Those of the known keys that a note claims to be signed with; verifies nothing.

    Raises ``Fatal(CHECKPOINT_MALFORMED)`` for what is no note.
    """
    claims = {(line.name, line.key_id) for line in Note.parse(note).signatures}
    return (one for one in known if (one.name, one.key_id) in claims)


def _unknown(origin: str) -> Refused:
    return Refused(Reason.KEY_UNKNOWN, "no key is given for this log", origin=origin)
