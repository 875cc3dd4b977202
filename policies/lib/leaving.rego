# METADATA
# title: What leaves the Mainland
# description: |
#   Which transfers the rules on export are about; Macao counts as abroad. A direction that is not
#   known counts as leaving.
package xb.lib.leaving

import rego.v2

import data.xb.lib.fields

abroad if not input.t.direction in {"MO2CN", "CN_INTERNAL", "MO_INTERNAL"}

personal if {
	abroad
	fields.personal
}

# METADATA
# description: True where every field that would travel is general data.
general if {
	every field in fields.kept {
		field.class == "general"
	}
}

important if {
	abroad
	some field in fields.kept
	field.class == "important"
}

# METADATA
# description: |
#   Personal information of Macao that was brought to the offshore zone and goes back, with nothing
#   of the Mainland added (CBDF Provisions Art 4): no mechanism is needed.
returned if {
	personal
	general
	input.dataset.offshore == true
	input.dataset.origin == "MO"
	input.dataset.adds_cn == false
}

# METADATA
# description: |
#   True where a mechanism of transfer, or an exemption that somebody claims, is needed.
bound if {
	personal
	not returned
}

bound if important
