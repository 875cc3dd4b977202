"""What this node says of a mirrored request: one entry of ours, its rows, the row's next step.

All three in one transaction, whatever the step: a crash never leaves one without the others.
"""

from dataclasses import dataclass

from xbgateway.model.entry import Accepted, Answer, Expired, Held, Refused_, Request
from xbgateway.model.errors import Refused
from xbgateway.model.quick import quick
from xbgateway.model.record import (
    DONE,
    Append,
    Beside,
    Effect,
    MovePending,
    Pending,
    Record,
    Until,
)

from .approvals import Said
from .decided import Decided, refuse_unless_allowed
from .legs import Legs
from .ports import Ledger, Meter
from .stages import Declaration
from .topology import Topology

Word = Accepted | Refused_ | Held | Expired | Answer


class Denied(Refused):
    """A refusal by law, with the digests that it can be recomputed from."""

    def __init__(self, refused: Refused, decided: Decided) -> None:
        super().__init__(refused.reason, refused.sentence, **refused.metadata)
        self.decided = decided


@quick
@dataclass(frozen=True, slots=True)
class Opened:
    """A request that was admitted here: what the service will be given."""

    entry: Request
    leaf: str
    declaration: Declaration
    payload: bytes
    key: bytes
    said: Said
    until: Until | None = None  # how long its rows are kept; None after a crash
    ends: tuple[Effect, ...] = ()  # what becomes of its delivery's row as the exchange ends


class Responses:
    """Records what this node says of requests from its peers, and where each stands then."""

    def __init__(self, legs: Legs, ledger: Ledger, topology: Topology, meter: Meter) -> None:
        self._legs = legs
        self._ledger = ledger
        self._topology = topology
        self._meter = meter

    async def record(
        self,
        pending: Pending,
        step: str | None,
        entry: Word | None,
        effects: list[Effect],
        beside: Beside | None = None,
        *,
        register: str | None = None,
    ) -> None:
        """One entry of ours, its rows and the pending row's next step, in one transaction.

        ``register`` is the version it was decided on: raises ``Stale`` where another is in use.
        """
        appends: tuple[Append, ...] = ()
        if entry is not None:
            origin = self._topology.reverse(pending.position.origin)
            appends = (Append(origin, entry.encode(), entry.exchange, beside),)
        moved = (*effects, MovePending(pending.position, step))
        await self._ledger.record(Record(appends, moved, register))
        self._legs.kept(effects)
        match entry:
            case Answer():
                self._meter.exchange("inbound", entry.status, entry.reason)
            case Refused_():
                self._meter.exchange("inbound", "refused", entry.reason)
            case Expired():
                self._meter.exchange("inbound", "expired")

    async def done(self, pending: Pending) -> None:
        """Nothing is to be said of it."""
        await self.record(pending, DONE, None, [])


def refuse_denied(decided: Decided, leg: str) -> None:
    """Raises ``Denied``, carrying the digests that the denial can be recomputed from."""
    try:
        refuse_unless_allowed(decided.decision, leg)
    except Refused as refused:
        raise Denied(refused, decided) from refused
