"""Which duties of a decision people of this node have to carry out, and until when.

The table ``duties`` says for each rule who owes, who may confirm, and whether it is owed once for a
paper or for each exchange. A duty is owed by a party of one side, and tracked by that side's node.
Where nothing travels the other side hears of nothing: what then still has to be done, its own party
sees to. Nothing is read or written here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from xbgateway.model.clock import LOCAL, instant, parse_instant
from xbgateway.model.decision import Decision, Duty
from xbgateway.model.duty import BY_PEOPLE, KeepDuty
from xbgateway.model.facts import Facts, PartyFacts, Standing
from xbgateway.model.quick import quick
from xbgateway.policy.tables import Cuts, Owed, Tables

# Plans remembered: one for each corridor, decision and hour in use.
PLANS_MAX = 1024
# After every instant.
_NEVER = "~"
_LAST = time(23, 59, 59, 999000)
# A duty of a rule that the table does not know is lost to nobody: both sides have it, at any event.
_UNKNOWN = Owed("both", ("cdo", "compliance", "mo_data_controller"), "exchange", "decision", True)


@dataclass(slots=True)
class _Plan:
    """One act of one party, the earliest of the terms that its rules set."""

    digest: bytes
    duty: Duty
    about: str | None
    paper: str | None
    party: str
    rules: set[str]
    roles: set[str]
    term: timedelta | None  # from the decision on
    last: str | None  # the last instant, where it does not depend on the minute

    def ready(self) -> "_Ready":
        """The plan as it is written, but for exchange, instant and a term in hours."""
        rules, roles = tuple(sorted(self.rules)), tuple(sorted(self.roles))
        duty = (self.duty.verb, self.duty.who, self.about, self.paper, rules, self.party, roles)
        return _Ready(self.digest, self.paper is not None, duty, self.term, self.last or _NEVER)


@quick
@dataclass(frozen=True, slots=True)
class _Ready:
    """A plan, worked out: ``duty`` are the values of :class:`KeepDuty` from verb to roles."""

    digest: bytes
    once: bool
    duty: tuple[str, str | None, str | None, str | None, tuple[str, ...], str, tuple[str, ...]]
    term: timedelta | None
    last: str

    def due(self, now: str) -> str:
        """The last instant inside. A term in hours is exact; no term at all means at once."""
        if self.term is None:
            return self.last
        return min(self.last, instant(parse_instant(now) + self.term))


class DutyBook:
    """The duties of decisions at one node; ``own`` says whether a party is of it."""

    def __init__(self, tables: Tables, own: Callable[[str], bool]) -> None:
        self._tables = tables
        self._own = own
        self._plans: dict[tuple[int, str, str], tuple[Standing, tuple[_Ready, ...]]] = {}
        self._open: dict[bytes, str] = {}

    def asked(self, decision: Decision, facts: Facts, exchange: str) -> list[KeepDuty]:
        """What the decision asks people of this node to do, but what is on record already."""
        if not decision.duties:
            return []
        now = facts.moment.now
        key = (id(facts.standing), decision.decision_digest, now[:13])
        known = self._plans.get(key)
        if known is None or known[0] is not facts.standing:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            planned = self._planned(decision, facts.standing, parse_instant(now))
            known = self._plans[key] = (facts.standing, planned)
        found = []
        for ready in known[1]:
            due = ready.due(now)
            if not ready.once:
                found.append(KeepDuty(exchange, ready.digest, *ready.duty, now, due))
            elif due < self._open.get(ready.digest, _NEVER):
                found.append(KeepDuty(None, ready.digest, *ready.duty, now, due))
        return found

    def kept(self, duty: KeepDuty) -> None:
        """It is on record: what is owed once is not written again with every transfer."""
        if duty.exchange is None:
            if len(self._open) >= PLANS_MAX:
                self._open.clear()  # to write one again changes nothing
            self._open[duty.digest] = duty.due

    def _planned(self, decision: Decision, standing: Standing, now: datetime) -> tuple[_Ready, ...]:
        today = now.astimezone(LOCAL).date()
        cuts = self._tables.cuts[self._tables.edition(today)]
        travels = decision.verdict == "allow"
        plans: dict[bytes, _Plan] = {}
        for duty in decision.duties:
            if duty.verb not in BY_PEOPLE:
                continue
            for rule in duty.rules:
                owed = cuts.duties.get((rule, duty.verb), _UNKNOWN)
                if not travels and not owed.denied:
                    continue
                for party in self._owing(owed, duty, cuts, standing, travels=travels):
                    _add(plans, duty, rule, owed, party, standing, today, cuts)
        return tuple(plan.ready() for plan in plans.values())

    def _owing(
        self, owed: Owed, duty: Duty, cuts: Cuts, standing: Standing, *, travels: bool
    ) -> list[PartyFacts]:
        sides = [standing.sender, standing.recipient]
        owing = [party for party in sides if self._own(party.org)]
        mine = [party for party in owing if _owes(party, owed, duty, cuts, standing)]
        return mine if mine or travels else owing


def _owes(party: PartyFacts, owed: Owed, duty: Duty, cuts: Cuts, standing: Standing) -> bool:
    match owed.owner:
        case "sender":
            return party.org == standing.sender.org
        case "recipient":
            return party.org == standing.recipient.org
        case "operator":
            return party.role == "product_operator"
        case "authority":
            return party.jurisdiction == cuts.authorities.get(duty.who or "", party.jurisdiction)
        case _:
            return True


def _add(  # noqa: PLR0917 - one value for each thing that a duty depends on
    plans: dict[bytes, _Plan],
    duty: Duty,
    rule: str,
    owed: Owed,
    party: PartyFacts,
    standing: Standing,
    today: date,
    cuts: Cuts,
) -> None:
    paper = _paper(owed.once_for, standing)
    # However many rules ask that data be deleted, it is one act and one confirmation.
    about = None if duty.verb == "delete_confirm" and paper is None else duty.about
    named = "\0".join((duty.verb, duty.who or "", about or "", paper or "", party.org))
    digest = hashlib.sha256(named.encode()).digest()[:16]
    plan = plans.get(digest)
    if plan is None:
        plan = plans[digest] = _Plan(
            digest, duty, about, paper, party.org, set(), set(), None, None
        )
    plan.rules.add(rule)
    plan.roles.update(owed.roles)
    calendar = cuts.authorities.get(duty.who or "", party.jurisdiction)
    last = _last(duty, _start(owed, standing, today), calendar, cuts)
    if last is None:
        term = timedelta(hours=duty.value or 0)
        plan.term = term if plan.term is None else min(plan.term, term)
    else:
        plan.last = last if plan.last is None else min(plan.last, last)


def _last(duty: Duty, start: date, calendar: str, cuts: Cuts) -> str | None:
    """The last instant of a term in days, local; None for one in hours, or none."""
    if duty.unit not in {"days", "working_days"} or duty.value is None:
        return None
    if duty.unit == "days":
        day = start + timedelta(days=duty.value)
    else:
        day = cuts.calendars[calendar].due(start, duty.value)
    return instant(parse_instant(datetime.combine(day, _LAST, LOCAL).isoformat()))


def _start(owed: Owed, standing: Standing, today: date) -> date:
    """The day that a term counts from: the paper's own, where the law counts from that."""
    began = None
    if owed.starts == "mechanism" and standing.mechanism is not None:
        began = standing.mechanism.effective_on
    elif owed.starts == "processing" and standing.mo_processing is not None:
        began = standing.mo_processing.started_on
    return date.fromisoformat(began) if began else today


def _paper(once_for: str, standing: Standing) -> str | None:
    """The paper that a duty is owed once for; the scenario where there is none."""
    if once_for == "exchange":
        return None
    found: str | None = None
    match once_for:
        case "mechanism":
            found = standing.mechanism.ref if standing.mechanism else None
        case "processing":
            found = standing.mo_processing.ref if standing.mo_processing else None
        case "agreement":
            found = standing.agreement.ref if standing.agreement else None
        case "consent":
            found = standing.consent.ref if standing.consent else None
        case "dataset":
            found = standing.dataset_id
        case "incident":
            found = ",".join(sorted(i.ref for i in standing.incidents if i.closed_on is None))
    return found or standing.scenario_id
