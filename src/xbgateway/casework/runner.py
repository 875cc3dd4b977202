"""Keeps this node's cases going: the exchanges that they want, reminders, terms, erasure.

One task for each case that waits for an exchange. What a task would do stands in the log and in
the store: a start takes it up again, and finds the exchange by the request id that follows from the
case and the step (REQ-CASE-3).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

import structlog

from xbgateway.cases import DueDay, Send, Standing, deadlines, filled, matching, wanted
from xbgateway.exchange import Finished, Submission
from xbgateway.exchange.ports import Ledger
from xbgateway.model.case import CaseRow, EraseCase, KeepCase, KeepCaseType
from xbgateway.model.clock import LOCAL, Clock, instant, parse_instant
from xbgateway.model.errors import GatewayError, Reason, Refused, Unavailable
from xbgateway.model.limits import CASES_AT_ONCE
from xbgateway.model.origins import parse
from xbgateway.model.outcome import TERMINAL, Outcome
from xbgateway.model.record import DONE, MovePending, Pending, Record, Stale

from .book import CaseBook
from .ports import Exchanges, Messages
from .steps import Step, Steps, row_of_peer

_log = structlog.get_logger("cases")
_PAUSE_S_MAX = 30.0


class Runner:
    """Owned by the event loop."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        book: CaseBook,
        steps: Steps,
        ledger: Ledger,
        exchanges: Exchanges,
        messages: Messages,
        clock: Clock,
        calendars: DueDay,
    ) -> None:
        self._book = book
        self._steps = steps
        self._ledger = ledger
        self._exchanges = exchanges
        self._messages = messages
        self._clock = clock
        self._calendars = calendars
        self._tasks: dict[str, tuple[int, asyncio.Task[None]]] = {}  # by case: since which step

    # ---- starting and keeping going ------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: keep the declarations of today, take up every case that goes on."""
        types = self._book.types.current.values()
        effects = tuple(KeepCaseType(one.digest, one.document) for one in types)
        if effects:
            await self._ledger.record(Record((), effects))
        for case in self._book.rows.open():
            self.look(case)

    def close(self) -> None:
        """Stop; what is under way is taken up at the next start."""
        for _since, task in self._tasks.values():
            task.cancel()

    def look(self, case: str) -> None:
        """See to what a case wants now; an exchange that it no longer wants is taken back."""
        row = self._book.rows.row(case)
        if row is None or not row.own:
            return
        try:
            standing = self._book.standing(row)
        except Refused as refused:
            _log.error("case_stands_still", case=case, reason=str(refused.reason))
            return
        send, running = wanted(standing), self._tasks.get(case)
        since = standing.since.step
        if running is not None:
            if running[0] == since:
                return
            running[1].cancel()
        if send is None:
            return
        task = asyncio.get_running_loop().create_task(self._run(case, since))
        self._tasks[case] = (since, task)
        task.add_done_callback(lambda done: self._ended(case, done))

    def _ended(self, case: str, task: asyncio.Task[None]) -> None:
        running = self._tasks.get(case)
        if running is not None and running[1] is task:
            del self._tasks[case]

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """What is under way."""
        return [task for _since, task in self._tasks.values()]

    # ---- the exchange that a state wants ---------------------------------------------------------

    async def _run(self, case: str, since: int) -> None:
        pause_s = 0.1
        while True:
            try:
                await self._once(case, since)
            except Unavailable as error:
                if error.reason is Reason.DRAINING:
                    return
                _log.warning("case_waits", case=case, reason=str(error.reason))
            except Stale:
                pass  # somebody was faster
            except GatewayError as error:
                _log.error("case_stands_still", case=case, reason=str(error.reason))
                return
            except Exception:  # noqa: BLE001 - taken up again at the next start
                _log.exception("case_failed", case=case)
                return
            else:
                break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)
        self._tasks.pop(case, None)
        self.look(case)

    async def _once(self, case: str, since: int) -> None:
        row = self._book.rows.row(case)
        assert row is not None
        standing = self._book.standing(row)
        send = wanted(standing)
        if send is None or standing.since.step != since:
            return
        concluded, event, document = await self._exchanged(row, standing, send)

        def decide(_row: CaseRow, now: Standing) -> Step | None:
            if now.since.step != since:
                return None  # the case went another way meanwhile
            return Step(event, now.parties[send.sender], concluded, document)

        await self._steps.take(case, decide)

    async def _exchanged(
        self, row: CaseRow, case: Standing, send: Send
    ) -> tuple[str | None, str, Mapping[str, Any]]:
        """The exchange run to its end: its id, the event that it is for the case, and why."""
        party, request_id = case.parties[send.sender], request_id_of(row.id, case.since.step)
        try:
            exchange = self._exchanges.exchange_of(party, request_id)
            if exchange is None:
                begun = await self._exchanges.submit(self._submission(row, case, send, request_id))
                exchange = begun if isinstance(begun, str) else begun.exchange
                finished = begun if isinstance(begun, Finished) else None
            else:
                finished = None
            while finished is None or finished.outcome not in TERMINAL:
                finished = await self._exchanges.ended(exchange)
        except Refused as refused:
            words = {"reason": str(refused.reason), "note": refused.sentence}
            return refused.metadata.get("exchange_id"), "refused", words
        return exchange, *self._event(send, finished)

    def _event(self, send: Send, finished: Finished) -> tuple[str, Mapping[str, Any]]:
        said = {"reason": finished.reason or "", "note": finished.sentence or ""}
        match finished.outcome:
            case Outcome.EXECUTED if finished.service_code is not None:
                return "failed", {**said, "reason": f"service code {finished.service_code}"}
            case Outcome.EXECUTED if finished.payload is not None:
                answer = self._messages.decode(send.service, send.method, finished.payload)
                found = (b.event for b in send.answers if matching(b.when, answer))
                return next(found, "unmatched"), {}
            case Outcome.EXECUTED | Outcome.EXECUTED_ANSWER_WITHHELD:
                return "withheld", said
        return finished.outcome.value, said

    def _submission(self, row: CaseRow, case: Standing, send: Send, request_id: str) -> Submission:
        stored = self._book.document(row, "application")
        if stored is None:
            raise Refused(Reason.PAYLOAD_ERASED, "the documents of this case were erased")
        payload = self._messages.encode(
            send.service, send.method, filled(send.message, self.given(row, case))
        )
        return Submission(
            party=case.parties[send.sender],
            subject=f"case/{row.id}",
            request_id=request_id,
            service=send.service,
            method=send.method,
            payload=payload,
            purpose=send.purpose,
            scenario=send.scenario,
            references=(),
            recipient=case.parties[send.recipient],
            case_id=row.number,
            sent_at=instant(self._clock.now()),
            tls=stored["tls"],
            lives_s=0,
            case=row.id,
        )

    def given(self, row: CaseRow, case: Standing) -> dict[str, Any]:
        """Everything that a message of the case may name: application, answers, day, number."""
        answers: dict[str, Any] = {}
        before = case.type.start
        for moved in case.history[1:]:
            send = case.type.states[before].send
            if send is not None and moved.concluded is not None:
                found = self._answer(case.parties[send.sender], send, moved.concluded)
                if found is not None:
                    answers[before] = found
            before = moved.state
        return {
            "application": self._book.application(row),
            "answers": answers,
            "case": {"number": row.number, "opened_on": _local_day(case.opened_at)},
            "today": self._clock.now().astimezone(LOCAL).date().isoformat(),
        }

    def _answer(self, party: str, send: Send, exchange: str) -> dict[str, Any] | None:
        result = self._exchanges.result(party, exchange)
        if result is None or result.payload is None or result.service_code is not None:
            return None
        with suppress(Refused):
            return self._messages.decode(send.service, send.method, result.payload)
        return None

    # ---- the other node's cases ------------------------------------------------------------------

    async def mirrored(self, pending: Pending) -> None:
        """A step of a peer's case is here: read the case anew, keep its row."""
        case, position = getattr(pending.decoded, "case", ""), pending.position
        row = self._book.rows.row(case)
        elsewhere = row is not None and (row.own or self._book.origin(row) != position.origin)
        standing = None if elsewhere else self._book.told(case, position.origin)
        effects: tuple[KeepCase, ...] = ()
        if standing is None or standing.anomalies:
            _log.error("case_step_out_of_order", case=case, peer=position.writer)
        if standing is not None and (row is None or standing.step > row.step):
            lane = int(parse(position.origin).lane)
            kept = row_of_peer(standing, row, position.writer, lane)
            effects = (KeepCase(kept, row.step if row else -1),)
        try:
            await self._ledger.record(Record((), (*effects, MovePending(position, DONE))))
        except Stale:
            await self.mirrored(pending)  # another step of it was kept meanwhile

    # ---- what time brings ------------------------------------------------------------------------

    async def tidy(self) -> None:
        """Remind, tell who is late, erase what may not be kept any longer."""
        now = self._clock.now()
        for case in self._book.rows.due(instant(now), CASES_AT_ONCE):
            with suppress(Refused, Stale):
                await self._steps.take(case, self._due)
                self.look(case)
        today = now.astimezone(LOCAL).date().isoformat()
        gone = tuple(EraseCase(case) for case in self._book.rows.to_erase(today, CASES_AT_ONCE))
        if gone:
            await self._ledger.record(Record((), gone))

    def _due(self, row: CaseRow, case: Standing) -> Step | None:
        application = (self._book.document(row, "application") or {}).get("application", {})
        now = instant(self._clock.now())
        due = [d for d in deadlines(case, application, self._calendars) if d.at <= now]
        return Step(due[-1].event, case.parties[case.type.opens]) if due else None

    async def run(self) -> None:
        """Look every second; at most :data:`CASES_AT_ONCE` of each kind at a time."""
        while True:
            await asyncio.sleep(1.0)
            try:
                await self.tidy()
            except GatewayError as error:
                _log.warning("cases_wait", reason=str(error.reason))


def request_id_of(case: str, step: int) -> str:
    """The request id of the exchange that a state entered by this step wants."""
    return str(uuid5(UUID(case), str(step)))


def _local_day(at: str) -> str:
    return parse_instant(at).astimezone(LOCAL).date().isoformat()
