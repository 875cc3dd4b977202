"""An agreement on authorised operation on one day, as verdicts.

Part of the standing half of the projection (``corridor.py``). What does not apply is one constant
document, so that corridors without an agreement are not told apart by it.
"""

from datetime import date, timedelta
from typing import Any

from xbgateway.model.days import months_later, years_later, years_over
from xbgateway.model.papers import AgreementFacts
from xbgateway.policy.day import Day

NONE: dict[str, Any] = {"state": "none"}


def agreement(facts: AgreementFacts | None, day: Day) -> dict[str, Any]:
    """What the rules see of an agreement; one that is not signed is as one signed tomorrow."""
    if facts is None:
        return NONE
    signed = facts.signed_on or (day.today + timedelta(days=1)).isoformat()
    until = facts.valid_until or signed
    return {
        "annual_report": _annual_report(facts, signed, day),
        "authority": facts.authority_kind,
        "emergency_plan": bool(facts.emergency_plan_ref),
        "exit": _exit(facts, day),
        "irs_approved": bool(facts.irs_approval),
        "lists_dataset": facts.lists_dataset,
        "lists_scenario": facts.lists_scenario,
        "names_operator": facts.names_operator,
        "network_review": bool(facts.network_review_ref),
        "operation": _operation(facts, day),
        "product_reviewed": bool(facts.product_review),
        "province_approved": bool(facts.provincial_approval),
        "renewal": _renewal(facts, until, day),
        "review": _review(facts, day),
        "security_report": _security_report(facts, signed, day),
        "state": _state(signed, until, day),
        "term": "long" if until > day.last(signed, "ao_term_years") else "allowed",
        "trained": day.reached(facts.training_passed_on),
        "trial": _trial(facts, signed, day),
    }


def _state(signed: str, until: str, day: Day) -> str:
    """The term is over on the very day two years after signature."""
    state = day.state(signed, until)
    if state == "valid" and day.iso >= day.last(signed, "ao_term_years"):
        return "ended"
    return state


def _trial(facts: AgreementFacts, signed: str, day: Day) -> str:
    """Only asked about while no regular operation is approved."""
    if facts.trial_until is None or day.reached(facts.regular_from):
        return "none"
    begun = facts.trial_from or signed
    if facts.trial_until > day.last(begun, "ao_trial_months"):
        return "long"
    return {"not_yet": "not_yet", "valid": "inside", "ended": "past"}[
        day.state(begun, facts.trial_until)
    ]


def _review(facts: AgreementFacts, day: Day) -> str:
    """The audit is over on the very day two years after it."""
    if facts.review_on is None or not day.reached(facts.review_on):
        return "none"
    return "valid" if day.iso < day.last(facts.review_on, "ao_review_years") else "ended"


def _renewal(facts: AgreementFacts, until: str, day: Day) -> str:
    """Whether the time before the end, in which to apply again, has begun."""
    if day.reached(facts.reapplied_on):
        return "applied"
    ahead = day.cuts.thresholds.get("ao_renewal_months")
    if ahead is None:
        return "due"
    return "due" if months_later(day.today, ahead).isoformat() > until else "far"


def _security_report(facts: AgreementFacts, signed: str, day: Day) -> str:
    """The first one is due its term after signature."""
    last = facts.security_report_on if day.reached(facts.security_report_on) else None
    return "valid" if day.within(last or signed, "ao_security_report_months") else "overdue"


def _annual_report(facts: AgreementFacts, signed: str, day: Day) -> str:
    """Due with the end of each year since signature; a report counts from that year on."""
    step = day.cuts.thresholds.get("ao_annual_report_years")
    if step is None:
        return "overdue"
    begun = date.fromisoformat(signed)
    over = years_over(begun, step, day.today)
    if not over:
        return "not_due"
    year_began = years_later(begun, step * (over - 1)).isoformat()
    report = facts.annual_report_on
    return "filed" if report is not None and year_began < report <= day.iso else "overdue"


def _operation(facts: AgreementFacts, day: Day) -> str:
    if not day.reached(facts.suspended_on) or day.reached(facts.cleared_on):
        return "running"
    overdue = facts.rectify_by is not None and facts.rectify_by < day.iso
    return "overdue" if overdue else "suspended"


def _exit(facts: AgreementFacts, day: Day) -> str:
    if facts.exit_on is None:
        return "none"
    return "done" if day.reached(facts.exit_on) else "announced"
