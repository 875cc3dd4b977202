"""Which logs this node writes and reads: configuration, never assumed to be two."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xbgateway.model import origins


@dataclass(frozen=True, slots=True)
class Topology:
    """One node, its peers with their trust domains, and the number of data lanes per pair."""

    node: str
    trust_domain: str
    peers: Mapping[str, str]  # node id → trust domain
    lanes: int

    @property
    def home(self) -> str:
        """Origin of the home log."""
        return origins.home(self.trust_domain, self.node)

    def control_out(self, peer: str) -> str:
        """Our control lane towards a peer."""
        return origins.control(self.trust_domain, self.node, peer)

    def control_in(self, peer: str) -> str:
        """The peer's control lane towards us."""
        return origins.control(self.peers[peer], peer, self.node)

    def data_out(self, peer: str, lane: int) -> str:
        """Our data lane towards a peer."""
        return origins.data(self.trust_domain, self.node, peer, lane)

    def data_in(self, peer: str, lane: int) -> str:
        """The peer's data lane towards us."""
        return origins.data(self.peers[peer], peer, self.node, lane)

    def lane(self, party: str, request_id: str) -> int:
        """The lane of a new exchange: the same number both ways."""
        digest = hashlib.sha256(f"{party}\n{request_id}".encode()).digest()
        return int.from_bytes(digest[:8]) % self.lanes

    def reverse(self, origin: str) -> str:
        """Our lane that answers a peer's lane."""
        parts = origins.parse(origin)
        return self.data_out(parts.writer, int(parts.lane))

    def peer_of(self, origin: str) -> str:
        """The node that writes a peer's log."""
        return origins.parse(origin).writer

    def reader_of(self, origin: str) -> str:
        """The node that a lane of ours goes to."""
        reader = origins.parse(origin).reader
        assert reader is not None
        return reader

    def own(self) -> Iterable[str]:
        """Every log that this node writes."""
        yield self.home
        for peer in self.peers:
            yield self.control_out(peer)
            yield from (self.data_out(peer, lane) for lane in range(self.lanes))

    def mirrored(self) -> Iterable[str]:
        """Every log of a peer that this node mirrors."""
        for peer in self.peers:
            yield self.control_in(peer)
            yield from (self.data_in(peer, lane) for lane in range(self.lanes))
