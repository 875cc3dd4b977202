"""What the paths ask of the link: payloads that did not come, and control lanes that are behind."""

from collections.abc import Callable

from xbgateway.model.record import Pending

from .mirror import Mirrors


class LinkPeers:
    """Made before the paths, bound to the mirrors once they exist."""

    def __init__(self) -> None:
        self.mirrors: Mirrors | None = None
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
