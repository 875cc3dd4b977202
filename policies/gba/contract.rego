# METADATA
# title: GBA standard contract
# description: |
#   What the standard contract for the Greater Bay Area (Mainland, Macao) asks for, in whichever
#   direction it is the mechanism.
package xb.gba.contract

import rego.v2

import data.xb.lib.fields
import data.xb.lib.leaving
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
hold contains finding if some finding in set()

relied_on if input.m.type == "gba_sc"

# METADATA
# title: Parties in the Greater Bay Area
# description: Both parties are registered in one of the nine cities or in Macao.
# custom:
#   id: GBA-SC-1
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
deny contains {"rule": "GBA-SC-1", "path": path} if {
	relied_on
	some path in outsider
}

outsider contains "s.gba" if not in_area(input.s)

outsider contains "r.gba" if not in_area(input.r)

in_area(party) if {
	party.gba == true
	tables.current.gba_cities[party.region] == party.jurisdiction
}

# METADATA
# title: No important data
# description: The contract does not carry important data.
# custom:
#   id: GBA-SC-2
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
deny contains {"rule": "GBA-SC-2", "path": field.path} if {
	relied_on
	some field in fields.kept
	not field.class == "general"
}

# METADATA
# title: Contract in force
# description: The contract is signed and the day lies within its term, last day included.
# custom:
#   id: GBA-SC-3
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
deny contains {"rule": "GBA-SC-3", "path": path} if {
	relied_on
	some path in not_in_force
}

not_in_force contains "m.state" if not input.m.state == "valid"

not_in_force contains "m.signed" if not input.m.signed == true

# METADATA
# title: Contract filed
# description: |
#   The contract is filed within the table's number of working days of effect, by the calendar of
#   the sender's authority. Inside that window an unfiled contract warns and is to be filed.
# custom:
#   id: GBA-SC-4
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: false
deny contains {"rule": "GBA-SC-4", "path": "m.filing"} if {
	relied_on
	not input.m.filing in {"filed", "inside"}
}

warn contains {"rule": "GBA-SC-4", "path": "m.filing"} if {
	relied_on
	input.m.filing == "inside"
}

oblige contains {
	"rule": "GBA-SC-4",
	"verb": "file",
	"who": supervisor[input.s.jurisdiction],
	"about": "contract",
	"value": tables.current.thresholds.filing_working_days,
	"unit": "working_days",
} if {
	relied_on
	input.m.filing == "inside"
}

supervisor := {"CN": "guangdong_cac", "MO": "dspdp"}

# METADATA
# title: Assessment of the contract
# description: An impact assessment was made for the very contract that is relied on.
# custom:
#   id: GBA-SC-5
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
deny contains {"rule": "GBA-SC-5", "path": path} if {
	relied_on
	some path in unassessed
}

unassessed contains "pipia.of_mechanism" if not input.pipia.of_mechanism == true

unassessed contains "pipia.state" if not input.pipia.state == "valid"

# METADATA
# title: Notice or consent before the transfer
# description: |
#   Before the transfer the person was told, or consented, by the law of the sender's place.
# custom:
#   id: GBA-SC-6
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
deny contains {"rule": "GBA-SC-6", "path": "notice.state"} if {
	relied_on
	fields.personal
	not told
}

told if input.notice.state == "given"

told if {
	input.consent.state == "valid"
	input.consent.covers_purpose == true
}

# METADATA
# title: Nothing passed on outside the area
# description: The recipient passes nothing on outside the nine cities and Macao.
# custom:
#   id: GBA-SC-7
#   articles: ["GBA Standard Contract"]
#   verified: false
deny contains {"rule": "GBA-SC-7", "path": "onward.regions"} if {
	relied_on
	not input.onward.state == "none"
	not all_in_area
}

all_in_area if {
	count(input.onward.regions) > 0
	every region in input.onward.regions {
		tables.current.gba_cities[region]
	}
}

# METADATA
# title: Passing on to a third party
# description: |
#   The recipient passes on to a third party only under every condition of the table; consent is one
#   of them only where it is the basis.
# custom:
#   id: GBA-SC-8
#   articles: ["GBA Standard Contract"]
#   verified: false
deny contains {"rule": "GBA-SC-8", "path": concat(".", ["onward.conditions", condition])} if {
	relied_on
	not input.onward.state == "none"
	not input.onward.third_party == false
	some condition in tables.current.required_terms.onward_same_jurisdiction
	asked_of(condition)
	not condition in input.onward.conditions
}

asked_of(condition) if condition != "consent"

asked_of("consent") if "consent" in {input.basis.cn, input.basis.mo}

# METADATA
# title: Scope of the contract
# description: |
#   The contract names both parties and the purpose, and covers the kinds of data that travel, the
#   manner of transfer and the place of storage.
# custom:
#   id: GBA-SC-9
#   articles: ["GBA Standard Contract"]
#   verified: false
deny contains {"rule": "GBA-SC-9", "path": path} if {
	relied_on
	some path in out_of_scope
}

out_of_scope contains "m.names_parties" if not input.m.names_parties == true

out_of_scope contains "m.covers_purpose" if not input.m.covers_purpose == true

out_of_scope contains "m.covers_mode" if not input.m.covers_mode == true

out_of_scope contains "m.covers_storage" if not input.m.covers_storage == true

out_of_scope contains field.path if some field in fields.uncovered(input.m.kinds)

# METADATA
# title: Retention within the contract
# description: |
#   The retention asked for is no longer than the contract itself, which has not ended. The
#   recipient confirms the deletion and keeps the record.
# custom:
#   id: GBA-SC-10
#   articles: ["GBA Standard Contract"]
#   verified: false
deny contains {"rule": "GBA-SC-10", "path": path} if {
	relied_on
	fields.personal
	some path in outlasting
}

outlasting contains "m.term" if not input.m.term == "enough"

outlasting contains "m.state" if input.m.state == "ended"

oblige contains {
	"rule": "GBA-SC-10",
	"verb": "delete_confirm",
	"who": "recipient",
	"about": "contract",
	"value": input.retention.days,
	"unit": "days",
} if {
	relied_on
	fields.personal
}

oblige contains {
	"rule": "GBA-SC-10",
	"verb": "log_keep",
	"who": "recipient",
	"value": tables.current.thresholds.gba_record_days,
	"unit": "days",
} if {
	relied_on
	fields.personal
}

# METADATA
# title: Incident under the contract
# description: |
#   While an incident that strikes the contract is open, nothing new moves under it, and the
#   authorities of both sides are told at once.
# custom:
#   id: GBA-SC-11
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao) Art 10"]
#   verified: true
deny contains {"rule": "GBA-SC-11", "path": "incident.mechanism"} if struck

oblige contains {
	"rule": "GBA-SC-11",
	"verb": "notify",
	"who": supervisor[party.jurisdiction],
	"about": "contract_incident",
} if {
	struck
	some party in [input.s, input.r]
}

struck if {
	relied_on
	not input.incident.state == "none"
	not input.incident.mechanism == false
}

# METADATA
# title: No limit of volume
# description: |
#   Under the contract in force, for general data of a sender that operates no critical
#   infrastructure, the numbers of persons of the Mainland do not call for more.
# custom:
#   id: GBA-SC-12
#   articles: ["GBA Standard Contract Guidelines (Mainland, Macao)"]
#   verified: true
waive contains {"rule": "GBA-SC-12", "path": path} if {
	relied_on
	leaving.personal
	leaving.general
	input.m.state == "valid"
	input.s.ciio == false
	some path, band in {
		"counts.pi_year": input.counts.pi_year,
		"counts.spi_year": input.counts.spi_year,
	}
	band in {"contract", "assessment"}
}
