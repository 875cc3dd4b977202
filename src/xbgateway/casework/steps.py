"""One step of a case, as one transaction: entry, row and what rests sealed, all or nothing.

One step of a case at a time; whoever comes second looks again at where the case stands.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

import orjson

from xbgateway.cases import DueDay, Standing, deadlines, moved, opened
from xbgateway.exchange.ports import Ledger
from xbgateway.model.case import CaseRow, KeepCase
from xbgateway.model.clock import LOCAL, Clock, instant, parse_instant
from xbgateway.model.entry import Case
from xbgateway.model.errors import Refused
from xbgateway.model.record import Append, Effect, KeepPart, Record
from xbgateway.seal import RestKey, random_bytes, seal_at_rest

from .book import CaseBook
from .ports import Watching


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, on whose word, and what rests sealed of it."""

    event: str
    party: str
    concluded: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)  # who, why
    application: Mapping[str, Any] | None = None  # a new one
    tls: str = ""  # of the connection that the application came by


class Steps:
    """Takes steps of this node's own cases."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        book: CaseBook,
        ledger: Ledger,
        rest: RestKey,
        clock: Clock,
        calendars: DueDay,
        watching: Watching,
    ) -> None:
        self._book = book
        self._ledger = ledger
        self._rest = rest
        self._clock = clock
        self._calendars = calendars
        self._watching = watching
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self, row: CaseRow, key: bytes, entry: Case, step: Step) -> Standing:
        """The first step. Raises ``CaseTaken``, and ``Refused`` as the machine does."""
        document, parts = self._parts(key, 0, step)
        entry = replace(entry, document=document)
        case = opened(entry, self._book.types.known)
        await self._write(row, case, entry, parts, step.application or {}, was=-1)
        return case

    async def take(
        self, case: str, decide: Callable[[CaseRow, Standing], Step | None]
    ) -> Standing | None:
        """One step, decided on where the case stands when its turn comes; ``None``: none is due.

        Raises what ``decide`` raises, and ``Refused(CASE_ILLEGAL)``; then nothing has changed.
        """
        lock = self._locks.get(case)
        if lock is None:
            lock = self._locks[case] = asyncio.Lock()
        async with lock:
            row = self._book.rows.row(case)
            assert row is not None
            standing = self._book.standing(row)
            step = decide(row, standing)
            if step is None:
                return None
            number, key = standing.step + 1, self._rest.unwrap(row.key) if row.key else None
            document, parts = self._parts(key, number, step) if key else (None, {})
            entry = Case(
                at=instant(self._clock.now()),
                case=case,
                step=number,
                event=step.event,
                party=step.party,
                case_type=standing.type.digest,
                concluded=step.concluded,
                document=document,
            )
            after = moved(standing, entry)
            told = step.application or self._applied(row)
            await self._write(row, after, entry, parts, told, was=standing.step)
            return after

    def watched(self, case: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set at each step of a case; the watcher clears it."""
        return self._watching.watched(case)

    def _applied(self, row: CaseRow) -> Mapping[str, Any]:
        try:
            return self._book.application(row)
        except Refused:  # erased: a case that goes on without
            return {}

    def _parts(self, key: bytes, number: int, step: Step) -> tuple[str | None, dict[str, bytes]]:
        """Digest of what rests of a step, salted in itself, and its parts, sealed (REQ-CASE-5)."""
        said: dict[str, Any] = {k: v for k, v in step.document.items() if v}
        if step.application is not None:
            said["application"] = step.application
        if not said:
            return None, {}
        said["salt"] = random_bytes(16).hex()
        raw = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        parts = {f"step:{number}": raw}
        if step.application is not None:
            now = {"application": step.application, "tls": step.tls}
            parts["application"] = orjson.dumps(now, option=orjson.OPT_SORT_KEYS)
        sealed = {name: seal_at_rest(key, name.encode(), part) for name, part in parts.items()}
        return hashlib.sha256(raw).hexdigest(), sealed

    async def _write(
        self,
        row: CaseRow,
        case: Standing,
        entry: Case,
        parts: Mapping[str, bytes],
        application: Mapping[str, Any],
        *,
        was: int,
    ) -> None:
        effects: list[Effect] = [KeepCase(self._row(row, case, application), was)]
        effects += [KeepPart(row.id, name, sealed) for name, sealed in parts.items()]
        append = Append(self._book.origin(row), entry.encode(), row.id)
        await self._ledger.record(Record((append,), tuple(effects)))
        self._watching.changed(row.id)

    def _row(self, row: CaseRow, case: Standing, application: Mapping[str, Any]) -> CaseRow:
        ending = case.ending
        next_due = deadlines(case, application, self._calendars)
        erase_on = ""
        if ending is not None:
            ended = parse_instant(case.since.at).astimezone(LOCAL).date()
            erase_on = (ended + timedelta(days=case.type.keep_days)).isoformat()
        return replace(
            row,
            step=case.step,
            state=case.since.state,
            moved_at=case.history[-1].at,
            ended=ending.outcome if ending else "",
            due=min((each.at for each in next_due), default=""),
            erase_on=erase_on,
            late=case.late,
        )


def row_of_peer(case: Standing, row: CaseRow | None, peer: str, lane: int) -> CaseRow:
    """The row of a case that another node opened, as its entries tell it."""
    ending = case.ending
    return CaseRow(
        id=case.id,
        number=row.number if row else "",
        type=case.type.name,
        own=False,
        peer=peer,
        lane=lane,
        step=case.step,
        state=case.since.state,
        opened_at=case.opened_at,
        moved_at=case.history[-1].at,
        parties=tuple(sorted(set(case.parties.values()))),
        ended=ending.outcome if ending else "",
        due="",
        erase_on="",
        late=case.late,
    )
