"""Providers that fetch their exchanges themselves: pulled under a lease, then acknowledged.

A message is handed out only once its acceptance and the lease are on record, to one puller at a
time; when the lease runs out it can be pulled again, under the same exchange id, which is why only
providers that honour the id may pull. What is acknowledged is the service's word: it takes the
answer leg (``delivery.py``) before the call returns, and its keyed hash stays for a while, so that
the same answer again is no error and another one is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from xbgateway.model.clock import Clock, instant
from xbgateway.model.delivery import DeliveryRow, PutDelivery
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import (
    LEASE_S_MAX,
    PAGE_BYTES_MAX,
    PULL_MESSAGES_MAX,
    PULL_WAIT_S_MAX,
)
from xbgateway.model.record import Record, Stale
from xbgateway.register import Catalogue
from xbgateway.seal import keyed_hash

from .delivery import Delivery
from .holds import Holds
from .ports import Answered, Ledger, Meter


@dataclass(frozen=True, slots=True)
class Handed:
    """One message as its provider gets it."""

    row: DeliveryRow
    sender: str
    purpose: str
    case_id: str
    payload: bytes


class Inbox:
    """What the parties of one node pull."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        delivery: Delivery,
        holds: Holds,
        ledger: Ledger,
        catalogue: Catalogue,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._calls = delivery.calls
        self._delivery = delivery
        self._holds = holds
        self._ledger = ledger
        self._catalogue = catalogue
        self._clock = clock
        self._meter = meter
        self._one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # ---- handing out ---------------------------------------------------------------------------

    async def pull(self, party: str, most: int, wait_s: float) -> list[Handed]:
        """At most ``most`` messages, or fewer that fit one answer; none only after ``wait_s``.

        Raises ``Refused(SERVICE_UNKNOWN)`` where the party pulls no service.
        """
        if not self._catalogue.pulled(party):
            raise Refused(Reason.SERVICE_UNKNOWN, "This party pulls no service.")
        loop = asyncio.get_running_loop()
        ends = loop.time() + min(wait_s, PULL_WAIT_S_MAX)
        while True:
            changed = self._calls.queue.changed
            async with self._one[party]:  # pullers of one party would only make each other stale
                handed = await self._handed(party, min(max(most, 1), PULL_MESSAGES_MAX))
            left_s = ends - loop.time()
            if handed or left_s <= 0:
                return handed
            try:  # a lease that runs out wakes nobody: look again in a second
                await asyncio.wait_for(changed.wait(), min(left_s, 1.0))
            except TimeoutError:
                continue

    async def _handed(self, party: str, most: int) -> list[Handed]:
        paths, now = self._catalogue.pulled(party), self._clock.now()
        taken: list[Handed] = []
        room = PAGE_BYTES_MAX
        for row in self._calls.queue.rows.visible(party, paths, instant(now), most):
            found = self._delivery.waiting(row)
            if found is None:
                continue
            pending, opened = found
            if not row.unsure and await self._delivery.forbidden(pending, opened) is not None:
                self._calls.queue.call_off(row.exchange)
                continue
            room -= len(opened.payload)
            if room < 0 and taken:
                break
            terms = self._catalogue.terms(row.service, row.party, row.method)
            leased = replace(
                row,
                last=instant(now),
                due=min(instant(now + timedelta(seconds=terms.visibility_s)), row.until),
                attempts=row.attempts + 1,
                unsure=True,
                lease=uuid4().hex,
            )
            entry, declared = opened.entry, opened.declaration
            case_id = declared.case_id or ""
            taken.append(Handed(leased, entry.sender, entry.purpose, case_id, opened.payload))
        if not taken:
            return []
        try:
            await self._ledger.record(Record((), tuple(PutDelivery(one.row) for one in taken)))
        except Stale:  # one of them was acknowledged late or ended just now
            return await self._handed(party, most)
        for one in taken:
            self._meter.attempt(one.row.service, "handed_out")
        return taken

    # ---- leases --------------------------------------------------------------------------------

    async def acknowledge(self, party: str, exchange: str, lease: str, answer: Answered) -> None:
        """The service's word. The same word again, under whichever lease, changes nothing.

        Whoever had the last lease may acknowledge after it ran out, as long as nobody else got it.

        Raises ``Refused``: ``EXCHANGE_UNKNOWN``, ``LEASE_OVER``, ``ANSWERED_OTHERWISE``.
        """
        row, digest = self._mine(party, exchange), b""
        key = self._holds.key(exchange)
        if key is not None:
            said = (str(answer.code).encode(), answer.message.encode(), answer.payload)
            digest = keyed_hash(key, *said)
        if row.state == "done":
            if row.answer == digest:
                return
            raise Refused(Reason.ANSWERED_OTHERWISE, "It was acknowledged with another answer.")
        found = self._delivery.waiting(row) if row.state in ("waiting", "dead") else None
        if found is None or not row.lease or row.lease != lease:
            raise lease_over()
        pending, opened = found
        done = replace(
            row, state="done", position=None, answer=digest, last=instant(self._clock.now())
        )
        try:
            await self._delivery.end(pending, replace(opened, ends=(PutDelivery(done),)), answer)
        except Unavailable:
            if self._mine(party, exchange).version == row.version:
                raise
            # Somebody was faster: this word is the same, or comes too late.
            await self.acknowledge(party, exchange, lease, answer)
        else:
            self._meter.attempt(row.service, "answered")

    async def extend(self, party: str, exchange: str, lease: str, seconds: int) -> str:
        """The lease lasts for so long from now; until when. Raises ``Refused(LEASE_OVER)``."""
        until = self._clock.now() + timedelta(seconds=min(max(seconds, 1), LEASE_S_MAX))
        return await self._moved(
            party, exchange, lease, lambda row: replace(row, due=min(instant(until), row.until))
        )

    async def release(self, party: str, exchange: str, lease: str) -> None:
        """Give the message back: it can be pulled at once. Raises ``Refused(LEASE_OVER)``."""
        now = instant(self._clock.now())
        await self._moved(party, exchange, lease, lambda row: replace(row, due=now, lease=""))
        self._calls.queue.grown()

    async def _moved(
        self,
        party: str,
        exchange: str,
        lease: str,
        move: Callable[[DeliveryRow], DeliveryRow],
    ) -> str:
        row = self._mine(party, exchange)
        if row.state != "waiting" or not lease or row.lease != lease:
            raise lease_over()
        moved = move(row)
        try:
            await self._ledger.record(Record((), (PutDelivery(moved),)))
        except Stale as stale:
            raise lease_over() from stale
        return moved.due

    def _mine(self, party: str, exchange: str) -> DeliveryRow:
        row = self._calls.queue.rows.row(exchange)
        if row is None or row.party != party:
            raise Refused(Reason.EXCHANGE_UNKNOWN, "There is no such exchange in this inbox.")
        return row


def lease_over() -> Refused:
    """The refusal of whoever does not hold the exchange any more."""
    return Refused(Reason.LEASE_OVER, "The lease is not the exchange's last one.")
