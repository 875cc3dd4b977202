# METADATA
# title: Authorised operation of public data
# description: |
#   What the Hangzhou plan asks of an agreement, its operator and its products. It is asked of every
#   transfer for a product, and of every other one that an agreement stands behind.
package xb.ao.operation

import rego.v2

import data.xb.lib.tables

# Of these, the ones that no rule here gives.
waive contains finding if some finding in set()

applies if input.t.purpose == "AO_PRODUCT"

applies if agreed

# What an agreement says is only read where there is one.
agreed if not input.a.state == "none"

# METADATA
# title: An agreement in force
# description: |
#   The operator is a party of a written agreement that is in force: it was made for no longer than
#   the table allows, and that time since signature is not over. The very day ends it.
# custom:
#   id: HZ-AO-1
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-1", "path": path} if {
	some path in unlicensed
}

unlicensed contains "a.state" if {
	applies
	not input.a.state == "valid"
}

unlicensed contains "a.term" if {
	agreed
	not input.a.term == "allowed"
}

unlicensed contains "a.names_operator" if {
	agreed
	not input.a.names_operator == true
}

# METADATA
# title: Trial operation
# description: |
#   Until regular operation is approved, one operates within a trial that is no longer than the
#   table allows, up to its last day.
# custom:
#   id: HZ-AO-2
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-2", "path": "a.trial"} if {
	agreed
	not input.a.trial in {"none", "inside"}
}

# METADATA
# title: Audit of security and technical requirements
# description: There is an audit that has not reached the table's number of years.
# custom:
#   id: HZ-AO-3
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-3", "path": "a.review"} if {
	agreed
	not input.a.review == "valid"
}

# METADATA
# title: One scenario, one list, one review
# description: The scenario is among those agreed on, and the dataset on that scenario's own list.
# custom:
#   id: HZ-AO-4
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-4", "path": path} if {
	agreed
	some path in unlisted
}

unlisted contains "a.lists_scenario" if not input.a.lists_scenario == true

unlisted contains "a.lists_dataset" if not input.a.lists_dataset == true

# METADATA
# title: Network security review and emergency plan
# description: Nothing is operated without a network security review and an emergency plan.
# custom:
#   id: HZ-AO-5
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-5", "path": path} if {
	agreed
	some path in unprepared
}

unprepared contains "a.network_review" if not input.a.network_review == true

unprepared contains "a.emergency_plan" if not input.a.emergency_plan == true

# METADATA
# title: Trained staff
# description: The operator's staff passed the training before it gets any rights.
# custom:
#   id: HZ-AO-6
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-6", "path": "a.trained"} if {
	agreed
	not input.a.trained == true
}

# METADATA
# title: Raw data stays
# description: |
#   Single records do not leave their domain; usable, not visible. Counts do, where each cell has at
#   least the table's number of persons; cells that nobody counted do not.
# custom:
#   id: HZ-AO-7
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-7", "path": path} if {
	applies
	some path in visible
}

visible contains "dataset.raw" if {
	not input.t.mode in {"predicate", "digest", "aggregate", "psi"}
	not input.dataset.raw == false
}

visible contains "content.cells" if {
	input.t.mode == "aggregate"
	not input.t.leg == "request"
	not input.content.cells == "enough"
}

# METADATA
# title: Technical review, and the province for its own data
# description: |
#   The technical review approved the request; data that the province returned also needs the
#   province's approval.
# custom:
#   id: HZ-AO-8
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-8", "path": path} if {
	agreed
	some path in unreviewed
}

unreviewed contains "a.irs_approved" if not input.a.irs_approved == true

unreviewed contains "a.province_approved" if {
	not input.dataset.provincial == false
	not input.a.province_approved == true
}

# METADATA
# title: Review of a product that leaves the platform
# description: |
#   What goes to a recipient outside the platform, or is published, waits for the expert committee
#   where the product did not pass its review.
# custom:
#   id: HZ-AO-9
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
hold contains {"rule": "HZ-AO-9", "path": "a.product_reviewed", "role": "expert_committee"} if {
	agreed
	leaves
	not input.a.product_reviewed == true
}

leaves if not input.r.on_platform == true

leaves if not input.t.publication == false

# METADATA
# title: Suspended operator
# description: |
#   A suspended operator gets nothing until it is cleared. Where the time to put things right is
#   over, the data authority is told at once, to revoke.
# custom:
#   id: HZ-AO-10
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-10", "path": "a.operation"} if {
	agreed
	not input.a.operation == "running"
}

oblige contains {
	"rule": "HZ-AO-10",
	"verb": "notify",
	"who": "data_authority",
	"about": "revocation",
} if {
	input.a.operation == "overdue"
}

# METADATA
# title: Exit
# description: |
#   With expiry, early end or revocation, access is closed and what the operator holds is deleted at
#   once; logs are kept for the table's days from the announcement on.
# custom:
#   id: HZ-AO-11
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-11", "path": "a.exit"} if {
	agreed
	not input.a.exit in {"none", "announced"}
}

oblige contains {
	"rule": "HZ-AO-11",
	"verb": "log_keep",
	"value": tables.current.thresholds.ao_log_days,
	"unit": "days",
} if {
	exiting
}

oblige contains {
	"rule": "HZ-AO-11",
	"verb": "delete_confirm",
	"who": "operator",
	"about": "platform",
} if {
	exited
}

oblige contains {
	"rule": "HZ-AO-11",
	"verb": "notify",
	"who": "platform",
	"about": "close_access",
} if {
	exited
}

exiting if input.a.exit == "announced"

exiting if exited

exited if input.a.exit == "done"

exited if input.a.state == "ended"

# METADATA
# title: Renewal
# description: |
#   From the table's months before the end on, whoever did not apply again is warned. After the last
#   day nothing goes on without a new agreement; to have applied is not enough.
# custom:
#   id: HZ-AO-12
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
deny contains {"rule": "HZ-AO-12", "path": "a.state"} if {
	input.a.state == "ended"
}

warn contains {"rule": "HZ-AO-12", "path": "a.renewal"} if {
	agreed
	not input.a.state == "ended"
	not input.a.renewal in {"far", "applied"}
}

# METADATA
# title: Reports of the operator
# description: |
#   The security report is no older than the table's months, and with the end of each year since
#   signature there is an annual report; else the data authority decides.
# custom:
#   id: HZ-AO-13
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: false
hold contains {"rule": "HZ-AO-13", "path": path, "role": "data_authority"} if {
	agreed
	some path in unreported
}

unreported contains "a.security_report" if not input.a.security_report == "valid"

unreported contains "a.annual_report" if not input.a.annual_report in {"not_due", "filed"}

# METADATA
# title: Persons or secrets that can be inferred
# description: |
#   Where persons or secrets were found to be inferable, everything stops and the data authority is
#   told at once.
# custom:
#   id: HZ-AO-14
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-14", "path": "dataset.inference"} if {
	applies
	not input.dataset.inference == false
}

oblige contains {
	"rule": "HZ-AO-14",
	"verb": "notify",
	"who": "data_authority",
	"about": "inference",
} if {
	applies
	input.dataset.inference == true
}

# METADATA
# title: One platform, no agreements beside it
# description: |
#   Data moves through the unified platform, under an agreement with the data authority, and is not
#   passed on to third parties.
# custom:
#   id: HZ-AO-15
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-15", "path": path} if {
	applies
	some path in beside
}

beside contains "t.channel" if not input.t.channel == "platform"

beside contains "a.authority" if {
	agreed
	not input.a.authority == "data_authority"
}

beside contains "onward.third_party" if {
	not input.onward.state == "none"
	not input.onward.third_party == false
}

# METADATA
# title: Data that may not be opened
# description: Only data that may be opened, freely or on conditions, is operated.
# custom:
#   id: HZ-AO-16
#   articles: ["Hangzhou authorised operation plan (trial)"]
#   verified: true
deny contains {"rule": "HZ-AO-16", "path": "dataset.openness"} if {
	applies
	not input.dataset.openness in {"open", "conditional"}
}
