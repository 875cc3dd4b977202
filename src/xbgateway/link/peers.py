"""What the paths ask of the link: what did not come, control lanes that are behind, segments."""

from collections.abc import AsyncGenerator, Callable

from xbgateway.model.record import Pending

from .mirror import Mirrors
from .segments import Segments


class LinkPeers:
    """Made before the paths, bound to the mirrors once they exist."""

    def __init__(self) -> None:
        self.mirrors: Mirrors | None = None
        self.segments: Segments | None = None
        self.control_in: Callable[[str], str] | None = None  # origin of a peer's control lane

    async def want(self, pending: Pending) -> Pending | None:
        """Ask the writer once more for what should have come beside an entry."""
        assert self.mirrors is not None
        return await self.mirrors.want(pending)

    async def control_reached(self, node: str, size: int, timeout_s: float) -> bool:
        """Wait until the mirror of the node's control lane has ``size`` entries."""
        assert self.mirrors is not None
        assert self.control_in is not None
        return await self.mirrors.reached(self.control_in(node), size, timeout_s)

    def fetch(self, peer: str, exchange: str, start: int) -> AsyncGenerator[bytes, None]:
        """Sealed segments of an attachment from its sender's node."""
        assert self.segments is not None
        return self.segments.fetch(peer, exchange, start)
