# METADATA
# title: Leaving the Mainland
# description: |
#   What personal information needs before it goes abroad, and before a Mainland body provides it at
#   all; Macao counts as abroad.
package xb.cn.export

import rego.v2

import data.xb.cn.mechanisms
import data.xb.lib.fields
import data.xb.lib.leaving
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: Assessment of a state organ
# description: |
#   A state organ or authorised body provides personal information abroad only under its own
#   assessment, in force, for this purpose and recipient and for the kinds of data that travel. In
#   an emergency the officer decides.
# custom:
#   id: CN-PIPL-36-1
#   articles: ["PIPL Art 36", "PIPL Art 37"]
#   verified: false
deny contains {"rule": "CN-PIPL-36-1", "path": path} if {
	not input.basis.cn == "emergency"
	some path in organ_unassessed
}

# The role is the one that CN-PIPL-13-3 asks, so that one approval answers both.
hold contains {"rule": "CN-PIPL-36-1", "path": path, "role": "pi_protection_officer"} if {
	input.basis.cn == "emergency"
	some path in organ_unassessed
}

organ_exports if {
	leaving.personal
	not input.s.state_organ == false
}

organ_unassessed contains "state_assessment.state" if {
	organ_exports
	not input.state_assessment.state == "valid"
}

organ_unassessed contains "state_assessment.covers_purpose" if {
	organ_exports
	not input.state_assessment.covers_purpose == true
}

organ_unassessed contains "state_assessment.names_recipient" if {
	organ_exports
	not input.state_assessment.names_recipient == true
}

organ_unassessed contains field.path if {
	organ_exports
	some field in fields.uncovered(input.state_assessment.kinds)
}

# METADATA
# title: A state organ stores at home
# description: |
#   What a state organ collected in the Mainland has its primary copy there; abroad goes what the
#   case needs, never the whole of it.
# custom:
#   id: CN-PIPL-36-2
#   articles: ["PIPL Art 36"]
#   verified: true
deny contains {"rule": "CN-PIPL-36-2", "path": path} if {
	organ_exports
	not input.dataset.origin == "MO"
	some path in kept_abroad
}

kept_abroad contains "dataset.stored_in" if not input.dataset.stored_in == "CN"

kept_abroad contains "t.copies" if not input.t.copies == "case"

# METADATA
# title: Reading from Macao is export
# description: |
#   Zhuhai to Hengqin is no export. A Macao party that queries, views or downloads Mainland data is
#   abroad wherever they lie, and the transfer is labelled so.
# custom:
#   id: CN-EXP-1
#   articles: ["CAC guide to the filing of data exports"]
#   verified: false
deny contains {"rule": "CN-EXP-1", "path": "t.direction"} if {
	not input.dataset.origin == "MO"
	mislabelled
}

mislabelled if {
	input.t.direction == "CN_INTERNAL"
	not both_mainland
}

mislabelled if {
	not input.r.jurisdiction == "CN"
	not input.s.jurisdiction == "MO"
	not input.t.direction == "CN2MO"
}

both_mainland if {
	input.s.jurisdiction == "CN"
	input.r.jurisdiction == "CN"
}

# METADATA
# title: A transfer mechanism
# description: |
#   Personal information leaves under a mechanism that names both parties, the purpose and the kinds
#   of data, or under an exemption that a rule of its own judges. The GBA contract's term and scope
#   and the scope of an assessment are judged by their own rules.
# custom:
#   id: CN-PIPL-38-1
#   articles: ["PIPL Art 38", "NDSR Art 35"]
#   verified: true
deny contains {"rule": "CN-PIPL-38-1", "path": "m"} if {
	leaving.personal
	not leaving.returned
	not mechanism
	not mechanisms.judged
}

mechanism if {
	input.m.type in tables.current.mechanisms.types
	input.m.names_parties == true
	input.m.covers_purpose == true
	in_term
	covers_kinds
}

in_term if input.m.type == "gba_sc"

in_term if {
	input.m.type != "cn_sc"
	input.m.state == "valid"
}

in_term if {
	input.m.type == "cn_sc"
	input.m.state == "valid"
	input.m.signed == true
}

covers_kinds if input.m.type in {"gba_sc", "security_assessment"}

covers_kinds if count(fields.uncovered(input.m.kinds)) == 0

# METADATA
# title: Notice of provision abroad
# description: |
#   Before personal information goes abroad the person was told recipient, contact, purpose, manner,
#   kinds and how to exercise rights there; on the basis of consent, the consent was separate.
# custom:
#   id: CN-PIPL-39-1
#   articles: ["PIPL Art 39"]
#   verified: false
deny contains {"rule": "CN-PIPL-39-1", "path": concat(".", ["notice.items", item])} if {
	leaving.personal
	not input.notice.exempt_cn == true
	some item in tables.current.notice_items.cn_overseas
	not item in input.notice.items
}

deny contains {"rule": "CN-PIPL-39-1", "path": "consent.kind"} if {
	leaving.personal
	input.basis.cn == "consent"
	not input.consent.kind in {"none", "separate", "written", "guardian"}
}

# METADATA
# title: Operators of critical infrastructure
# description: |
#   Such an operator exports personal information and important data only under the security
#   assessment of the authority, but for the exemptions of CBDF Provisions Arts 3 to 6.
# custom:
#   id: CN-PIPL-40-1
#   articles: ["PIPL Art 40", "CBDF Provisions Art 7(1)"]
#   verified: false
deny contains {"rule": "CN-PIPL-40-1", "path": "m.type"} if {
	leaving.bound
	not input.s.ciio == false
	not input.m.type == "security_assessment"
	not mechanisms.exempted
}

# METADATA
# title: Judicial and enforcement bodies abroad
# description: |
#   Nothing that is stored in the Mainland goes to a judicial or law enforcement body outside it
#   without approval of the competent authority.
# custom:
#   id: CN-PIPL-41-1
#   articles: ["PIPL Art 41", "DSL Art 36"]
#   verified: false
deny contains {"rule": "CN-PIPL-41-1", "path": "basis.competent_approval"} if {
	leaving.abroad
	input.r.kind in tables.current.judicial_bodies
	not input.basis.competent_approval == true
}

# METADATA
# title: Restricted recipients
# description: Nothing goes to a recipient on the restricted list.
# custom:
#   id: CN-PIPL-42-1
#   articles: ["PIPL Art 42"]
#   verified: true
deny contains {"rule": "CN-PIPL-42-1", "path": "r.restricted"} if {
	not input.r.restricted == false
}

# METADATA
# title: Contract on provision or entrusting
# description: |
#   Who provides personal information from the Mainland, or entrusts its processing, has a contract
#   with the recipient, in force, for this purpose and these kinds of data, with the terms of the
#   table; the record is kept.
# custom:
#   id: CN-NDSR-12-1
#   articles: ["NDSR Art 12"]
#   verified: true
deny contains {"rule": "CN-NDSR-12-1", "path": path} if {
	provided
	some path in uncontracted
}

oblige contains {
	"rule": "CN-NDSR-12-1",
	"verb": "log_keep",
	"value": line.days,
	"unit": "days",
} if {
	provided
	some line in tables.current.log_keep
	line.line == "CN-NDSR-12-1"
}

provided if {
	fields.personal
	not input.s.jurisdiction == "MO"
}

terms := {"provision": "provision_contract", "entrusting": "entrusting_contract"}

uncontracted contains "contract.state" if not input.contract.state == "valid"

uncontracted contains "contract.names_parties" if not input.contract.names_parties == true

uncontracted contains "contract.covers_purpose" if not input.contract.covers_purpose == true

uncontracted contains "contract.type" if not terms[input.contract.type]

uncontracted contains concat(".", ["contract.terms", term]) if {
	some term in tables.current.required_terms[terms[input.contract.type]]
	not term in input.contract.terms
}

uncontracted contains field.path if {
	some field in fields.uncovered(input.contract.kinds)
}
