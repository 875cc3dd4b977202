# METADATA
# title: Personal Data Protection Act of Macao (Law 8/2005)
# description: Ground, information of the person, transfer out of Macao.
package xb.mo.transfer

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables
import data.xb.mo.processing

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()

# METADATA
# title: A ground of processing
# description: |
#   Personal data are processed on one of the six grounds; a task in the public interest is cited,
#   a consent is in force and for this purpose.
# custom:
#   id: MO-8-2005-6-1
#   articles: ["Law 8/2005 Art 6"]
#   verified: false
deny contains {"rule": "MO-8-2005-6-1", "path": path} if {
	fields.personal
	some path in groundless
}

groundless contains "basis.mo" if not input.basis.mo in tables.current.grounds.mo_ground

groundless contains "basis.mo_cited" if {
	input.basis.mo == "public_interest"
	not input.basis.mo_cited == true
}

groundless contains "consent.state" if {
	input.basis.mo == "consent"
	not consented
}

consented if {
	input.consent.state == "valid"
	input.consent.covers_purpose == true
}

# METADATA
# title: Information of the person
# description: The person knows controller, purposes, recipients and rights, unless exempted.
# custom:
#   id: MO-8-2005-10-1
#   articles: ["Law 8/2005 Art 10"]
#   verified: false
deny contains {"rule": "MO-8-2005-10-1", "path": concat(".", ["notice.items", item])} if {
	fields.personal
	not input.notice.exempt_mo == true
	some item in tables.current.notice_items.mo
	not item in input.notice.items
}

leaves if {
	fields.personal
	not input.t.direction in {"CN2MO", "CN_INTERNAL", "MO_INTERNAL"}
}

# METADATA
# title: Adequate legal systems
# description: A transfer that relies on adequacy needs the authority's list; it is empty.
# custom:
#   id: MO-8-2005-19-1
#   articles: ["Law 8/2005 Art 19"]
#   verified: false
deny contains {"rule": "MO-8-2005-19-1", "path": "mo_transfer.kind"} if {
	leaves
	input.mo_transfer.kind == "adequacy"
	not input.r.jurisdiction in tables.current.grounds.mo_adequate
}

# METADATA
# title: Notified transfer on a ground of Article 20
# description: The ground is one of the law and the authority was notified, on or before the day.
# custom:
#   id: MO-8-2005-20-1
#   articles: ["Law 8/2005 Art 20(1)"]
#   verified: false
deny contains {"rule": "MO-8-2005-20-1", "path": path} if {
	leaves
	input.mo_transfer.kind == "art20_1"
	some path in unnotified
}

unnotified contains "mo_transfer.ground" if {
	not input.mo_transfer.ground in tables.current.grounds.mo_transfer
}

unnotified contains "mo_transfer.notified" if not input.mo_transfer.notified == "yes"

unnotified contains "consent.state" if {
	input.mo_transfer.ground == "consent"
	not consented
}

# METADATA
# title: Authorised transfer
# description: A transfer that relies on the authority's authorisation has one.
# custom:
#   id: MO-8-2005-20-2
#   articles: ["Law 8/2005 Art 20(2)"]
#   verified: false
deny contains {"rule": "MO-8-2005-20-2", "path": "mo_transfer.authorised"} if {
	leaves
	input.mo_transfer.kind == "art20_2_auth"
	not input.mo_transfer.authorised == true
}

# METADATA
# title: Security, crime and public health
# description: |
#   A transfer that serves security, the fight against crime or public health waits until somebody
#   has found the special law or the agreement that it needs.
# custom:
#   id: MO-8-2005-20-3
#   articles: ["Law 8/2005 Art 20(3)"]
#   verified: false
hold contains {
	"rule": "MO-8-2005-20-3",
	"path": "mo_transfer.special_law",
	"role": "mo_data_controller",
} if {
	leaves
	not input.mo_transfer.special == "none"
	not input.mo_transfer.special_law == true
}

# METADATA
# title: Prior authorisation
# description: |
#   Sensitive and credit data, combinations of data and other purposes than those of collection need
#   a law that explicitly provides for them or an authorisation; for sensitive data an explicit
#   consent will do. Personal data leave Macao only on a ground of Article 19 or 20.
# custom:
#   id: MO-8-2005-22-1
#   articles: ["Law 8/2005 Art 22"]
#   verified: false
deny contains {"rule": "MO-8-2005-22-1", "path": path} if {
	not processing.allowed_by_law_or_authority
	some path in to_be_authorised
}

deny contains {"rule": "MO-8-2005-22-1", "path": "mo_transfer.kind"} if {
	leaves
	not input.mo_transfer.kind in {"adequacy", "art20_1", "art20_2_auth"}
}

to_be_authorised contains field.path if some field in processing.sensitive_unallowed

to_be_authorised contains field.path if some field in fields.special("credit")

to_be_authorised contains "dataset.controllers" if input.dataset.controllers == "several"

to_be_authorised contains "dataset.changed_purpose" if not input.dataset.changed_purpose == false
