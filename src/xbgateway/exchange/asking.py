"""Whom a held leg waits for, and until when; and what has been approved, as facts for law.

A role's authority (table ``roles``) says whose side decides; ``institution`` is the sender of the
leg. The term is counted in working days of that side (GW-APPR-1). Pure but for reading.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Literal

import orjson

from xbgateway.model.clock import LOCAL, instant, parse_instant
from xbgateway.model.decision import Finding
from xbgateway.model.entry import Approval, Held, Hold
from xbgateway.model.errors import Reason
from xbgateway.model.facts import Facts
from xbgateway.model.origins import in_lane
from xbgateway.model.outcome import Outcome, Placed, State
from xbgateway.policy.day import NEVER, Day
from xbgateway.policy.tables import Tables
from xbgateway.seal import open_at_rest, seal_at_rest

from .decided import Decided
from .ports import Records
from .stages import NOBODY, Approved, Finished, HoldNotice

Side = Literal["sender", "recipient"]  # of a leg
_TERM = "hold_working_days"
_PART = b"hold"


@dataclass(frozen=True, slots=True)
class Ask:
    """A role that has to decide, why, and the end of its last working day."""

    role: str
    rules: tuple[str, ...]
    deadline: str
    here: bool  # its officers are of this node's side


def whom(decided: Decided, tables: Tables, own: Side) -> Ask | None:
    """The role to ask first: of our side before the other's. ``None``: no side has it.

    ``own`` is the side of the leg that this node is.
    """
    standing, moment = decided.facts.standing, decided.facts.moment
    today = parse_instant(moment.now).astimezone(LOCAL).date()
    roles, day = tables.authorities(today), Day(today, tables.cuts[tables.edition(today)])
    of: dict[Side, str] = {
        "sender": standing.sender.jurisdiction,
        "recipient": standing.recipient.jurisdiction,
    }
    other: Side = "recipient" if own == "sender" else "sender"
    for side in (own, other):
        for finding in decided.decision.holds:
            role = finding.role or ""
            authority = roles.get(role)
            if authority == "institution":
                found: Side | None = "sender"
            else:
                found = next((s for s in (own, other) if of[s] == authority), None)
            last = day.last(day.iso, _TERM, of[found]) if found == side else NEVER
            if last != NEVER:
                rules = tuple(f.rule for f in decided.decision.holds if f.role == role)
                return Ask(role, rules, _end_of(last), side == own)
    return None


def _end_of(day: str) -> str:
    last = datetime.combine(date.fromisoformat(day), time(23, 59, 59, 999000), LOCAL)
    return instant(last.astimezone(UTC))


def informed(facts: Facts, approved: Approved, tables: Tables) -> Facts:
    """The same facts with what officers have said, as it counts for this leg.

    An office of the institution itself is the leg's sender's to hold: nobody on the other side can
    give away what is not its own.
    """
    if approved is NOBODY:
        return facts
    today = parse_instant(facts.moment.now).astimezone(LOCAL).date()
    authority = tables.authorities(today)
    ours, theirs = approved.by_sender, approved.by_recipient
    if facts.standing.leg == "answer":
        ours, theirs = theirs, ours
    given = {*ours, *(role for role in theirs if authority.get(role) != "institution")}
    case = replace(
        facts.moment.case, held_on=approved.held_on, self_approved=approved.self_approved
    )
    moment = replace(
        facts.moment,
        approvals=tuple(sorted(given)),
        approvers=approved.approvers,
        admitted_at=approved.admitted_at,
        case=case,
    )
    return Facts(facts.standing, moment)


def approved(
    state: State,
    records: Records,
    key: bytes | None,
    *,
    requester: str = "",
    admitted_at: str | None = None,
    told: tuple[str, ...] = (),
) -> Approved:
    """What the entries of an exchange and this node's officers say; ``told``: the sender's word."""
    said = [(p.position.writer, p.entry) for p in state.approvals if isinstance(p.entry, Approval)]
    answers = [answer for _writer, answer in said]
    if not answers and not told:
        return NOBODY
    sender = state.evidence[0].position.writer
    who = []
    if answers and key is not None:
        kept = {row.leaf: row.decision for row in records.holds_of(answers[0].exchange)}
        for answer in answers:
            decision = kept.get(answer.hold)
            if decision is not None:
                who.append((answer.role, read_decision(key, decision).officer))
    asked = [p for p in state.evidence if p.leaf in {a.hold for a in answers}]
    days = [parse_instant(p.entry.at).astimezone(LOCAL).date().isoformat() for p in asked]
    return Approved(
        by_sender=tuple(sorted({*(a.role for node, a in said if node == sender), *told})),
        by_recipient=tuple(sorted({a.role for node, a in said if node != sender})),
        approvers=tuple(sorted(f"{role}={officer}" for role, officer in who)),
        held_on=max(days, default=None),
        self_approved=any(officer == requester for _role, officer in who),
        admitted_at=admitted_at,
    )


def notice(exchange: str, asked: Hold | Held, findings: tuple[Finding, ...]) -> Finished:
    """What its caller is told of an exchange while it waits for a person."""
    return Finished(
        exchange,
        Outcome.HELD,
        Reason.POLICY_HOLD,
        findings[0].text.get("en") if findings else None,
        findings=findings,
        hold=HoldNotice(asked.role, asked.deadline),
    )


def in_a_lane(placed: list[Placed] | tuple[Placed, ...]) -> bool:
    """Whether the other side knows of a hold of the sender."""
    return any(
        isinstance(p.entry, Hold) and in_lane(p.position.origin, p.entry.exchange) for p in placed
    )


@dataclass(frozen=True, slots=True)
class HoldDecision:
    """Who decided on a hold, and why. Never in a log; erased with the exchange's key."""

    officer: str  # party/person
    note: str
    at: str
    approved: bool


def seal_decision(key: bytes, decision: HoldDecision) -> bytes:
    """A decision at rest."""
    return seal_at_rest(key, _PART, orjson.dumps(decision))


def read_decision(key: bytes, sealed: bytes) -> HoldDecision:
    """What :func:`seal_decision` sealed."""
    return HoldDecision(**orjson.loads(open_at_rest(key, _PART, sealed)))
