"""What a node does by itself at its own pace, beside the exchanges: renew, look, count, tell."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import structlog

from xbgateway.core import Core
from xbgateway.link import Writers
from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Attempts
from xbgateway.model.errors import Fatal, GatewayError, Reason, Unavailable
from xbgateway.model.record import Append, Record
from xbgateway.observe import Metrics
from xbgateway.seal import keyed_hash
from xbgateway.server import Refusals
from xbgateway.settings import Settings

_log = structlog.get_logger("node")
_KEYS_EVERY_S = 2.0
_ENGINE_EVERY_S = 5.0
# One tile of 256 entries: a million entries in about an hour, at no cost that anybody notices.
_SCRUB_EVERY_S = 1.0


class Upkeep:
    """A handful of loops, each of its own pace; a loop ends only when it is cancelled."""

    def __init__(
        self,
        core: Core,
        settings: Settings,
        clock: Clock,
        *,
        metrics: Metrics,
        writers: Writers,
        refusals: Refusals,
        ending: asyncio.Event,
        dev: bool,
    ) -> None:
        """``ending`` is set where the process has to end, to be started again."""
        self._core = core
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._writers = writers
        self._refusals = refusals
        self._ending = ending
        self._dev = dev
        self.engine_error: GatewayError | None = None  # why the engine does not answer

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """All of them, to be run side by side."""
        return (
            self._rotate(), self._ask_engine(), self._sum_refusals(), self._count_due(),
            self._scrub(), self._observe(),
        )  # fmt: skip

    async def _rotate(self) -> None:
        """Take up keys that ``xbgateway keys rotate-…`` put into the folder."""
        folder = self._settings.files.keys
        while True:
            await asyncio.sleep(_KEYS_EVERY_S)
            try:
                if self._core.keys.refresh(folder, self._clock.now(), dev=self._dev):
                    await self._core.gateway.announce_key()
                    _log.info("sealing_key_announced")
                self._core.keys.refresh_signing(folder, dev=self._dev)
                if await self._core.signing.announce():
                    _log.info("signing_keys_announced")
            except GatewayError as error:
                _log.warning("key_refused", reason=str(error.reason))

    async def _ask_engine(self) -> None:
        """Whether the engine still answers; without it nothing moves, and health says so."""
        while True:
            snapshot = self._core.snapshot
            try:
                # An empty input is denied by the shape rule: any well-formed decision will do.
                await asyncio.to_thread(snapshot.decide, b"{}", self._settings.engine.timeout_ms)
                self.engine_error = None
            except GatewayError as error:
                if snapshot is not self._core.snapshot:
                    continue  # another revision came into use
                if self.engine_error is None:
                    _log.error("engine_gone", reason=str(error.reason))
                self.engine_error = error
            await asyncio.sleep(_ENGINE_EVERY_S)

    async def _sum_refusals(self) -> None:
        """Refusals before admission, as one home-log entry per source, reason and minute."""
        while True:
            await asyncio.sleep(60.0)
            try:
                await self._record_refusals(instant(self._clock.now()))
            except GatewayError as error:
                _log.warning("refusals_not_recorded", reason=str(error.reason))

    async def _record_refusals(self, at: str) -> None:
        appends = tuple(
            Append(
                self._core.topology.home,
                Attempts(
                    at=at,
                    source=keyed_hash(self._core.keys.counting, source.encode()).hex(),
                    reason=str(reason),
                    count=count,
                ).encode(),
            )
            for source, reason, count in self._refusals.take()
        )
        for start in range(0, len(appends), 128):
            await self._core.store.record(Record(appends[start : start + 128]))

    async def _count_due(self) -> None:
        """What is to be done about register records, counted once a minute."""
        loop = asyncio.get_running_loop()
        while True:
            counted = await loop.run_in_executor(None, self._core.book.due_counts)
            for state, count in counted.items():
                self._metrics.register_due.labels(state).set(count)
            await asyncio.sleep(60.0)

    async def _scrub(self) -> None:
        """Re-hash old rows at a slow pace; damage stops its log before anything more is signed."""
        loop = asyncio.get_running_loop()
        while True:
            for head in list(self._core.store.heads.values()):
                for tile in range(head.size // 256):
                    await asyncio.sleep(_SCRUB_EVERY_S)
                    try:
                        await loop.run_in_executor(None, self._core.store.scrub, head.origin, tile)
                    except Fatal as fatal:
                        _log.error("log_damaged", origin=head.origin, reason=str(fatal.reason))
                        await self._core.store.stop_log(head.origin, fatal.reason)
                        break
            await asyncio.sleep(_SCRUB_EVERY_S)

    async def _observe(self) -> None:
        """Carry the plain counts of the rooms into the metrics once a second."""
        before, memo_before = replace(self._core.store.counts), (0, 0, 0)
        while True:
            await asyncio.sleep(1.0)
            broken = self._core.store.broken
            # Read again by the next start, or written by another process: nothing is left to do
            # here. What is damaged stays, for a person to look at.
            if broken and (isinstance(broken, Unavailable) or broken.reason is Reason.STORE_LOCKED):
                self._ending.set()
            now, memo = self._core.store.counts, self._core.memo
            self._metrics.fsyncs.inc(now.fsyncs - before.fsyncs)
            before = replace(now)
            hits, misses, evicted = memo.hits, memo.misses, memo.evicted
            self._metrics.decision_memo_hits.inc(hits - memo_before[0])
            self._metrics.decision_memo_misses.inc(misses - memo_before[1])
            self._metrics.decision_memo_evictions.inc(evicted - memo_before[2])
            memo_before = (hits, misses, evicted)
            for head in self._core.store.heads.values():
                self._metrics.log_entries.labels(head.origin).set(head.size)
                self._metrics.lane_stopped.labels(head.origin).set(1 if head.stopped else 0)
            for origin, held in self._writers.held().items():
                lag = self._core.store.size(origin) - held
                self._metrics.held_lag_entries.labels(origin).set(lag)
