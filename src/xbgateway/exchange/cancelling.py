"""A sender takes its exchange back, as long as no service can have heard of it.

At home what has not left is withdrawn (``holds.py``); what has left is followed by a ``cancel`` in
the same lane, and the receiver alone says whether that came in time (REQ-ENT-16): its own entry
ends the exchange, or goes on as if nothing had been said. So an answer and a cancel that cross mean
the same on both sides. Where a request is being judged or delivered it looks for itself
(:meth:`Approvals.taken_back`); this acts on requests that lie still.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from xbgateway.model.clock import Clock, instant
from xbgateway.model.delivery import QUEUED
from xbgateway.model.entry import Cancel, Refused_
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import TERMINAL, Position, State, outcome
from xbgateway.model.record import DONE, Append, MoveHold, MovePending, Pending, Record, Stale

from .flights import Flights
from .holds import Holds
from .ports import Ledger
from .queue import Queue
from .responses import Responses

_TAKEN_BACK = (Reason.EXCHANGE_CANCELLED, Reason.HOLD_WITHDRAWN)


class Cancelling:
    """Both sides of a cancel at one node. ``running`` gives the task that acts on an entry."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self, holds: Holds, ledger: Ledger, clock: Clock, responses: Responses, queue: Queue,
        flights: Flights,
    ) -> None:  # fmt: skip
        self._holds = holds
        self._ledger = ledger
        self._clock = clock
        self._responses = responses
        self._queue = queue
        self._watching = flights.watching
        self.running: Callable[[Position], asyncio.Task[None] | None] = lambda _position: None
        self._saying: dict[str, asyncio.Task[None]] = {}

    # ---- the sender's side -----------------------------------------------------------------------

    async def cancel(self, party: str, exchange: str) -> None:
        """Say that a party of this node takes its exchange back; said before, it is no error.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``EXCHANGE_ENDED``, ``HOLD_ANSWERED`` (it is
        about to leave).
        """
        if not self._holds.is_of(party, exchange):
            raise Refused(Reason.EXCHANGE_UNKNOWN, "no such exchange of this party")
        task = self._saying.get(exchange)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._say(party, exchange))
            self._saying[exchange] = task
            task.add_done_callback(lambda _done: self._saying.pop(exchange, None))
        await asyncio.shield(task)

    async def _say(self, party: str, exchange: str) -> None:
        state = self._holds.state(exchange)
        if state.outcome in TERMINAL:
            if state.reason in _TAKEN_BACK:
                return
            raise Refused(
                Reason.EXCHANGE_ENDED, "The exchange has ended.", outcome=str(state.outcome)
            )
        if state.request is None:
            await self._holds.withdraw(party, exchange)
        elif state.cancel is None:
            said = Cancel(instant(self._clock.now()), exchange, state.request.leaf)
            append = Append(state.request.position.origin, said.encode(), exchange)
            await self._ledger.record(Record((append,)))
            self._watching.changed(exchange)

    # ---- the receiver's side ---------------------------------------------------------------------

    async def mirrored(self, pending: Pending) -> None:
        """Act on a peer's cancel. Whatever acts on the request itself comes first."""
        entry = pending.decoded
        assert isinstance(entry, Cancel)
        state = self._state(pending, entry)
        request = state.request
        if state.cancel is not None and state.cancel.position == pending.position and request:
            if (running := self.running(request.position)) is not None:
                await asyncio.wait({running})
            await self._take_back(request.position, entry)
        await self._ledger.record(Record((), (MovePending(pending.position, DONE),)))

    def _state(self, pending: Pending, entry: Cancel) -> State:
        return outcome(self._ledger.reader.placed(entry.exchange), pending.position.writer)

    async def _take_back(self, position: Position, entry: Cancel) -> None:
        """End a request that lies still; its delivery ends by the path that ends deliveries."""
        request = self._ledger.reader.pending_at(position)
        if request is None:
            return  # it has ended
        if request.step == QUEUED:
            self._queue.call_off(entry.exchange)
        elif request.step == "held":
            said = Refused_(
                at=instant(self._clock.now()),
                exchange=entry.exchange,
                reason=Reason.EXCHANGE_CANCELLED,
                rules=(),
                request=entry.request,
            )
            open_holds = [
                MoveHold(row.leaf, "open", "done")
                for row in self._ledger.reader.holds_of(entry.exchange)
                if row.here and row.state == "open"
            ]
            with suppress(Stale):  # an officer was faster: the request looks for itself again
                await self._responses.record(request, DONE, said, [*open_holds])
