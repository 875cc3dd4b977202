"""The states of an agreement on authorised operation of public data, and what is due in each.

Admission, trial, term, renewal, duties and exit are those of the Hangzhou plan; its numbers are
rows of the table ``thresholds``. What leads from one state to another is ``agreement_operation.py``
and ``agreement_exit.py``, what a state means to the rules ``policy/operation.py``.
"""

from collections.abc import Iterator
from datetime import date
from functools import partial

from xbgateway.model.days import years_later, years_over
from xbgateway.register.instruments import Agreement
from xbgateway.register.life.terms import Due, Terms, day_after, day_before, reached

PLAN = "Hangzhou authorised operation plan (trial)"

OPERATING = ("signed", "trial", "trial_over", "regular")
STOPPED = ("suspended", "overdue")
IN_FORCE = (*OPERATING, "leaving", *STOPPED)
OVER = ("expired", "exited", "revoked")


def last_of_term(one: Agreement, terms: Terms) -> str:
    """The last day of a signed agreement: two years after signature it is over that very day."""
    assert one.signed_on is not None
    assert one.valid_until is not None
    longest = terms.last(one.signed_on, "ao_term_years")
    return min(one.valid_until, day_before(longest)) if longest else longest


def state(one: Agreement, today: str, terms: Terms) -> str:
    """Its state on a day."""
    if not reached(one.signed_on, today):
        return _application(one, today)
    if last_of_term(one, terms) < today or reached(one.exit_on, today):
        return _after_the_end(one, today)
    if reached(one.suspended_on, today) and not reached(one.cleared_on, today):
        late = one.rectify_by is not None and one.rectify_by < today
        return "overdue" if late else "suspended"
    operation = _operation(one, today)
    return "leaving" if one.exit_on is not None and operation != "trial_over" else operation


def _operation(one: Agreement, today: str) -> str:
    if reached(one.regular_from, today):
        return "regular"
    if one.trial_until is None or not reached(one.trial_from or one.signed_on, today):
        return "signed"
    return "trial_over" if one.trial_until < today else "trial"


def _application(one: Agreement, today: str) -> str:
    if reached(one.rejected_on, today):
        return "rejected"
    if reached(one.published_on, today):
        return "published"
    return "reviewed" if reached(one.reviewed_on, today) else "applied"


def _after_the_end(one: Agreement, today: str) -> str:
    if reached(one.access_closed_on, today):
        if not reached(one.deletion_confirmed_on, today):
            return "access_closed"
        kept = one.logs_kept_until is None or one.logs_kept_until >= today
        return "deleted" if kept else "closed"
    if reached(one.revoked_on, today):
        return "revoked"
    return "exited" if reached(one.exit_on, today) else "expired"


def end_of(one: Agreement, terms: Terms) -> str:
    """The last day before access has to be closed."""
    last = last_of_term(one, terms)
    return last if one.exit_on is None else min(last, one.exit_on)


STATES = {
    "applied": "An operator has applied; for the law there is no agreement",
    "reviewed": "Members, data providers and experts have reviewed it",
    "rejected": "The application was rejected",
    "published": "Published, and on record with the province",
    "signed": "In force; neither trial nor regular operation has begun",
    "trial": "In trial operation",
    "trial_over": "The trial is over and regular operation is not approved: nothing moves",
    "regular": "In regular operation",
    "leaving": "In force; an early end is announced",
    "suspended": "Breach: use of the platform is suspended until it is put right",
    "overdue": "The agreed period to put it right is over: to be revoked",
    "expired": "The term is over; access is to be closed",
    "exited": "It ended early; access is to be closed",
    "revoked": "Revoked; access is to be closed",
    "access_closed": "Access is closed; deletion is to be confirmed",
    "deleted": "Deletion is confirmed; logs are kept",
    "closed": "The time to keep logs is over",
}


DUE = {
    "security_report": "Security report, each ao_security_report_months",
    "annual_report": "Report on the year, with the end of each year since signature",
    "term_end": "The last day of the term",
    "reapplication_opens": "The first day to apply again, ao_renewal_months before the end",
    "reapplication": "The last day to apply again",
    "trial_end": "The last day of the trial: regular operation is approved, or nothing moves",
    "exit": "The end that is announced",
    "rectification": "The last day to put a breach right",
    "revocation": "To be revoked: the breach was not put right",
    "access_closing": "Rights on the platform are to be closed",
    "deletion": "Deletion on the platform is to be confirmed, at once",
    "log_keeping": "The last day on which logs are kept, ao_log_days after access was closed",
}


def deadlines(one: Agreement, today: str, terms: Terms) -> Iterator[Due]:
    """What is still open on a day."""
    now = state(one, today, terms)
    due = partial(Due, one.kind, one.id, statute=PLAN)
    if now in IN_FORCE:
        yield from _reports(one, today, terms)
        yield due("term_end", last_of_term(one, terms), role="data_authority")
    if now in OPERATING and not reached(one.reapplied_on, today):
        yield from _renewal(one, today, terms)
    if now in ("trial", "trial_over"):
        assert one.trial_until is not None
        yield due("trial_end", one.trial_until, role="data_authority")
    if now == "leaving":
        assert one.exit_on is not None
        yield due("exit", one.exit_on, role="data_authority")
    if now in STOPPED and one.rectify_by is not None:
        if now == "suspended":
            yield due("rectification", one.rectify_by, role="data_officer")
        else:
            yield due("revocation", day_after(one.rectify_by), role="data_authority")
    if now in OVER:
        yield due("access_closing", end_of(one, terms), role="data_authority")
    if now == "access_closed":
        assert one.access_closed_on is not None
        yield due("deletion", one.access_closed_on, role="data_officer")
    if now in ("access_closed", "deleted") and one.logs_kept_until is not None:
        yield due("log_keeping", one.logs_kept_until, role="data_officer")


def _renewal(one: Agreement, today: str, terms: Terms) -> Iterator[Due]:
    """The window to apply again: its first day while that lies ahead, then its last."""
    assert one.valid_until is not None
    due = partial(Due, one.kind, one.id, role="data_officer", statute=PLAN)
    opens = terms.first(one.valid_until, "ao_renewal_months")
    if today < opens:
        yield due("reapplication_opens", opens)
    yield due("reapplication", last_of_term(one, terms))


def _reports(one: Agreement, today: str, terms: Terms) -> Iterator[Due]:
    """A security report each six months, a report with the end of each year since signature."""
    assert one.signed_on is not None
    due = partial(Due, one.kind, one.id, role="data_officer", statute=PLAN)
    last = one.security_report_on if reached(one.security_report_on, today) else None
    yield due("security_report", terms.last(last or one.signed_on, "ao_security_report_months"))
    step = terms.thresholds.get("ao_annual_report_years")
    if step is None:
        return
    begun = date.fromisoformat(one.signed_on)
    over = years_over(begun, step, date.fromisoformat(today))
    report = one.annual_report_on if reached(one.annual_report_on, today) else None
    for year in (over, over + 1):
        began = years_later(begun, step * (year - 1)).isoformat() if year else ""
        if year and (report is None or report <= began):
            yield due("annual_report", years_later(begun, step * year).isoformat())
            return
