"""Public keys for offline verification: from a register file, or as vkeys given one by one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xbgateway.cli.register import read
from xbgateway.core import cosigner_name
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.origins import parse
from xbgateway.register.entries import Node
from xbgateway.tlog import NoteVerifier, SignatureType


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

    def log(self, origin: str) -> NoteVerifier:
        """The key of a log. Raises ``Refused(KEY_UNKNOWN)``."""
        for vkey in self.vkeys:
            if vkey.name == origin and vkey.type is SignatureType.ED25519:
                return vkey
        try:
            parts = parse(origin)
        except ValueError:
            raise _unknown(origin) from None
        node = self.nodes.get(parts.writer)
        if node is None or node.trust_domain != parts.trust_domain:
            raise _unknown(origin)
        return NoteVerifier(origin, bytes.fromhex(node.log_key))

    def cosigner(self, origin: str) -> NoteVerifier | None:
        """The key with which a log's reader cosigns it; None for a home log, or if not known."""
        try:
            reader = parse(origin).reader
        except ValueError:
            return None
        if reader is None:
            return None
        for vkey in self.vkeys:
            if vkey.type is SignatureType.COSIGNATURE_V1 and vkey.name.endswith(
                f"/{reader}/mirror"
            ):
                return vkey
        node = self.nodes.get(reader)
        if node is None:
            return None
        name = cosigner_name(node.trust_domain, reader)
        return NoteVerifier(name, bytes.fromhex(node.cosign_key), SignatureType.COSIGNATURE_V1)


def _unknown(origin: str) -> Refused:
    return Refused(Reason.KEY_UNKNOWN, "no key is given for this log", origin=origin)
