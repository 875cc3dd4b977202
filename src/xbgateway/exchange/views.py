"""What this node tells of an exchange: from the one reading of entries, and what rests beside them.

Reads only, in threads of their own; writes nothing and decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xbgateway.model.entry import Hold, Refused_, Request
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import Placed, State, outcome
from xbgateway.model.rungs import Rung, rungs

from .asking import HoldDecision
from .desk import Desk
from .erasing import was_erased
from .outbound import Outbound
from .ports import Ledger
from .stages import Finished
from .topology import Topology


@dataclass(frozen=True, slots=True)
class View:
    """What is known of an exchange: its entries, and what the caller's submission said."""

    exchange: str
    state: State
    sender: str
    recipient: str
    service: str
    method: str
    purpose: str
    at: str
    dropped: tuple[str, ...]
    masked: tuple[str, ...]
    answers: tuple[tuple[str, HoldDecision], ...]  # of this node's officers, by role
    rungs: tuple[Rung, ...]
    over: bool  # nothing more will come; its caller's result is on record


class Views:
    """Questions about the exchanges of one node."""

    def __init__(
        self,
        ledger: Ledger,
        topology: Topology,
        outbound: Outbound,
        desk: Desk,
        prove: Callable[[Placed], bytes],
    ) -> None:
        self._ledger = ledger
        self._topology = topology
        self._outbound = outbound
        self._desk = desk
        self._prove = prove

    async def get(self, party: str, exchange: str, auditor: bool) -> View:
        """One exchange. Permission before existence: another party's is unknown."""
        return await asyncio.get_running_loop().run_in_executor(
            None, self._view, party, exchange, auditor
        )

    async def receipt(
        self, party: str, exchange: str, auditor: bool
    ) -> list[tuple[bytes, bytes, str, int]]:
        """Entries of an exchange with their proofs: ``(entry, proof, origin, index)``."""

        def read() -> list[tuple[bytes, bytes, str, int]]:
            view = self._view(party, exchange, auditor)
            return [
                (p.entry.encode(), self._prove(p), p.position.origin, p.position.index)
                for p in view.state.evidence
            ]

        return await asyncio.get_running_loop().run_in_executor(None, read)

    async def list(
        self, party: str, page_size: int, before: tuple[str, str] | None
    ) -> tuple[list[View], tuple[str, str] | None]:
        """A party's exchanges, newest first, and where the next page begins."""

        def read() -> tuple[list[View], tuple[str, str] | None]:
            rows = self._ledger.reader.exchanges(party, before, page_size + 1)
            views = [self._view(party, exchange, False) for _at, exchange in rows[:page_size]]
            return views, rows[page_size - 1] if len(rows) > page_size else None

        return await asyncio.get_running_loop().run_in_executor(None, read)

    def _view(self, party: str, exchange: str, auditor: bool) -> View:
        sentence = "no such exchange of this party"
        unknown = Refused(Reason.EXCHANGE_UNKNOWN, sentence, exchange_id=exchange)
        reader = self._ledger.reader
        try:
            row = reader.exchange_row(exchange)
        except ValueError as error:
            raise unknown from error
        if row is None:
            raise unknown
        placed = reader.placed(exchange)
        state = outcome(placed, self._topology.node if row[0] else None)
        kinds = Request | Hold | Refused_
        about = next((p.entry for p in state.evidence if isinstance(p.entry, kinds)), None)
        recipient = about.recipient if isinstance(about, Request | Hold) else ""
        if not auditor and party not in (row[0], recipient):
            raise unknown
        result = self._outbound.result(exchange) if row[0] else None
        return View(
            exchange=exchange,
            state=state,
            sender=getattr(about, "sender", None) or "",
            recipient=recipient,
            service=getattr(about, "service", None) or "",
            method=getattr(about, "method", None) or "",
            purpose=getattr(about, "purpose", None) or "",
            at=row[3],
            dropped=result.dropped if result else (),
            masked=result.masked if result else (),
            answers=self._desk.decisions(exchange),
            rungs=rungs(state, self._ledger.held_size),
            over=state.over and (row[0] is None or self._settled(placed, result)),
        )

    def _settled(self, placed: Sequence[Placed], result: Finished | None) -> bool:
        """Whether the result of an exchange of ours is on record, or was and is erased."""
        return result is not None or was_erased(placed, self._topology.node)
