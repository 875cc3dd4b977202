"""Erasure: what is kept of an exchange that is over goes, by an officer's word or by its time.

First payload and result; facts, and with them the exchange's key, once law no longer asks that they
be kept. Every proof stays valid: the logs hold digests only. Nothing that has not ended is touched.
"""

from collections.abc import Iterable

from xbgateway.model.clock import LOCAL, Clock, instant
from xbgateway.model.entry import Erasure
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import TERMINAL, Placed, outcome
from xbgateway.model.record import Append, Erase, Record

from .ports import Ledger
from .topology import Topology

_DUE_AT_ONCE = 100


class Erasing:
    """Erases at one node; the other side keeps by its own rules."""

    def __init__(self, ledger: Ledger, topology: Topology, clock: Clock) -> None:
        self._ledger = ledger
        self._topology = topology
        self._clock = clock

    async def erase(self, exchange: str, ground: str) -> bool:
        """Erase an exchange's payload and result here; its facts too once law lets them go.

        ``True`` where the key was destroyed. Raises ``Refused``: ``EXCHANGE_UNKNOWN``,
        ``EXCHANGE_PENDING`` for one that has not ended here, ``PAYLOAD_ERASED`` where all is gone.
        """
        reader, now = self._ledger.reader, self._clock.now()
        row = reader.exchange_row(exchange)
        if row is None:
            raise Refused(Reason.EXCHANGE_UNKNOWN, "no such exchange at this node")
        if row[2] is None:
            raise Refused(Reason.PAYLOAD_ERASED, "all of it was erased", exchange_id=exchange)
        if not self._is_over(exchange, ours=row[0] is not None):
            raise Refused(Reason.EXCHANGE_PENDING, "it has not ended", exchange_id=exchange)
        today = now.astimezone(LOCAL).date().isoformat()
        everything = today > (reader.evidence_until(exchange) or "")
        entry = Erasure(at=instant(now), exchange=exchange, ground=ground)
        append = Append(self._topology.home, entry.encode(), exchange)
        await self._ledger.record(Record((append,), (Erase(exchange, everything),)))
        return everything

    async def due(self) -> int:
        """Carry out ``data_keep``, then ``log_keep``; how many exchanges something went of.

        What has not ended, whatever its day, is passed over and holds up nothing else.
        """
        today = self._clock.now().astimezone(LOCAL).date().isoformat()
        erased = skip = 0
        while True:
            found = self._ledger.reader.payload_due(today, _DUE_AT_ONCE, skip)
            for exchange in found:
                try:
                    await self.erase(exchange, "data_keep")
                except Refused:
                    skip += 1
                else:
                    erased += 1
            if len(found) < _DUE_AT_ONCE:
                return erased

    def _is_over(self, exchange: str, *, ours: bool) -> bool:
        """Whether the paths will ask for nothing that is kept of an exchange any more."""
        node, placed = self._topology.node, self._ledger.reader.placed(exchange)
        if outcome(placed, node if ours else None).outcome not in TERMINAL:
            return False
        recorded = self._ledger.reader.part(exchange, "result") is not None
        return not ours or recorded or was_erased(placed, node)


def was_erased(placed: Iterable[Placed], node: str) -> bool:
    """Whether a node erased its own part of an exchange: a peer's word erases nothing here."""
    return any(isinstance(p.entry, Erasure) and p.position.writer == node for p in placed)
