"""What was accepted and waits in the store for its service: put off, woken, ended.

An attempt that did not end an exchange leaves a row with the time of the next one, and no task. The
queue looks whose time has come while anything waits, takes each up by one transaction before its
service is called (a crash in the call is then known for what it is), and has its path run
(``Gateway.act``). Each service has room for so many calls, so one that never answers takes nobody
else's. Rows of providers that pull wait for ``inbox.py``; their horizon ends here too.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import structlog

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.delivery import (
    QUEUED,
    DeliveryCount,
    DeliveryRow,
    ForgetDeliveries,
    PutDelivery,
)
from xbgateway.model.errors import Fatal, GatewayError, Reason
from xbgateway.model.limits import (
    ACKNOWLEDGED_FORGOTTEN_MAX,
    ACKNOWLEDGED_KEPT_DAYS,
    DELIVERIES_ENDED_MAX,
    DELIVERIES_LOOK_S,
    SERVICE_CALLS_MAX,
)
from xbgateway.model.record import Effect, MovePending, Pending, Record, Stale
from xbgateway.register import Catalogue

from .ports import Ledger, Meter

_log = structlog.get_logger("queue")


class DeliveryRecords(Protocol):
    """What the store knows of deliveries."""

    def row(self, exchange: str) -> DeliveryRow | None:
        """One row; ``None`` also for what is no exchange id."""

    def due(self, service: str, methods: Iterable[str], now: str, limit: int) -> list[DeliveryRow]:
        """What waits for one service and whose time has come."""

    def visible(self, party: str, paths: Iterable[str], now: str, limit: int) -> list[DeliveryRow]:
        """What a party can pull of these ``service/method``."""

    def over(self, now: str, limit: int) -> list[DeliveryRow]:
        """What waits although its horizon has ended, or was tried as often as it may be."""

    def any_waiting(self) -> bool:
        """Whether anything waits at all."""

    def unheard(self, after: str, limit: int) -> list[DeliveryRow]:
        """What waits and was heard of by no service, by exchange, strictly after a given one."""

    def any_done(self, before: str) -> bool:
        """Whether anything was acknowledged before an instant."""

    def for_people(
        self, party: str | None, after: tuple[str, str] | None, limit: int
    ) -> list[DeliveryRow]:
        """What a person has to see, oldest first."""

    def counts(self) -> list[DeliveryCount]:
        """How many rows each service has in each state."""


async def _nothing() -> None:
    """Before there is anybody who asks the law."""


class Queue:
    """Deliveries of one node that wait. ``act`` runs the path of a pending row."""

    def __init__(
        self,
        rows: DeliveryRecords,
        ledger: Ledger,
        catalogue: Catalogue,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self.rows = rows
        self._ledger = ledger
        self._catalogue = catalogue
        self._clock = clock
        self._meter = meter
        self.act: Callable[[Pending], bool] = lambda _pending: False
        self.revoking: Callable[[], Awaitable[None]] = _nothing  # :meth:`Revoking.look`
        self.changed = asyncio.Event()  # set, and replaced, as something new waits
        self._calls: Counter[str] = Counter()
        self._taken: dict[str, DeliveryRow] = {}  # taken up by this process, not yet called
        self._looking: asyncio.Task[None] | None = None
        self._called_off: set[str] = set()
        self._told: set[tuple[str, str]] = set()

    # ---- the rows ------------------------------------------------------------------------------

    def begun(self, exchange: str) -> DeliveryRow | None:
        """The row of an exchange whose path runs (again): of an attempt of ours as it was taken up.

        An attempt that a crash fell into may have been heard.
        """
        taken = self._taken.pop(exchange, None)
        if taken is not None:
            return taken
        row = self.rows.row(exchange)
        return row and replace(row, unsure=True, attempts=row.attempts + 1)

    async def put_off(self, row: DeliveryRow) -> None:
        """The exchange waits in the store: for its time, its provider or a person."""
        assert row.position is not None
        moved = MovePending(row.position, QUEUED)
        await self._ledger.record(Record((), (PutDelivery(row), moved)))
        self.grown()

    @contextmanager
    def room(self, service: str) -> Iterator[bool]:
        """Room for one more call of a service: whether there is any."""
        free = self._calls[service] < SERVICE_CALLS_MAX
        if not free:
            yield False
            return
        self._calls[service] += 1
        try:
            yield True
        finally:
            self._calls[service] -= 1

    # ---- whose time has come -------------------------------------------------------------------

    def grown(self) -> None:
        """Something waits: look after it, and tell whoever pulls."""
        loop = asyncio.get_running_loop()
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._look())
        self.changed.set()
        self.changed = asyncio.Event()

    def call_off(self, exchange: str) -> None:
        """Look at a delivery at once: it may not go on. One that may have acted does."""
        self._called_off.add(exchange)
        self.grown()

    async def _look(self) -> None:
        while self._called_off or self.rows.any_waiting():
            try:
                await self.wake()
                await self.revoking()
            except GatewayError as error:
                if isinstance(error, Fatal) or error.reason is Reason.DRAINING:
                    return  # the node stops, or cannot write any more
                _log.warning("queue_waits", reason=str(error.reason))
            await asyncio.sleep(DELIVERIES_LOOK_S)

    async def wake(self) -> None:
        """Take up everything whose time has come, as far as each service has room."""
        now = instant(self._clock.now())
        found = {exchange: self.rows.row(exchange) for exchange in self._called_off}
        off = [row for row in found.values() if row and row.lies and not row.unsure]
        self._called_off = {row.exchange for row in off if not self._begins(row)}
        for row in self.rows.over(now, DELIVERIES_ENDED_MAX):
            self._begins(row)
        taken = []
        for service in self._catalogue.services:
            room = SERVICE_CALLS_MAX - self._calls[service]
            methods = self._catalogue.pushed(service)
            if room > 0 and methods:
                taken += self.rows.due(service, methods, now, room)
        await asyncio.gather(*(self._take(row, now) for row in taken if self._is_push(row)))

    def _is_push(self, row: DeliveryRow) -> bool:
        return self._catalogue.terms(row.service, row.party, row.method).is_push

    async def _take(self, row: DeliveryRow, now: str) -> None:
        """On record that the service may be called from now on; then its path runs."""
        assert row.position is not None
        calling = replace(row, state="calling", last=now)
        effects: tuple[Effect, ...] = (PutDelivery(calling), MovePending(row.position, "accepted"))
        try:
            await self._ledger.record(Record((), effects))
        except Stale:
            return  # somebody was faster
        self._taken[row.exchange] = replace(calling, version=row.version + 1)
        self._begins(row)

    def _begins(self, row: DeliveryRow) -> bool:
        """Have its path run; whether it does, or needs not any more."""
        assert row.position is not None
        pending = self._ledger.reader.pending_at(row.position)
        return pending is None or self.act(pending)

    # ---- keeping going -------------------------------------------------------------------------

    def take_up(self) -> None:
        """After a start: look after what waits."""
        if self.rows.any_waiting():
            self.grown()

    async def tidy(self) -> None:
        """Forget what was acknowledged long ago, and carry the depths into the metrics."""
        now = self._clock.now()
        before = instant(now - timedelta(days=ACKNOWLEDGED_KEPT_DAYS))
        if self.rows.any_done(before):
            forget = ForgetDeliveries(before, ACKNOWLEDGED_FORGOTTEN_MAX)
            await self._ledger.record(Record((), (forget,)))
        counted = await asyncio.to_thread(self.rows.counts)
        told = {(one.service, str(one.state)) for one in counted}
        for service, state in self._told - told:
            self._meter.deliveries(service, state, 0, 0.0)
        for one in counted:
            age_s = (now - parse_instant(one.oldest)).total_seconds()
            self._meter.deliveries(one.service, one.state, one.rows, age_s)
        self._told = told

    def close(self) -> None:
        """Look no more; what waits is taken up at the next start."""
        if self._looking is not None:
            self._looking.cancel()
