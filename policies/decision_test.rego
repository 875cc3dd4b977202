package xb_test

import rego.v2

import data.xb

allowed contains name if {
	some name, example in data.fixtures
	decision := xb.decision with input as example
	decision.decision == "allow"
}

test_every_base_is_allowed if allowed == object.keys(data.fixtures)

# Only an allowed input can become allowed by losing something, so the bases are the ones to try.
test_no_section_can_be_left_out if {
	every example in data.fixtures {
		every section, _ in example {
			lacking := json.remove(example, [section])
			decision := xb.decision with input as lacking
			decision.decision == "deny"
		}
	}
}

test_an_empty_input_is_denied if {
	decision := xb.decision with input as {}
	decision.decision == "deny"
}

test_another_version_is_never_allowed if {
	every example in data.fixtures {
		later := object.union(example, {"v": 2})
		decision := xb.decision with input as later
		decision.decision == "deny"
	}
}
