"""Duties that decisions left to people: found, confirmed by an officer, counted.

They open with the entry of the decision that asks, in one transaction (``Legs.evidence``). That
one was carried out is an officer's word at this node: a row, and no entry, since the logs' entries
are a closed list and the other side tracks its own.
"""

import asyncio
from typing import Protocol

from xbgateway.model.clock import Clock, instant
from xbgateway.model.duty import ConfirmDuty, DutyState, TrackedDuty
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.record import Record

from .ports import Ledger, Meter

_ID_CHARS = 64


class DutyRecords(Protocol):
    """What the store knows of duties."""

    def duty(self, duty: str) -> TrackedDuty | None:
        """One duty by its id."""

    def duties(  # noqa: PLR0917 - one value for each filter
        self,
        party: str | None,
        state: DutyState,
        verb: str | None,
        now: str,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[TrackedDuty]:
        """Duties by due time and id."""

    def counts(self, now: str) -> dict[str, tuple[int, int]]:
        """By verb: open, and of these overdue."""


class Duties:
    """The duties of the parties of one node."""

    def __init__(self, rows: DutyRecords, ledger: Ledger, clock: Clock, meter: Meter) -> None:
        self._rows = rows
        self._ledger = ledger
        self._clock = clock
        self._meter = meter
        self._told: set[str] = set()

    def now(self) -> str:
        """The instant that states are told at."""
        return instant(self._clock.now())

    async def list(
        self,
        party: str | None,
        state: DutyState,
        verb: str | None,
        page_size: int,
        after: tuple[str, str] | None,
    ) -> list[TrackedDuty]:
        """At most ``page_size`` duties of a party (None: of all), earliest first."""
        return await asyncio.to_thread(
            self._rows.duties, party, state, verb, self.now(), after, page_size
        )

    async def get(self, party: str | None, duty: str) -> TrackedDuty:
        """One duty of a party (None: of any). Raises ``Refused(DUTY_UNKNOWN)``."""
        found = self._rows.duty(duty) if _is_id(duty) else None
        if found is None or party not in (None, found.party):
            raise Refused(Reason.DUTY_UNKNOWN, "There is no such duty.")
        return found

    async def confirm(  # noqa: PLR0917 - one value for each thing that is kept
        self, party: str, duty: str, role: str, officer: str, note: str, evidence: str
    ) -> TrackedDuty:
        """It was carried out. The same officer's same word again is no second one.

        Raises ``Refused``: ``DUTY_UNKNOWN`` where the party does not owe it, ``ROLE_REQUIRED``
        where the role may not confirm it, ``DUTY_CONFIRMED`` where it is confirmed otherwise.
        """
        found = await self.get(party, duty)
        if role not in found.roles:
            raise Refused(
                Reason.ROLE_REQUIRED, "Only these officers may.", role=",".join(found.roles)
            )
        said = ConfirmDuty(duty, self.now(), role, officer, note, evidence)
        await self._ledger.record(Record((), (said,)))
        return await self.get(party, duty)

    async def tell(self) -> None:
        """Carry how many are open and overdue into the metrics."""
        counted = await asyncio.to_thread(self._rows.counts, self.now())
        for verb in self._told - counted.keys():
            self._meter.duties(verb, 0, 0)
        for verb, (opened, overdue) in counted.items():
            self._meter.duties(verb, opened, overdue)
        self._told = set(counted)


def _is_id(text: str) -> bool:
    return len(text) == _ID_CHARS and set(text) <= set("0123456789abcdef")
