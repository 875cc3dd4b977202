"""What stands behind the edge in its tests: a small path and a small log, in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from xbgateway.exchange.asking import HoldDecision
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.exchange.watching import Watching
from xbgateway.model.duty import DutyState, TrackedDuty
from xbgateway.model.entry import Attempts, Refused_, decode, leaf_hex
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import Outcome, Placed, Position, State
from xbgateway.model.rungs import Rung

WINDOW = "cn.hengqin.window"
AUDITOR = "cn.zhuhai.data"
FUND = "mo.fss"
API = "xbgateway.api.socialsecurity.v1"
HOME = "zhuhai.xbg.test/zhuhai/home"


@dataclass(frozen=True)
class View:
    exchange: str
    state: State
    sender: str = WINDOW
    recipient: str = FUND
    service: str = f"{API}.ContributionService"
    method: str = "QueryContributions"
    purpose: str = "CONTRIB_QUERY"
    at: str = "2026-11-22T08:00:00.000Z"
    dropped: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    answers: tuple[tuple[str, HoldDecision], ...] = ()
    rungs: tuple[Rung, ...] = ()

    @property
    def over(self) -> bool:
        return self.state.over


def state(outcome: Outcome, evidence: tuple[Placed, ...] = ()) -> State:
    return State(
        outcome=outcome, reason=None, accepted=False, failed=False, finished=False,
        request=None, hold=None, approvals=(), cancel=None, evidence=evidence, anomalies=(),
    )  # fmt: skip


Work = Callable[[Submission], Awaitable[Finished]]


async def echo(submission: Submission) -> Finished:
    return Finished(str(uuid4()), Outcome.EXECUTED, payload=b"echo:" + submission.payload)


class FakePath:
    """Runs ``work`` for each submission on a task of its own, as the real path does."""

    def __init__(self) -> None:
        self.work: Work = echo
        self.seen: list[Submission] = []
        self.finished: list[Submission] = []
        self.accepted: dict[tuple[str, str], str] = {}
        self.views: dict[str, View] = {}
        self.results: dict[str, Finished] = {}
        self.watching = Watching()
        self._tasks: set[asyncio.Task[Finished]] = set()

    async def call(self, submission: Submission) -> Finished:
        self.seen.append(submission)
        task = asyncio.get_running_loop().create_task(self._run(submission))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def submit(self, submission: Submission) -> Finished | str:
        finished = await self.call(submission)
        return finished.exchange if finished.outcome is Outcome.PENDING else finished

    def watched(self, exchange: str) -> AbstractContextManager[asyncio.Event]:
        return self.watching.watched(exchange)

    def came_to(self, exchange: str, outcome: Outcome) -> None:
        self.views[exchange] = View(exchange, state(outcome))
        self.watching.changed(exchange)

    async def _run(self, submission: Submission) -> Finished:
        finished = await self.work(submission)
        self.finished.append(submission)
        return finished

    def exchange_of(self, party: str, request_id: str) -> str | None:
        return self.accepted.get((party, request_id))

    async def get(self, party: str, exchange: str, auditor: bool) -> View:
        view = self.views.get(exchange)
        if view is None or (not auditor and party not in (view.sender, view.recipient)):
            raise Refused(Reason.EXCHANGE_UNKNOWN, "no such exchange of this party")
        return view

    async def list(
        self, party: str, page_size: int, before: tuple[str, str] | None
    ) -> tuple[Sequence[View], tuple[str, str] | None]:
        mine = sorted(
            (v for v in self.views.values() if v.sender == party),
            key=lambda v: (v.at, v.exchange),
            reverse=True,
        )
        rest = [v for v in mine if before is None or (v.at, v.exchange) < before]
        page = rest[:page_size]
        more = len(rest) > page_size
        return page, (page[-1].at, page[-1].exchange) if more else None

    def result(self, party: str, exchange: str) -> Finished | None:
        return self.results.get(exchange) if self.views[exchange].sender == party else None

    async def cancel(self, party: str, exchange: str) -> None:
        raise Refused(Reason.HOLD_ANSWERED, f"nothing of {party} is open", exchange_id=exchange)

    async def receipt(
        self, party: str, exchange: str, auditor: bool
    ) -> Sequence[tuple[bytes, bytes, str, int]]:
        await self.get(party, exchange, auditor)
        return [(b"entry", b"proof", HOME, 3)]


class FakeDuties:
    """Duties in memory, of which ``open`` alone are listed."""

    def __init__(self) -> None:
        self.rows: dict[str, TrackedDuty] = {}

    def owe(self, party: str, due: str) -> str:
        duty = f"{len(self.rows):064x}"
        self.rows[duty] = TrackedDuty(
            duty, None, "file", "guangdong_cac", "contract", "K-7", ("GBA-SC-4",), party,
            ("data_officer", "compliance"), "2026-11-20T08:00:00.000Z", due,
        )  # fmt: skip
        return duty

    def now(self) -> str:
        return "2026-11-22T08:00:00.000Z"

    async def list(
        self,
        party: str | None,
        state: DutyState,
        verb: str | None,
        page_size: int,
        after: tuple[str, str] | None,
    ) -> Sequence[TrackedDuty]:
        found = sorted((d.due, d.duty) for d in self.rows.values())
        return [
            self.rows[place[1]]
            for place in found
            if party in (None, self.rows[place[1]].party)
            and (after is None or place > after)
            and state in (self.rows[place[1]].state(self.now()), "open")
            and verb in (None, "file")
        ][:page_size]

    async def get(self, party: str | None, duty: str) -> TrackedDuty:
        if duty not in self.rows or party not in (None, self.rows[duty].party):
            raise Refused(Reason.DUTY_UNKNOWN, "no such duty of this party")
        return self.rows[duty]

    async def confirm(  # noqa: PLR0917 - as the port has it
        self, party: str, duty: str, role: str, officer: str, note: str, evidence: str
    ) -> TrackedDuty:
        self.rows[duty] = replace(
            await self.get(party, duty), confirmed_at=self.now(), role=role, officer=officer,
            note=note, evidence=evidence,
        )  # fmt: skip
        return self.rows[duty]


@dataclass(frozen=True)
class Line:
    origin: str
    index: int
    entry: bytes


@dataclass(frozen=True)
class Summary:
    origin: str
    role: str
    size: int
    checkpoint: bytes = b""
    held_size: int = 0
    stopped: str = ""


class FakeLogs:
    """One home log in memory; its first entry is of an exchange, the others are of none."""

    def __init__(self, exchange: str) -> None:
        at = "2026-11-22T08:00:00.000Z"
        first = Refused_(
            at=at, exchange=exchange, reason="POLICY_DENIED", rules=("cn.pipl.38",),
            sender=WINDOW, service="a.B", method="C", purpose="CONTRIB_QUERY",
        )  # fmt: skip
        other = Attempts(at=at, source="ab" * 32, reason="TOKEN_MISSING", count=2)
        self.rows = [first.encode(), *(other.encode() for _ in range(4))]
        self.grown = asyncio.Event()

    def append(self, entry: bytes) -> None:
        self.rows.append(entry)
        self.grown.set()
        self.grown = asyncio.Event()

    async def logs(self) -> Sequence[Summary]:
        return [Summary(HOME, "home", len(self.rows), b"note", 2)]

    async def entries(self, origin: str, start: int, count: int) -> Sequence[Line]:
        if origin != HOME:
            raise Refused(Reason.ENTRY_UNKNOWN, "no such log at this node")
        rows = self.rows[start : start + count]
        return [Line(HOME, start + i, row) for i, row in enumerate(rows)]

    async def entries_of(self, exchange: str, origin: str) -> Sequence[Line]:
        rows = await self.entries(origin, 0, len(self.rows))
        return [row for row in rows if exchange.encode() in row.entry]

    async def tail(self, origin: str | None, start: int) -> AsyncIterator[Line]:
        del origin
        at = start
        while True:
            grown = self.grown
            for line in await self.entries(HOME, at, len(self.rows)):
                yield line
                at += 1
            await grown.wait()

    async def prove(self, origin: str, index: int) -> tuple[bytes, bytes]:
        (line,) = await self.entries(origin, index, 1)
        return line.entry, b"proof"


def placed(row: bytes) -> Placed:
    return Placed(Position(HOME, "zhuhai", 0), leaf_hex(row), decode(row))


class FakeRegisters:
    """No register at all: what asks for one shows in the test. See ``test_register_service.py``."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks registers here: {name}")
