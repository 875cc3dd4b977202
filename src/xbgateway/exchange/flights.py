"""Exchanges of this node's callers that are under way, and who waits for them.

Memory only, and only for speed: whatever is lost here is rebuilt from the store.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.facts import Standing
from xbgateway.model.limits import EXCHANGES_UNDER_WAY_MAX
from xbgateway.model.outcome import Outcome, Position
from xbgateway.model.record import Until

from .quotas import Quotas
from .stages import NOBODY, Approved, Declaration, Finished
from .watching import Watching


@dataclass(slots=True)
class Flight:
    """An exchange of this node's caller that is under way; rebuilt from the store after a crash."""

    exchange: str
    key: bytes  # the exchange's own key
    request_leaf: str
    declaration: Declaration  # of the request leg
    answer_standing: Standing | None  # None after a crash: the register may have changed since
    lane: str  # origin of the request's log
    approved: Approved = NOBODY
    until: Until | None = None  # how long its rows are kept; None after a crash
    accepted: int | None = None  # index of the receiver's acceptance in the lane that answers
    said_before: bool = False  # another word of the receiver than an acceptance or an answer
    ending: Position | None = None  # the receiver's entry that is being acted on


class Flights:
    """Owned by the event loop. Bounded by :meth:`check_room`, lane by lane."""

    def __init__(self, quotas: Quotas) -> None:
        self.quotas = quotas
        self._under_way: dict[str, Flight] = {}
        self._waiting: dict[str, list[asyncio.Future[Finished]]] = {}
        self._in_lane: Counter[str] = Counter()
        self.watching = Watching()

    def check_room(self, lane: str) -> None:
        """Raises ``Unavailable`` while the other side owes a word on too many of a lane."""
        if self._in_lane[lane] >= EXCHANGES_UNDER_WAY_MAX:
            raise Unavailable(
                Reason.TOO_MANY_REQUESTS,
                f"{EXCHANGES_UNDER_WAY_MAX} exchanges wait for the other side already",
            )

    def begin(self, flight: Flight) -> None:
        """An exchange is under way."""
        self._under_way[flight.exchange] = flight
        self._in_lane[flight.lane] += 1

    def get(self, exchange: str) -> Flight | None:
        """An exchange that is under way, as far as memory knows."""
        return self._under_way.get(exchange)

    async def ended(self, exchange: str) -> Finished:
        """Wait for what becomes of an exchange. Several may; who stops waiting leaves no trace."""
        mine: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(exchange, []).append(mine)
        try:
            return await mine
        finally:
            others = self._waiting.get(exchange)
            if others is not None and mine in others:  # not ended
                others.remove(mine)
                if not others:
                    del self._waiting[exchange]

    def forget(self, exchange: str) -> None:
        """It is not under way, or no longer."""
        flight = self._under_way.pop(exchange, None)
        if flight is not None:
            self._in_lane[flight.lane] -= 1

    def held(self, exchange: str, finished: Finished) -> None:
        """A person has to decide: it is not under way, and whoever waits hears so at once."""
        self.end(exchange, finished)

    def end(self, exchange: str, finished: Finished) -> None:
        """It is over and recorded: tell whoever waits."""
        self.forget(exchange)
        if finished.outcome is not Outcome.HELD:
            self.quotas.free(exchange)
        for waiting in self._waiting.pop(exchange, ()):
            if not waiting.done():
                waiting.set_result(finished)
        self.watching.changed(exchange)
