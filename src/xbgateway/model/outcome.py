"""The only reading of an exchange's entries: ``outcome(entries) → State``.

Both paths, recovery, Get, reconciliation and the tests' oracle call this one function, so no two
of them can disagree about what an exchange has come to. It is pure and total: whatever a peer
wrote gives a state, and what stands out of order is listed as an anomaly and otherwise ignored.

Only the receiver's entries end what was requested; the sender never concludes by its own clock
(REQ-ENT-7). They count only in the lane that answers the request's own (REQ-ENT-5), so within each
side the log gives the order and nothing that is appended later can change an ended exchange.
Before its request the sender alone may end an exchange: nothing has left. After it a ``cancel``
of its says only that it wants the request back.
The states and the entries that lead to them::

    (nothing) ──request──▶ pending ──held──▶ held ──approval──▶ pending
                              │                │ (approved: no)
                              ├──refused──▶ not_executed ◀──┘
                              ├──expired──▶ expired
                              └──accepted─▶ pending ──answer answered|failed──▶ executed
                                                    ├──answer not_called──▶ not_executed
                                                    ├──answer withheld──▶ executed_answer_withheld
                                                    └──answer unknown───▶ unknown
    executed ──final withheld|refused──▶ executed_answer_withheld
    (nothing) ──refused in the home log──▶ refused
    (nothing) ──hold──▶ held ──approval──▶ pending ──hold by another role──▶ held
    held or pending by a hold ──request──▶ pending
    held or pending by a hold ──refused by its writer──▶ refused
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from .entry import (
    Accepted,
    Answer,
    Approval,
    Cancel,
    Entry,
    Erasure,
    Expired,
    Final,
    Held,
    Hold,
    Refused_,
    Request,
)
from .errors import Reason
from .origins import in_lane, parse
from .quick import quick


class Outcome(StrEnum):
    """What an exchange has come to."""

    PENDING = "pending"
    HELD = "held"
    NOT_EXECUTED = "not_executed"
    EXECUTED = "executed"
    EXECUTED_ANSWER_WITHHELD = "executed_answer_withheld"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    REFUSED = "refused"


TERMINAL = frozenset(Outcome) - {Outcome.PENDING, Outcome.HELD}


@quick
@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands: the log by its origin, the node that writes it, the index."""

    origin: str
    writer: str
    index: int


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry with its position and RFC 6962 leaf hash (hex)."""

    position: Position
    leaf: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class State:
    """What the entries of one exchange say together."""

    outcome: Outcome
    reason: str | None
    accepted: bool  # the receiver admitted the request; the service may have been called
    failed: bool  # the service answered with an error of its own
    finished: bool  # the sender recorded what it did with the receiver's last word
    request: Placed | None
    hold: Placed | None  # the hold or held entry that waits for an answer, or was answered no
    approvals: tuple[Placed, ...]  # the answers yes
    cancel: Placed | None  # the sender's word that it takes its request back
    evidence: tuple[Placed, ...]  # the entries that led here, in causal order
    anomalies: tuple[Placed, ...]  # entries that have no place after their predecessors

    @property
    def over(self) -> bool:
        """Whether no entry can change it any more: the sender may still withhold an answer."""
        return self.outcome in TERMINAL and (self.finished or self.outcome is not Outcome.EXECUTED)


def outcome(entries: Iterable[Placed], sender: str | None = None) -> State:
    """Read the entries of one exchange, from any number of logs, in any order.

    ``entries`` must all be of one exchange. Entries of one log are read by index; between logs
    only the leaf hashes that entries name count, so the result does not depend on arrival order
    (REQ-ENT-8); what has no place is an anomaly (REQ-ENT-9).
    ``sender`` is the node that opened the exchange, where the reader knows it: then no other
    node can take the exchange's id over by a request of its own.
    """
    sort = sorted(entries, key=lambda p: (p.position.origin, p.position.index, p.leaf))
    placed = list({p.position: p for p in sort}.values())
    reading = _Reading()
    home, own, other = _split(placed, sender)
    requested = any(isinstance(p.entry, Request) for p in own)
    reading.at_home(home, lane=bool(own), requested=requested)
    for each in own:
        reading.by_sender(each)
    reading.now()
    for each in other:
        reading.by_receiver(each)
    for each in own:
        reading.after_answer(each)
    done = {id(p) for p in reading.evidence}
    anomalies = tuple(p for p in placed if id(p) not in done and not isinstance(p.entry, Erasure))
    return State(
        outcome=reading.state,
        reason=reading.reason,
        accepted=reading.accepted,
        failed=reading.failed,
        finished=reading.finished,
        request=reading.request,
        hold=reading.open_hold() if reading.state is Outcome.HELD else None,
        approvals=tuple(reading.approvals),
        cancel=reading.cancel,
        evidence=tuple(reading.evidence),
        anomalies=anomalies,
    )


def _split(
    placed: list[Placed], sender: str | None
) -> tuple[list[Placed], list[Placed], list[Placed]]:
    """The sender's entries at home and in its lane, and the receiver's, of the one request.

    REQ-ENT-5: they stand in one lane, which the exchange's id names, and the lane that answers it;
    what the sender's own side decides before anything leaves stands in its home log.
    """
    openers: dict[str, Placed] = {}  # the first in each log that it may stand in
    for p in placed:
        origin, entry = p.position.origin, p.entry
        known = sender in (None, p.position.writer)
        if known and isinstance(entry, Request | Hold) and in_lane(origin, entry.exchange):
            openers.setdefault(origin, p)
    accepted = {
        (_lane(p.position), p.entry.request) for p in placed if isinstance(p.entry, Accepted)
    }

    def first(p: Placed) -> tuple[bool, int, str]:
        # Of an id that two nodes used, the request that was admitted is read, else the first.
        return ((_back(p.position), p.leaf) not in accepted, p.position.index, p.position.origin)

    opener = min(openers.values(), key=first, default=None)
    if opener is None:
        # Held or refused before anything left: in the home log, which nobody answers.
        homes = [
            p.position.origin
            for p in placed
            if isinstance(p.entry, Refused_ | Hold)
            and sender in (None, p.position.writer)
            and _is_home(p.position)
        ]
        return [p for p in placed if p.position.origin in homes[:1]], [], []
    here, back, writer = opener.position.origin, _back(opener.position), opener.position.writer
    return (
        [p for p in placed if p.position.writer == writer and _is_home(p.position)],
        [p for p in placed if p.position.origin == here],
        [p for p in placed if back and _lane(p.position) == back],
    )


def _is_home(position: Position) -> bool:
    try:
        return parse(position.origin).reader is None
    except ValueError:
        return False


def _lane(position: Position) -> tuple[str, ...]:
    """Writer, reader and lane of a pairwise log; empty for any other log."""
    try:
        here = parse(position.origin)
    except ValueError:
        return ()
    return () if here.reader is None else (here.writer, here.reader, here.lane)


def _back(position: Position) -> tuple[str, ...]:
    """The lane that answers this one."""
    match _lane(position):
        case (writer, reader, lane):
            return (reader, writer, lane)
    return ()


class _Reading:
    """The machine above; one instance reads one exchange."""

    def __init__(self) -> None:
        self.state = Outcome.PENDING
        self.reason: str | None = None
        self.accepted = False
        self.failed = False
        self.finished = False
        self.request: Placed | None = None
        self.holds: list[Placed] = []  # holds and helds that count, each side's in order
        self.answered: set[str] = set()  # their leaves, once answered yes or no
        self.approvals: list[Placed] = []
        self.cancel: Placed | None = None
        self.answer: Placed | None = None
        self.ended: Placed | None = None
        self.evidence: list[Placed] = []

    def at_home(self, home: list[Placed], *, lane: bool, requested: bool) -> None:
        """What the sender's own side decided before anything left.

        A refusal at home is the end only where nothing stands in a lane; a hold that was passed
        over unanswered, though the request left, is none of the steps that led there.
        """
        answers = {p.entry.hold for p in home if isinstance(p.entry, Approval)}
        for placed in home:
            match placed.entry:
                case _ if self.ended is not None:
                    return
                case Hold() if not requested or placed.leaf in answers:
                    self._holds(placed)
                case Approval() as entry:
                    self._approval(placed, entry, at_home=True)
                case Refused_() as entry if not lane and entry.request is None:
                    self._refused(placed, entry)

    def by_sender(self, placed: Placed) -> None:
        """The sender's entries in its lane, up to the request, and the first that wants it back."""
        if self.ended is not None:
            return
        match placed.entry:
            case Cancel() as entry if self.request is not None and self.cancel is None:
                if entry.request == self.request.leaf:
                    self.cancel = placed
                    self.evidence.append(placed)
            case _ if self.request is not None:
                return
            case Request():
                self.request = placed
                self.evidence.append(placed)
            case Hold():
                self._holds(placed)
            case Refused_() as entry if entry.request is None and self.holds:
                self._refused(placed, entry)

    def now(self) -> None:
        """Where the sender's own entries leave it."""
        if self.ended is None:
            waits = self.request is None and self.open_hold() is not None
            self.state = Outcome.HELD if waits else Outcome.PENDING

    def open_hold(self) -> Placed | None:
        """The hold that nobody approved. Once there is a request, only the receiver's count."""
        approved = {a.entry.hold for a in self.approvals if isinstance(a.entry, Approval)}
        kind = Hold if self.request is None else Held
        waiting = (h for h in self.holds if isinstance(h.entry, kind) and h.leaf not in approved)
        return next(waiting, None)

    def by_receiver(self, placed: Placed) -> None:
        """The receiver's entries, each valid only after what it names."""
        entry = placed.entry
        if isinstance(entry, Approval):
            self._approval(placed, entry, at_home=False)
            return
        if self.request is None or self.ended is not None:
            return
        if not isinstance(entry, Accepted | Refused_ | Held | Expired | Answer):
            return
        if entry.request != self.request.leaf:
            return
        match entry:
            case Accepted() if not self.accepted and self.state is Outcome.PENDING:
                self.accepted = True
            case Refused_() if not self.accepted:
                self._end(placed, Outcome.NOT_EXECUTED, entry.reason)
            case Expired() if not self.accepted:
                self._end(placed, Outcome.EXPIRED, None)
            case Held() if not self.accepted and self.state is Outcome.PENDING:
                self._holds(placed)
                return
            case Answer() if self.accepted:
                self._answer(placed, entry)
            case _:
                return
        self.evidence.append(placed)

    def _holds(self, placed: Placed) -> None:
        self.holds.append(placed)
        self.state = Outcome.HELD
        self.evidence.append(placed)

    def _refused(self, placed: Placed, entry: Refused_) -> None:
        self._end(placed, Outcome.REFUSED, entry.reason)
        self.evidence.append(placed)

    def _approval(self, placed: Placed, entry: Approval, *, at_home: bool) -> None:
        """An answer counts once, of the role that is asked, in the log that answers the hold."""
        hold = next((h for h in self.holds if h.leaf == entry.hold), None)
        if hold is None or entry.hold in self.answered or self.accepted:
            return
        asked = hold.entry
        assert isinstance(asked, Hold | Held)
        if isinstance(asked, Held):
            in_place = hold.position.origin == placed.position.origin and self.ended is None
        else:
            # An answer may cross the word by which whoever asked gave up.
            gave_up = self.state is Outcome.REFUSED
            in_place = _is_home(hold.position) is at_home and (self.ended is None or gave_up)
        if not in_place or entry.role != asked.role:
            return
        self.answered.add(entry.hold)
        self.evidence.append(placed)
        if entry.approved == "yes":
            self.approvals.append(placed)
            if self.ended is None and self.open_hold() is None:
                self.state = Outcome.PENDING
        elif isinstance(asked, Held):
            self._end(placed, Outcome.NOT_EXECUTED, str(Reason.HOLD_REJECTED))

    def _answer(self, placed: Placed, entry: Answer) -> None:
        self.answer = placed
        ends = {
            "answered": Outcome.EXECUTED,
            "failed": Outcome.EXECUTED,
            "withheld": Outcome.EXECUTED_ANSWER_WITHHELD,
            "not_called": Outcome.NOT_EXECUTED,
            "unknown": Outcome.UNKNOWN,
        }
        self.failed = entry.status == "failed"
        self._end(placed, ends[entry.status], entry.reason)

    def _end(self, placed: Placed, state: Outcome, reason: str | None) -> None:
        self.state, self.reason, self.ended = state, reason, placed

    def after_answer(self, placed: Placed) -> None:
        """The sender's confirmation of the receiver's last word."""
        entry = placed.entry
        if not isinstance(entry, Final) or self.ended is None or self.finished:
            return
        if entry.answer != self.ended.leaf:
            return
        self.finished = True
        self.evidence.append(placed)
        if self.state is Outcome.EXECUTED and entry.status in ("withheld", "refused"):
            self.state, self.reason = Outcome.EXECUTED_ANSWER_WITHHELD, entry.reason


def by_exchange(placed: Iterable[Placed]) -> Iterator[tuple[str, State]]:
    """Read many exchanges at once: entries of any exchanges, grouped by their id."""
    groups: dict[str, list[Placed]] = {}
    for each in placed:
        exchange = getattr(each.entry, "exchange", None)
        if exchange is not None:
            groups.setdefault(exchange, []).append(each)
    for exchange, members in groups.items():
        yield exchange, outcome(members)
