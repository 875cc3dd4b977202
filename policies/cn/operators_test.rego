# Who has to report an incident, tried on the rule alone: other rules stop such a transfer.
package xb_test.operators

import rego.v2

import data.xb.cn.operators

# A request from Zhuhai to the Fund, struck in the parts named.
hours(parts, change) := {duty.value | some duty in found; duty.rule == "CN-CSIR-4-1"} if {
	struck := {part: hit |
		some part in ["dataset", "mechanism", "recipient", "sender"]
		hit := part in parts
	}
	incident := object.union(struck, {"state": "open", "severity": "relatively_major"})
	asked := object.union(data.fixtures.proof_of_life_request, {"incident": incident})
	found := operators.oblige with input as object.union(asked, change)
}

test_the_party_that_is_struck_reports if hours({"sender"}, {}) == {4}

test_a_party_of_macao_does_not_report_here if hours({"recipient"}, {}) == set()

test_the_data_strike_the_mainland_party if hours({"dataset"}, {}) == {4}

test_the_paper_strikes_the_mainland_party if hours({"mechanism"}, {}) == {4}

test_critical_infrastructure_reports_soonest if {
	hours({"sender"}, {"s": {"ciio": true, "central_organ": true}}) == {1}
}

test_a_central_organ_reports_sooner if hours({"sender"}, {"s": {"central_organ": true}}) == {2}

test_who_said_nothing_of_itself_reports_soonest if {
	hours({"sender"}, {"s": {"ciio": null}}) == {1}
}

test_each_party_has_its_own_term if {
	both := {"r": {"jurisdiction": "CN", "central_organ": true}}
	hours({"sender", "recipient"}, both) == {2, 4}
}
