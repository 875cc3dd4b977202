# METADATA
# title: Leaving the Mainland
# description: What personal information needs before it goes abroad; Macao counts as abroad.
package xb.cn.export

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()

exported if {
	fields.personal
	not input.t.direction in {"MO2CN", "CN_INTERNAL", "MO_INTERNAL"}
}

# METADATA
# title: Assessment of a state organ
# description: |
#   A state organ or authorised body provides personal information abroad only under its own
#   assessment, in force, for this purpose and recipient. In an emergency the officer decides.
# custom:
#   id: CN-PIPL-36-1
#   articles: ["PIPL Art 36", "PIPL Art 37"]
#   verified: false
deny contains {"rule": "CN-PIPL-36-1", "path": path} if {
	not input.basis.cn == "emergency"
	some path in organ_unassessed
}

hold contains {"rule": "CN-PIPL-36-1", "path": path, "role": "pi_protection_officer"} if {
	input.basis.cn == "emergency"
	some path in organ_unassessed
}

organ_exports if {
	exported
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

# METADATA
# title: A transfer mechanism
# description: |
#   Personal information leaves under a mechanism that names both parties and the purpose, or under
#   an exemption that the facts can prove. The GBA contract's own term is judged by its own rules.
# custom:
#   id: CN-PIPL-38-1
#   articles: ["PIPL Art 38", "NDSR Art 35"]
#   verified: true
deny contains {"rule": "CN-PIPL-38-1", "path": "m"} if {
	exported
	not mechanism
	not exempt
}

mechanism if {
	input.m.type in tables.current.mechanisms.types
	input.m.names_parties == true
	input.m.covers_purpose == true
	in_term
}

in_term if input.m.type == "gba_sc"

in_term if input.m.state == "valid"

exempt if {
	input.m.type == "exempt"
	tables.current.mechanisms.exemptions[input.m.exempt_art] == input.basis.cn
	input.basis.cn_cited == true
}

# METADATA
# title: Operators of critical infrastructure
# description: Such an operator exports only under the security assessment of the authority.
# custom:
#   id: CN-PIPL-40-1
#   articles: ["PIPL Art 40", "CBDF Provisions Art 7(1)"]
#   verified: false
deny contains {"rule": "CN-PIPL-40-1", "path": "m.type"} if {
	exported
	not input.s.ciio == false
	not input.m.type == "security_assessment"
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
