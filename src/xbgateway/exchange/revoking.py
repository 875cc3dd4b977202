"""What waits for its service when law or register change: asked again, and ended where forbidden.

A delivery that goes on asks for itself (``Calls.asked``); this is for those whose time has not
come, so that nothing waits for days that may not be delivered any more. It looks at what waits in
slices, beside the queue's own work, and begins anew whenever something else comes into use.
"""

import time
from collections.abc import Callable
from uuid import UUID

from xbgateway.model.delivery import DeliveryRow
from xbgateway.model.limits import REVOKING_ROWS, REVOKING_SLICE_S

from .delivery import Delivery

_FIRST = str(UUID(int=0))


class Revoking:
    """Looks at the deliveries of one node. ``in_use`` says which register and policies decide."""

    def __init__(self, delivery: Delivery, in_use: Callable[[], tuple[str, str]]) -> None:
        self._delivery = delivery
        self._queue = delivery.calls.queue
        self._in_use = in_use
        self._asked: tuple[str, str] | None = None  # of all that wait; none yet after a start
        self._asking: tuple[str, str] | None = None
        self._after = _FIRST

    async def look(self) -> None:
        """Ask on, for a slice of time, as long as not all were asked on what is in use.

        Raises ``Unavailable`` where the law cannot be asked; the next look goes on from there.
        """
        ends = time.monotonic() + REVOKING_SLICE_S
        while (in_use := self._in_use()) != self._asked and time.monotonic() < ends:
            if in_use != self._asking:
                self._asking, self._after = in_use, _FIRST
            rows = self._queue.rows.unheard(self._after, REVOKING_ROWS)
            for row in rows:
                await self._ask(row)
                self._after = row.exchange
            if not rows:
                self._asked = self._asking

    async def _ask(self, row: DeliveryRow) -> None:
        waiting = self._delivery.waiting(row)
        if waiting is not None and await self._delivery.forbidden(*waiting) is not None:
            self._queue.call_off(row.exchange)
