package xb_test

import rego.v2

import data.xb
import data.xb.lib.tables

# No list of a zone is loaded, so only a test can show what one would do (CN-CBDF-6-1).
listed(kinds) := object.union(tables.current, {"free_trade_lists": {"hengqin": {
	"kinds": kinds,
	"versions": ["HQ-1"],
}}})

by_list := json.patch(data.fixtures.proof_of_life_request, [
	{"op": "replace", "path": "/m/type", "value": "exempt"},
	{"op": "replace", "path": "/m/exempt_art", "value": "CBDF6"},
	{"op": "replace", "path": "/s/zone", "value": "hengqin"},
	{"op": "replace", "path": "/counts/pi_year", "value": "small"},
	{"op": "replace", "path": "/counts/spi_year", "value": "small"},
])

rules(findings) := {one.rule | some one in findings}

test_off_the_list_is_exempt if {
	of_zone := listed(["health"]) with input as by_list
	decision := xb.decision with input as by_list with tables.current as of_zone
	decision.decision == "allow"
	rules(decision.waives) == {"CN-CBDF-6-1"}
}

test_on_the_list_is_denied if {
	of_zone := listed(["life"]) with input as by_list
	decision := xb.decision with input as by_list with tables.current as of_zone
	rules(decision.deny) == {"CN-CBDF-6-1"}
	count(decision.deny) == 5
}

test_a_list_without_a_version_is_not_loaded if {
	without := object.union(tables.current, {"free_trade_lists": {"hengqin": {
		"kinds": [],
		"versions": [],
	}}})
		with input as by_list
	decision := xb.decision with input as by_list with tables.current as without
	rules(decision.deny) == {"CN-CBDF-6-1"}
}

test_another_zone_has_another_list if {
	elsewhere := json.patch(by_list, [{"op": "replace", "path": "/s/zone", "value": "tianjin"}])
	of_zone := listed([]) with input as elsewhere
	decision := xb.decision with input as elsewhere with tables.current as of_zone
	rules(decision.deny) == {"CN-CBDF-6-1"}
}

# A row that officers end ends the exemption, whatever the facts prove.
test_an_exemption_without_a_row_is_none if {
	without := object.union(object.remove(tables.current, ["mechanisms"]), {"mechanisms": {
		"exemptions": {},
		"types": ["gba_sc"],
	}})
		with input as by_list
	every article in ["NDSR35-6", "CBDF5-1", "CBDF5-2", "CBDF5-3", "CBDF5-4", "CBDF6"] {
		claim := json.patch(by_list, [{"op": "replace", "path": "/m/exempt_art", "value": article}])
		decision := xb.decision with input as claim with tables.current as without
		"CN-PIPL-38-1" in rules(decision.deny)
	}
}
