"""What waits for a person: deliveries that were parked, and outcomes that nobody knows.

A parked delivery has not ended: an officer of the provider requeues it, or says what happened, and
that word ends the exchange by an entry. An unknown outcome has ended, stands in the log of both
sides and stays; closing its item says only that somebody has looked. Who it was and what was found
rests sealed under the exchange's key, and stands in no log.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from xbgateway.model.clock import Clock, instant
from xbgateway.model.delivery import FOR_PEOPLE, DeliveryRow, PutDelivery
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.record import Record, Stale
from xbgateway.seal import open_at_rest, seal_at_rest

from .delivery import Delivery
from .holds import Holds
from .ports import Ledger

Found = Literal["not_executed", "unknown"]
_PART = b"remark"


@dataclass(frozen=True, slots=True)
class Remark:
    """Who looked, and what was found."""

    officer: str  # party/person
    note: str
    at: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits, or waited, for a person."""

    row: DeliveryRow
    remark: Remark | None = None


class Attention:
    """The items of one node. ``party`` is whose officer asks; ``None``: an auditor, who reads."""

    def __init__(
        self,
        delivery: Delivery,
        holds: Holds,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._calls = delivery.calls
        self._delivery = delivery
        self._holds = holds
        self._ledger = ledger
        self._clock = clock

    async def listed(
        self, party: str | None, after: tuple[str, str] | None, limit: int
    ) -> list[Item]:
        """What waits for a person, oldest first, strictly after a given ``(at, exchange)``."""
        rows = await asyncio.to_thread(self._calls.queue.rows.for_people, party, after, limit)
        return [Item(row) for row in rows]

    def get(self, party: str | None, exchange: str) -> Item:
        """One item. Raises ``Refused(EXCHANGE_UNKNOWN)`` also where it is another party's."""
        row = self._calls.queue.rows.row(exchange)
        shown = row is not None and row.state in (*FOR_PEOPLE, "closed")
        if row is None or not shown or party not in (None, row.party):
            raise Refused(Reason.EXCHANGE_UNKNOWN, "Nothing of such an exchange waits here.")
        key = self._holds.key(exchange) if row.remark else None
        if key is None or row.remark is None:
            return Item(row)
        return Item(row, Remark(**orjson.loads(open_at_rest(key, _PART, row.remark))))

    async def requeue(self, party: str, exchange: str) -> Item:
        """A parked delivery begins anew, within the exchange's last moment.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``NOT_WAITING_FOR_PERSON``, ``EXCHANGE_EXPIRED``.
        """
        row = self._waiting(party, exchange, "dead")
        waiting = self._delivery.waiting(row)
        if waiting is None:
            raise _moved()
        _pending, opened = waiting
        if opened.said.last <= instant(self._clock.now()):
            raise Refused(
                Reason.EXCHANGE_EXPIRED, "Its last moment has passed: say what happened instead."
            )
        fresh = self._calls.again(row, opened)
        try:
            await self._calls.queue.put_off(fresh)
        except Stale as stale:
            raise _moved() from stale
        return Item(fresh)

    async def resolve(
        self, party: str, exchange: str, officer: str, note: str, found: Found
    ) -> Item:
        """A person says what became of a parked delivery; the exchange ends with that word.

        Raises as :meth:`requeue`, but for the last.
        """
        row = self._waiting(party, exchange, "dead")
        waiting = self._delivery.waiting(row)
        if waiting is None:
            raise _moved()
        pending, opened = waiting
        unknown = found == "unknown"
        reason = Reason.EXCHANGE_UNKNOWN_EFFECT if unknown else Reason.RESOLVED_NOT_EXECUTED
        closed = replace(self._closed(row, officer, note), position=None, reason=reason)
        try:
            await self._delivery.end(pending, replace(opened, ends=(PutDelivery(closed),)), reason)
        except Stale as stale:
            raise _moved() from stale
        return self.get(party, exchange)

    async def close(self, party: str, exchange: str, officer: str, note: str) -> Item:
        """Somebody has looked at an unknown outcome, which stays what it is.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``NOT_WAITING_FOR_PERSON``.
        """
        row = self._waiting(party, exchange, "unknown")
        try:
            await self._ledger.record(Record((), (PutDelivery(self._closed(row, officer, note)),)))
        except Stale as stale:
            raise _moved() from stale
        return self.get(party, exchange)

    def _closed(self, row: DeliveryRow, officer: str, note: str) -> DeliveryRow:
        """Once its key was destroyed nothing can be kept of who looked."""
        at, key = instant(self._clock.now()), self._holds.key(row.exchange)
        said = orjson.dumps(Remark(officer, note, at))
        remark = None if key is None else seal_at_rest(key, _PART, said)
        return replace(row, state="closed", last=at, remark=remark)

    def _waiting(self, party: str, exchange: str, state: str) -> DeliveryRow:
        row = self.get(party, exchange).row
        if row.state != state:
            raise _moved()
        return row


def _moved() -> Refused:
    return Refused(Reason.NOT_WAITING_FOR_PERSON, "It does not wait for this word.")
