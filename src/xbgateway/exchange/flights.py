"""Exchanges of this node's callers that are under way, and who waits for them.

Memory only, and only for speed: whatever is lost here is rebuilt from the store.
"""

import asyncio
from dataclasses import dataclass

from xbgateway.model.facts import Standing
from xbgateway.model.outcome import Position

from .stages import Declaration, Finished


@dataclass(slots=True)
class Flight:
    """An exchange of this node's caller that is under way; rebuilt from the store after a crash."""

    exchange: str
    key: bytes  # the exchange's own key
    request_leaf: str
    declaration: Declaration  # of the request leg
    answer_standing: Standing | None  # None after a crash: the register may have changed since
    lane: str  # origin of the request's log
    accepted: int | None = None  # index of the receiver's acceptance in the lane that answers
    said_before: bool = False  # another word of the receiver than an acceptance or an answer
    ending: Position | None = None  # the receiver's entry that is being acted on


class Flights:
    """Owned by the event loop."""

    def __init__(self) -> None:
        self._under_way: dict[str, Flight] = {}
        self._waiting: dict[str, asyncio.Future[Finished]] = {}

    def begin(self, flight: Flight) -> None:
        """An exchange is under way."""
        self._under_way[flight.exchange] = flight

    def get(self, exchange: str) -> Flight | None:
        """An exchange that is under way, as far as memory knows."""
        return self._under_way.get(exchange)

    def wait(self, exchange: str) -> asyncio.Future[Finished]:
        """What becomes of an exchange; several may wait for the same."""
        waiting = self._waiting.get(exchange)
        if waiting is None:
            waiting = self._waiting[exchange] = asyncio.get_running_loop().create_future()
        return waiting

    def forget(self, exchange: str) -> None:
        """It was not recorded after all."""
        self._under_way.pop(exchange, None)
        self._waiting.pop(exchange, None)

    def end(self, exchange: str, finished: Finished) -> None:
        """It is over and recorded: tell whoever waits."""
        self._under_way.pop(exchange, None)
        waiting = self._waiting.pop(exchange, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(finished)
