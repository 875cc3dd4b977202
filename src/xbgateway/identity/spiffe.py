"""SPIFFE ids as this system uses them: one trust domain per jurisdiction, nodes and parties in it.

``spiffe://<trust-domain>/node/<node-id>`` and ``spiffe://<trust-domain>/party/<party-id>``. Nothing
else is an identity here; in particular no id is guessed from a common name or a DNS name.
"""

import re
from dataclasses import dataclass
from typing import Literal

from xbgateway.model.errors import Reason, Refused

Kind = Literal["node", "party"]

_ID = re.compile(
    r"spiffe://(?P<domain>[a-z0-9][a-z0-9._-]{0,127})"
    r"/(?P<kind>node|party)/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
)


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """One identity; ``str()`` gives the URI. Making a malformed one raises ``Refused``."""

    trust_domain: str
    kind: Kind
    name: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(str(self)):
            raise _malformed(str(self))

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/{self.kind}/{self.name}"

    @classmethod
    def parse(cls, uri: str) -> "SpiffeId":
        """The id that ``uri`` writes. Raises ``Refused(IDENTITY_AMBIGUOUS)`` for any other form."""
        found = _ID.fullmatch(uri)
        if found is None:
            raise _malformed(uri)
        kind: Kind = "node" if found["kind"] == "node" else "party"
        return cls(found["domain"], kind, found["name"])


def _malformed(uri: str) -> Refused:
    return Refused(
        Reason.IDENTITY_AMBIGUOUS,
        "The certificate's URI is not a SPIFFE id of a node or a party.",
        uri=uri[:256],
    )
