"""Calls of local services for accepted requests: how often, until when, and what a silence means.

A service that cannot be reached is tried again, a call that broke off only where the service
honours the exchange id. The first seconds pass in memory; then the row of the delivery says when it
goes on, and no task is kept. It records nothing and decides nothing about a transfer.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from xbgateway.model.clock import Clock, instant, parse_instant
from xbgateway.model.delivery import NO_LIMIT, DeliveryRow
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import (
    DEADLINE_S_MAX,
    SERVICE_PAUSE_S_MAX,
    SERVICE_REACH_S_MAX,
    SERVICE_TASK_S_MAX,
)
from xbgateway.model.outcome import Position
from xbgateway.model.record import Pending
from xbgateway.register import DeliveryTerms, MethodEntry

from .admission import Admission
from .ports import Answered, EffectUnknown, Meter, NotReached, Services
from .queue import Queue
from .responses import Opened
from .stages import Declaration


class Calls:
    """Calls of the services of one node."""

    def __init__(
        self, admission: Admission, services: Services, clock: Clock, meter: Meter, queue: Queue
    ) -> None:
        self._admission = admission
        self._services = services
        self._clock = clock
        self._meter = meter
        self.queue = queue

    def inbox(
        self, pending: Pending, declaration: Declaration, at: str, last: str
    ) -> DeliveryRow | None:
        """The row of a request that its provider pulls, made as it is accepted; else ``None``."""
        terms = self._admission.terms(declaration)
        if terms.is_push:
            return None
        return self._first(declaration, terms, pending.position, at, last)

    def row(self, opened: Opened, position: Position, *, unsure: bool) -> DeliveryRow:
        """The row of a delivery that begins now; ``unsure``: a run before may have been heard."""
        terms, at = self._admission.terms(opened.declaration), instant(self._clock.now())
        row = self._first(opened.declaration, terms, position, at, opened.said.last)
        row = replace(row, unsure=unsure)
        return replace(row, until=_horizon(terms, row, opened.said.last))

    def _first(
        self,
        declaration: Declaration,
        terms: DeliveryTerms,
        position: Position,
        at: str,
        last: str,
    ) -> DeliveryRow:
        """The row of a delivery that has none yet; ``last`` is the exchange's last moment."""
        row = DeliveryRow(
            exchange=declaration.exchange,
            position=position,
            party=declaration.recipient,
            service=declaration.service,
            method=declaration.method,
            state="waiting",
            at=at,
            last=at,
            due=at,
            until=last,
            most=terms.attempts or NO_LIMIT,
            rank=self._admission.rank(declaration, at),
        )
        return replace(row, until=_horizon(terms, row, last))

    def over(self, row: DeliveryRow) -> Reason | None:
        """Why a delivery whose horizon has ended ends; ``None`` while it has not."""
        if row.until > instant(self._clock.now()):
            return None
        return Reason.EXCHANGE_UNKNOWN_EFFECT if row.unsure else Reason.SERVICE_UNAVAILABLE

    def again(self, row: DeliveryRow, opened: Opened) -> DeliveryRow:
        """The row of a parked delivery that begins anew, by a person's word."""
        now, terms = instant(self._clock.now()), self._admission.terms(opened.declaration)
        assert row.position is not None
        fresh = self._first(opened.declaration, terms, row.position, now, opened.said.last)
        fresh = replace(fresh, unsure=row.unsure, version=row.version)
        return replace(fresh, until=_horizon(terms, fresh, opened.said.last))

    def parked(self, row: DeliveryRow, reason: Reason) -> DeliveryRow:
        """The row of a delivery that waits for a person."""
        now = instant(self._clock.now())
        return replace(row, state="dead", reason=reason, last=now)

    async def asked(
        self, opened: Opened, row: DeliveryRow, forbidden: Callable[[], Awaitable[Refused | None]]
    ) -> tuple[Answered | Reason | Refused | None, DeliveryRow]:
        """The service's word, or why there is none; ``None``: the row says how it goes on.

        ``forbidden`` asks the law again; whoever waited is not delivered without.
        """
        unknown = Reason.EXCHANGE_UNKNOWN_EFFECT
        try:
            method = self._admission.method(opened.declaration)
        except Refused as refused:  # a register that no longer has it came into use meanwhile
            return unknown if row.unsure else refused.reason, row
        if row.unsure and not method.honours_exchange_id:
            return unknown, row
        if not self._admission.terms(opened.declaration).is_push:
            return None, replace(row, state="waiting")
        started = time.perf_counter()
        with self.queue.room(method.service) as free:
            if not free:
                return None, replace(row, state="waiting", due=instant(self._clock.now()))
            asked = await self._call(opened, method, row, forbidden)
        self._meter.step("deliver", time.perf_counter() - started)
        return asked

    async def _call(
        self,
        opened: Opened,
        method: MethodEntry,
        row: DeliveryRow,
        forbidden: Callable[[], Awaitable[Refused | None]],
    ) -> tuple[Answered | Reason | Refused | None, DeliveryRow]:
        """Ask until there is a word, or the exchange had better wait in the store."""
        terms = self._admission.terms(opened.declaration)
        # What was put off before gets one attempt each time; its pauses are the store's.
        patience_s = SERVICE_TASK_S_MAX if row.wait_s == 0 else 0.0
        ends = time.monotonic() + patience_s
        delay_s, waited = 0.05, row.version > 0
        while True:
            # Asked again where time has passed; what may have been heard goes on to its end.
            if waited and not row.unsure and (no := await forbidden()) is not None:
                return no, row
            waited = True
            row = replace(row, until=_horizon(terms, row, opened.said.last))
            if (reason := self.over(row)) is not None:
                parks = terms.at_end == "park"
                return (None, self.parked(row, reason)) if parks else (reason, row)
            if row.attempts >= row.most:
                return None, self.parked(row, Reason.ATTEMPTS_EXHAUSTED)
            left_s = (parse_instant(row.until) - self._clock.now()).total_seconds()
            answered, row = await self._once(opened, method, row, left_s)
            if answered is not None:
                return answered, row
            if row.attempts < row.most and time.monotonic() + delay_s > ends:
                return None, self.put_off(row, opened)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, SERVICE_PAUSE_S_MAX)

    async def _once(
        self, opened: Opened, method: MethodEntry, row: DeliveryRow, left_s: float
    ) -> tuple[Answered | Reason | None, DeliveryRow]:
        """One attempt; ``None``: the row says what is known now."""
        timeout_s = min(max(left_s, 0.001), DEADLINE_S_MAX)
        try:
            answered = await self._services.call(
                method.path, opened.payload, _metadata(opened), timeout_s
            )
        except Refused as refused:  # no address is known for it here
            unknown = Reason.EXCHANGE_UNKNOWN_EFFECT
            return unknown if row.unsure else refused.reason, row
        except NotReached:
            self._meter.attempt(method.service, "not_reached")
            return None, row
        except EffectUnknown:
            self._meter.attempt(method.service, "broken_off")
            if not method.honours_exchange_id:
                return Reason.EXCHANGE_UNKNOWN_EFFECT, row
            return None, replace(row, unsure=True, attempts=row.attempts + 1)
        self._meter.attempt(method.service, "answered")
        return answered, row

    def put_off(self, row: DeliveryRow, opened: Opened) -> DeliveryRow:
        """The row of a delivery that waits longer than the last time before it is tried again."""
        terms = self._admission.terms(opened.declaration)
        now, low, high = self._clock.now(), terms.backoff_s_min, terms.backoff_s_max
        wait_s = min(max(2 * row.wait_s, low), high)
        return replace(
            row,
            state="waiting",
            last=instant(now),
            wait_s=wait_s,
            due=instant(now + timedelta(seconds=wait_s * (0.5 + random.random() / 2))),  # noqa: S311
            until=_horizon(terms, row, opened.said.last),
        )


def _metadata(opened: Opened) -> list[tuple[str, str]]:
    """What a service is told of its caller."""
    entry = opened.entry
    metadata = [
        ("xb-exchange-id", entry.exchange),
        ("xb-sender", entry.sender),
        ("xb-purpose", entry.purpose),
    ]
    if opened.declaration.case_id is not None:
        metadata.append(("xb-case-id", opened.declaration.case_id))
    if entry.stream is not None:
        metadata.append(("xb-attachment-bytes", str(entry.stream.stream_bytes)))
    return metadata


def _horizon(terms: DeliveryTerms, row: DeliveryRow, last: str) -> str:
    """Until when a delivery goes on, at most until ``last``, the exchange's last moment.

    Without a horizon of its own only what is pushed and was never reached ends sooner.
    """
    seconds: float = terms.horizon_s or SERVICE_REACH_S_MAX
    if terms.horizon_s is None and (row.unsure or not terms.is_push):
        return last
    return min(last, instant(parse_instant(row.at) + timedelta(seconds=seconds)))


def unknown(row: DeliveryRow, now: str) -> DeliveryRow:
    """The row of an exchange that ended, and of which nobody knows whether the service acted."""
    return replace(
        row,
        state="unknown",
        position=None,
        unsure=True,
        last=now,
        reason=Reason.EXCHANGE_UNKNOWN_EFFECT,
    )
