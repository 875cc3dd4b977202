# METADATA
# title: GBA standard contract
# description: |
#   What the standard contract for the Greater Bay Area (Mainland, Macao) asks for, in whichever
#   direction it is the mechanism.
package xb.gba.contract

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
hold contains finding if some finding in set()

waive contains finding if some finding in set()

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
# title: Scope of the contract
# description: The contract names both parties and the purpose.
# custom:
#   id: GBA-SC-9
#   articles: ["GBA Standard Contract"]
#   verified: true
deny contains {"rule": "GBA-SC-9", "path": path} if {
	relied_on
	some path in out_of_scope
}

out_of_scope contains "m.names_parties" if not input.m.names_parties == true

out_of_scope contains "m.covers_purpose" if not input.m.covers_purpose == true
