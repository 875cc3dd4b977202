"""How much of the desk one peer may fill: holds of its exchanges that wait for officers here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

from .ports import Ledger


class Room:
    """The bound of each peer. What is counted and recorded inside ``with`` is never more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def one_more(self, origin: str) -> AsyncIterator[None]:
        """Room for one more hold of an exchange that stands in a peer's log ``origin``.

        Raises ``Refused(DESK_FULL)``.
        """
        writer = origin.rsplit("/lane/", 1)[0]
        async with self._one:
            if self._ledger.reader.holds_open(writer) >= limits.HOLDS_OF_PEER_OPEN_MAX:
                raise Refused(Reason.DESK_FULL, "too many holds of this peer wait for officers")
            yield
