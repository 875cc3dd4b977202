"""What happens to an agreement until it ends: admission, trial, regular operation, renewal.

The events of ``agreement_states.py``, in the order of the Hangzhou plan; its end is in
``agreement_exit.py``.
"""

from xbgateway.register.life.agreement_states import IN_FORCE, OPERATING, PLAN
from xbgateway.register.life.machine import Event, Guard, Step, given, not_before, within
from xbgateway.register.life.terms import reached

AUTHORITY = ("data_authority",)
OPERATOR = ("data_officer",)

_TERM = within(
    "term",
    "valid_until",
    "signed_on",
    "ao_term_years",
    "the term is no longer than the table's years (ao_term_years)",
)


def _listed(step: Step) -> bool:
    return bool(step.after.scenarios) and all(one.datasets for one in step.after.scenarios)


_ONE_LIST = Guard(
    "one_list", "scenarios", "there is a scenario, and each has a list of datasets", _listed
)
_PREPARED = (
    given("network_review_ref", "there is a network security review"),
    given("emergency_plan_ref", "there is an emergency plan"),
    Guard(
        "trained",
        "training_passed_on",
        "the operator's staff passed the training",
        lambda step: reached(step.after.training_passed_on, step.today),
    ),
)


def _audited(step: Step) -> bool:
    """The audit is over on the very day two years after it."""
    audit = step.after.review_on
    return reached(audit, step.today) and step.today < step.terms.last(audit, "ao_review_years")


def _window_is_open(step: Step) -> bool:
    opens = step.terms.first(step.after.valid_until, "ao_renewal_months")
    return bool(opens) and opens <= step.after.reapplied_on


_PAPERS = (
    *("emergency_plan_ref", "irs_approval", "provincial_approval", "product_review"),
    *("review_on", "training_passed_on"),
)

ADMISSION = (
    Event(
        "apply",
        "An operator applies",
        (),
        ("applied",),
        OPERATOR,
        PLAN,
        must=("id", "authority", "operator", "scenarios"),
        on="applied_on",
    ),
    Event(
        "review",
        "Review: one scenario, one list, one review",
        ("applied",),
        ("reviewed",),
        AUTHORITY,
        PLAN,
        must=("network_review_ref",),
        may=("irs_approval", "provincial_approval"),
        on="reviewed_on",
        guards=(_ONE_LIST, not_before("reviewed_on", "applied_on")),
    ),
    Event(
        "reject",
        "The application is rejected",
        ("applied", "reviewed", "published"),
        ("rejected",),
        AUTHORITY,
        PLAN,
        on="rejected_on",
        guards=(not_before("rejected_on", "applied_on"),),
    ),
    Event(
        "publish",
        "Publication, and record with the province",
        ("reviewed",),
        ("published",),
        AUTHORITY,
        PLAN,
        must=("province_filed_on",),
        on="published_on",
        guards=(
            not_before("published_on", "reviewed_on"),
            not_before("province_filed_on", "reviewed_on"),
            Guard(
                "province_filed",
                "province_filed_on",
                "the province has it on record",
                lambda step: step.after.province_filed_on <= step.today,
            ),
        ),
    ),
    Event(
        "sign",
        "The agreement is signed",
        ("published",),
        ("signed",),
        AUTHORITY,
        PLAN,
        must=("valid_until",),
        may=("emergency_plan_ref",),
        on="signed_on",
        guards=(not_before("signed_on", "published_on"), _TERM),
    ),
)

OPERATION = (
    Event(
        "begin_trial",
        "Trial operation begins",
        ("signed",),
        ("trial",),
        AUTHORITY,
        PLAN,
        must=("trial_until",),
        on="trial_from",
        guards=(
            *_PREPARED,
            not_before("trial_from", "signed_on"),
            within(
                "trial",
                "trial_until",
                "trial_from",
                "ao_trial_months",
                "the trial is no longer than the table's months (ao_trial_months)",
            ),
            Guard(
                "trial_in_term",
                "trial_until",
                "the trial ends within the term",
                lambda step: step.after.trial_until <= step.after.valid_until,
            ),
        ),
    ),
    Event(
        "approve_operation",
        "Regular operation is approved",
        ("signed", "trial", "trial_over"),
        ("regular", "leaving"),
        AUTHORITY,
        PLAN,
        may=("review_on",),
        on="regular_from",
        guards=(
            *_PREPARED,
            not_before("regular_from", "signed_on"),
            Guard(
                "audited",
                "review_on",
                "an audit of security and technology is in force (ao_review_years)",
                _audited,
            ),
        ),
    ),
    Event(
        "file_papers",
        "Reviews, approvals, plans or training are added",
        ("applied", "reviewed", "published", *IN_FORCE),
        (),
        AUTHORITY,
        PLAN,
        may=_PAPERS,
    ),
    Event(
        "amend",
        "Scenarios or their lists change, with a review of their own",
        OPERATING,
        (),
        AUTHORITY,
        PLAN,
        must=("scenarios", "network_review_ref"),
        guards=(_ONE_LIST,),
    ),
    Event(
        "report_security",
        "The security report of the last months",
        IN_FORCE,
        (),
        OPERATOR,
        PLAN,
        on="security_report_on",
        guards=(not_before("security_report_on", "signed_on"),),
    ),
    Event(
        "report_year",
        "The report on a year of operation",
        IN_FORCE,
        (),
        OPERATOR,
        PLAN,
        on="annual_report_on",
        guards=(not_before("annual_report_on", "signed_on"),),
    ),
    Event(
        "reapply",
        "The operator applies for another term",
        OPERATING,
        (),
        OPERATOR,
        PLAN,
        on="reapplied_on",
        guards=(
            Guard(
                "window",
                "reapplied_on",
                "the window before the end of the term is open (ao_renewal_months)",
                _window_is_open,
            ),
        ),
    ),
    Event(
        "renew",
        "Another term is signed",
        ("regular",),
        ("regular",),
        AUTHORITY,
        PLAN,
        must=("valid_until",),
        on="signed_on",
        clears=("reapplied_on",),
        guards=(
            Guard(
                "reapplied",
                "reapplied_on",
                "the operator applied for another term",
                lambda step: reached(step.before.reapplied_on, step.today),
            ),
            Guard(
                "signed_on_order",
                "signed_on",
                "it is not signed before the operator applied again",
                lambda step: (step.before.reapplied_on or "") <= step.after.signed_on,
            ),
            _TERM,
        ),
    ),
)
