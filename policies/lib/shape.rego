# METADATA
# title: Complete input
# description: |
#   A rule whose input is missing does not fire. So absence is a finding of its own, and a transfer
#   is only allowed where the input is positively complete.
package xb.lib.shape

import rego.v2

import data.xb.lib.fields

sections := {
	"a": {"state"},
	"basis": {
		"cn", "cn_cited", "competent_approval", "emergency", "explicit_law", "mo", "mo_cited",
		"necessity",
	},
	"case": {"evidence_held", "hold_cn", "hold_mo", "self_approved", "status", "term"},
	"consent": {"covers_purpose", "kind", "kinds", "names_recipient", "state"},
	"content": {"bucket", "cells", "objected", "record", "stay", "youngest"},
	"contract": {"state"},
	"counts": {"assessed", "pi_year", "repeats", "spi_year", "split"},
	"crypto": {
		"certificate", "gateway_signed", "key_store", "payload_sealed", "sender_signed", "suite",
		"tls",
	},
	"dataset": {
		"adds_cn", "changed_purpose", "controllers", "inference", "level", "noticed", "offshore",
		"openness", "origin", "provincial", "raw", "registered", "stored_in",
	},
	"document": {"state"},
	"incident": {"state"},
	"log": {"ok", "retention"},
	"m": {
		"age", "covers_mode", "covers_purpose", "covers_storage", "evidence", "exempt_art",
		"extension", "filing", "kinds", "names_parties", "signed", "state", "term", "type",
	},
	"mo_proc": {"state"},
	"mo_transfer": {"authorised", "ground", "kind", "notified", "special", "special_law"},
	"notice": {"exempt_cn", "exempt_mo", "items", "state"},
	"onward": {"state"},
	"pipia": {"covers_purpose", "kept", "kinds", "names_recipient", "of_mechanism", "state"},
	"r": party,
	"retention": {"legal"},
	"risk_assessment": {"state"},
	"s": party,
	"scenario": {"application", "authorised"},
	"state_assessment": {"covers_purpose", "kinds", "names_recipient", "state"},
	"t": {
		"adverse", "approvals", "channel", "copies", "direction", "environment", "freshness",
		"identifiers", "leg", "mode", "operator_reads", "publication", "purpose", "rate_hour",
		"rate_person", "replayed", "subjects",
	},
}

# METADATA
# description: Papers that may not be there; where there is one, all of it has to be.
papers := {
	"a": {
		"annual_report", "authority", "emergency_plan", "exit", "irs_approved", "lists_dataset",
		"lists_scenario", "names_operator", "network_review", "operation", "product_reviewed",
		"province_approved", "renewal", "review", "security_report", "term", "trained", "trial",
	},
	"contract": {
		"covers_purpose", "kinds", "names_parties", "subprocessors_approved", "terms", "type",
	},
	"document": {"timestamped"},
	"incident": {"dataset", "mechanism", "recipient", "sender", "severity"},
	"mo_proc": {"authorised", "notified", "registration", "window"},
	"onward": {"conditions", "regions", "third_party"},
}

party := {
	"annual_report", "central_organ", "child_rules", "ciio", "controls", "designated", "gba",
	"has_power", "holdings", "jurisdiction", "kind", "on_platform", "region", "restricted",
	"role", "security_officer", "state_organ", "zone",
}

field_keys := {
	"class", "identifier", "label_allows", "labelled", "level", "name", "path", "required",
	"secret", "sens_cn", "sens_mo", "shape",
}

top := {"effective", "fields", "v"}

# METADATA
# description: The keys of one section that have a value; none where there is no such section.
held(section) := {key | some key, value in section; value != null} if is_object(section)

default held(_) := set()

missing contains [key] if {
	some key in top
	object.get(input, key, null) == null
}

missing contains [section, key] if {
	some section, keys in sections
	some key in (keys - held(object.get(input, section, null)))
}

missing contains [section, key] if {
	some section, keys in papers
	not object.get(input, [section, "state"], null) == "none"
	some key in (keys - held(object.get(input, section, null)))
}

missing contains ["fields", position, key] if {
	some position, field in input.fields
	some key in (field_keys - held(field))
}

missing contains ["retention", "days"] if {
	fields.personal
	object.get(input, ["retention", "days"], null) == null
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
