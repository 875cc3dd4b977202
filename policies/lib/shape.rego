# METADATA
# title: Complete input
# description: |
#   A rule whose input is missing does not fire. So absence is a finding of its own, and a transfer
#   is only allowed where the input is positively complete.
package xb.lib.shape

import rego.v2

import data.xb.lib.fields

sections := {
	"basis": ["cn", "cn_cited", "explicit_law", "mo", "mo_cited"],
	"consent": ["covers_purpose", "kind", "names_recipient", "state"],
	"crypto": ["gateway_signed", "payload_sealed", "sender_signed", "tls"],
	"dataset": ["registered"],
	"log": ["ok", "retention"],
	"m": ["covers_purpose", "exempt_art", "filing", "names_parties", "signed", "state", "type"],
	"mo_transfer": ["authorised", "ground", "kind", "notified"],
	"notice": ["exempt_cn", "exempt_mo", "items", "state"],
	"pipia": ["covers_purpose", "names_recipient", "of_mechanism", "state"],
	"r": party,
	"s": party,
	"scenario": ["authorised"],
	"state_assessment": ["covers_purpose", "names_recipient", "state"],
	"t": [
		"approvals", "direction", "environment", "freshness", "identifiers", "leg", "mode",
		"purpose", "rate_hour", "rate_person", "replayed", "subjects",
	],
}

party := [
	"ciio", "gba", "has_power", "jurisdiction", "kind", "region", "restricted", "role",
	"state_organ",
]

field_keys := [
	"class", "identifier", "label_allows", "labelled", "level", "name", "path", "required",
	"secret", "sens_cn", "sens_mo",
]

required contains ["effective"]

required contains ["fields"]

required contains ["v"]

required contains [section, key] if {
	some section, keys in sections
	some key in keys
}

required contains ["fields", position, key] if {
	some position, _ in input.fields
	some key in field_keys
}

required contains ["retention", "days"] if fields.personal

missing contains path if {
	some path in required
	object.get(input, path, null) == null
}

# METADATA
# title: Complete input
# description: Every fact that an applicable rule reads is there; a missing one denies.
# custom:
#   id: GW-SHAPE-1
#   articles: ["Project rule: fail closed"]
#   verified: true
deny contains {"rule": "GW-SHAPE-1", "path": place} if {
	some path in missing
	place := concat("", ["missing:", concat(".", [sprintf("%v", [part]) | some part in path])])
}

default complete := false

complete if {
	input.v == 1
	count(missing) == 0
	is_array(input.fields)
}
