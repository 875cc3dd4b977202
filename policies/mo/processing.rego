# METADATA
# title: Processing under Law 8/2005
# description: Quality, sensitive data, combination, rights of the person, security, notification.
package xb.mo.processing

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
waive contains finding if some finding in set()

# METADATA
# title: A purpose of the controller's own
# description: |
#   A body in Macao sends only what serves a purpose that its statute gives it. A field that the
#   purpose does not need is dropped under the table that both laws share (CN-PIPL-6-1).
# custom:
#   id: MO-8-2005-5-1
#   articles: ["Law 8/2005 Art 5(1)(2)", "Law 8/2005 Art 5(1)(3)"]
#   verified: false
deny contains {"rule": "MO-8-2005-5-1", "path": "s.has_power"} if {
	fields.personal
	not input.s.jurisdiction == "CN"
	not input.s.has_power == true
}

# METADATA
# title: Records that are up to date
# description: |
#   Where a benefit is granted, checked or recovered, a record older than the table's months waits
#   until the controller in Macao has had it refreshed or accepts it.
# custom:
#   id: MO-8-2005-5-2
#   articles: ["Law 8/2005 Art 5(1)(4)"]
#   verified: false
hold contains {
	"rule": "MO-8-2005-5-2",
	"path": "content.record",
	"role": "mo_data_controller",
} if {
	fields.personal
	input.t.purpose in tables.current.purposes.entitlement
	input.content.record == "old"
}

# METADATA
# title: Sensitive data
# description: |
#   A sensitive field travels only under a law that explicitly provides for it, an authorisation, or
#   the person's explicit consent to this purpose and kind of data. Whatever the label says, health,
#   biometric data and private life are sensitive.
# custom:
#   id: MO-8-2005-7-1
#   articles: ["Law 8/2005 Art 7"]
#   verified: false
deny contains {"rule": "MO-8-2005-7-1", "path": field.path} if {
	some field in sensitive_unallowed
}

sensitive contains field if {
	some field in fields.kept
	not field.sens_mo == false
}

sensitive contains field if {
	some category in {"biometric", "health", "private_life"}
	some field in fields.special(category)
	field in fields.kept
}

sensitive_unallowed contains field if {
	not allowed_by_law_or_authority
	some field in sensitive
	not field in explicitly_consented
}

allowed_by_law_or_authority if input.basis.explicit_law == true

allowed_by_law_or_authority if input.mo_proc.authorised == true

explicitly_consented contains field if {
	input.consent.state == "valid"
	input.consent.covers_purpose == true
	input.consent.kind in {"separate", "written"}
	some field in sensitive
	covered(field)
}

covered(_) if "*" in input.consent.kinds

covered(field) if fields.kind(field) in input.consent.kinds

# METADATA
# title: Suspicions and offences
# description: |
#   A field on suspicions or offences stops the transfer, even where it would be dropped, unless a
#   law explicitly provides for it. An authorisation or a consent is not enough.
# custom:
#   id: MO-8-2005-8-1
#   articles: ["Law 8/2005 Art 8"]
#   verified: false
deny contains {"rule": "MO-8-2005-8-1", "path": field.path} if {
	not input.basis.explicit_law == true
	some field in fields.special("offence")
}

# METADATA
# title: Combination of data
# description: |
#   Data that several controllers hold are combined only under a law that explicitly provides for
#   it or an authorisation, also where nothing but counts comes out.
# custom:
#   id: MO-8-2005-9-1
#   articles: ["Law 8/2005 Art 9", "Law 8/2005 Art 22"]
#   verified: false
deny contains {"rule": "MO-8-2005-9-1", "path": "dataset.controllers"} if {
	input.dataset.controllers == "several"
	not allowed_by_law_or_authority
}

# METADATA
# title: Objection and rectification
# description: |
#   A field that the person objects to or wants rectified waits for the Fund's data officer. A
#   request of the person concerned is answered within the table's working days; afterwards it is
#   still answered, with a warning.
# custom:
#   id: MO-8-2005-12-1
#   articles: ["Law 8/2005 Art 11", "Law 8/2005 Art 12"]
#   verified: false
hold contains {
	"rule": "MO-8-2005-12-1",
	"path": field.path,
	"role": "fss_data_officer",
} if {
	some field in fields.kept
	field.path in input.content.objected
}

warn contains {"rule": "MO-8-2005-12-1", "path": "case.term"} if {
	input.t.purpose == "RIGHTS_REQUEST"
	input.case.term == "past"
}

oblige contains {
	"rule": "MO-8-2005-12-1",
	"verb": "notify",
	"who": "subject",
	"about": "rights_request",
	"value": tables.current.thresholds.rights_working_days,
	"unit": "working_days",
} if {
	input.t.purpose == "RIGHTS_REQUEST"
}

# METADATA
# title: No decision by a machine alone
# description: A result that takes something away from a person waits for the officer on the case.
# custom:
#   id: MO-8-2005-13-1
#   articles: ["Law 8/2005 Art 13"]
#   verified: false
hold contains {
	"rule": "MO-8-2005-13-1",
	"path": "t.adverse",
	"role": "case_officer",
} if {
	decided_by_machine
}

oblige contains {
	"rule": "MO-8-2005-13-1",
	"verb": "human_review",
	"who": "case_officer",
} if {
	decided_by_machine
}

decided_by_machine if {
	fields.personal
	not input.t.adverse in {"none", "reviewed"}
}

# METADATA
# title: Processors
# description: |
#   A party that processes for somebody else has a written contract with the other party, in force,
#   that describes the security measures.
# custom:
#   id: MO-8-2005-15-1
#   articles: ["Law 8/2005 Art 15", "Law 8/2005 Art 17"]
#   verified: false
deny contains {"rule": "MO-8-2005-15-1", "path": path} if {
	fields.personal
	"processor" in {input.s.role, input.r.role}
	some path in uncontracted
}

uncontracted contains "contract.state" if not input.contract.state == "valid"

uncontracted contains "contract.names_parties" if {
	input.contract.state == "valid"
	not input.contract.names_parties == true
}

uncontracted contains concat(".", ["contract.terms", term]) if {
	input.contract.state == "valid"
	some term in tables.current.required_terms.mo_processor_contract
	not term in input.contract.terms
}

# METADATA
# title: Special security measures
# description: |
#   Sensitive data travel between bodies that have the controls of the table in place, encrypted as
#   for the highest level and signed by the sender.
# custom:
#   id: MO-8-2005-16-1
#   articles: ["Law 8/2005 Art 16"]
#   verified: false
deny contains {"rule": "MO-8-2005-16-1", "path": concat(".", [party, "controls", control])} if {
	count(sensitive) > 0
	some party in ["s", "r"]
	some control in tables.current.required_terms.mo_controls
	not control in input[party].controls
}

oblige contains {
	"rule": "MO-8-2005-16-1",
	"verb": "encrypt",
	"value": fields.rank.L4,
	"unit": "level",
} if {
	count(sensitive) > 0
}

oblige contains {"rule": "MO-8-2005-16-1", "verb": "sign", "who": "sender"} if {
	count(sensitive) > 0
}

# METADATA
# title: Health data apart
# description: |
#   Health data travel in an object of their own and are stored apart. A health field in one object
#   with other data cannot be stored apart, so the transfer is denied, even where that field would
#   be dropped. The pseudonym and the link between two objects are no other data.
# custom:
#   id: MO-8-2005-16-3
#   articles: ["Law 8/2005 Art 16(3)"]
#   verified: false
deny contains {"rule": "MO-8-2005-16-3", "path": field.path} if {
	some field in fields.special("health")
	some other in fields.kept
	not other in fields.special("health")
	not other.name in {"link_id", "pid_token"}
	object_of(other) == object_of(field)
}

oblige contains {
	"rule": "MO-8-2005-16-3",
	"verb": "separate_store",
	"about": "health_envelope",
} if {
	some field in fields.special("health")
	field in fields.kept
}

# Path of the object that a field stands in; empty for the message itself.
object_of(field) := concat(".", array.slice(steps, 0, count(steps) - 1)) if {
	steps := split(field.path, ".")
}

# METADATA
# title: Notification of processing
# description: |
#   The authority is notified of automated processing within the table's days of its beginning.
#   Inside that time it is still to be notified; after it, or where no processing is registered as
#   running, nothing travels.
# custom:
#   id: MO-8-2005-21-1
#   articles: ["Law 8/2005 Art 21"]
#   verified: true
deny contains {"rule": "MO-8-2005-21-1", "path": "mo_proc.state"} if {
	fields.personal
	not input.mo_proc.state == "running"
}

deny contains {"rule": "MO-8-2005-21-1", "path": "mo_proc.notified"} if {
	fields.personal
	input.mo_proc.state == "running"
	not input.mo_proc.notified == "yes"
	not input.mo_proc.window == "inside"
}

oblige contains {
	"rule": "MO-8-2005-21-1",
	"verb": "notify",
	"who": "dspdp",
	"about": "processing",
	"value": tables.current.thresholds.mo_notice_days,
	"unit": "days",
} if {
	fields.personal
	input.mo_proc.state == "running"
	not input.mo_proc.notified == "yes"
	input.mo_proc.window == "inside"
}

# METADATA
# title: Simplified registration
# description: |
#   A simplified registration that is relied on is not older than the table's years; a warning comes
#   the table's number of days before its end.
# custom:
#   id: MO-8-2005-21-2
#   articles: ["Law 8/2005 Art 21 (simplified notification)"]
#   verified: true
deny contains {"rule": "MO-8-2005-21-2", "path": "mo_proc.registration"} if {
	fields.personal
	input.mo_proc.registration == "ended"
}

warn contains {"rule": "MO-8-2005-21-2", "path": "mo_proc.registration"} if {
	fields.personal
	input.mo_proc.registration == "near"
}
