# METADATA
# title: Decision on one transfer
# description: |
#   The one document that the gateway asks for. Both legal systems are asked in both directions. Any
#   denial denies; else any hold holds; else the transfer is allowed. Duties go with every decision,
#   all of them at their strictest.
# scope: subpackages
# schemas:
#   - input: schema["input.v1"]
package xb

import rego.v2

import data.xb.ao.operation
import data.xb.cn.consent
import data.xb.cn.export
import data.xb.cn.handling
import data.xb.cn.mechanisms
import data.xb.cn.operators
import data.xb.cn.pipl
import data.xb.cn.security
import data.xb.cn.services
import data.xb.gba.contract
import data.xb.gw.gateway
import data.xb.gw.protection
import data.xb.lib.shape
import data.xb.lib.tables
import data.xb.mo.institutions
import data.xb.mo.processing
import data.xb.mo.transfer

denied := union({
	consent.deny,
	contract.deny,
	export.deny,
	gateway.deny,
	handling.deny,
	institutions.deny,
	mechanisms.deny,
	operation.deny,
	operators.deny,
	pipl.deny,
	processing.deny,
	protection.deny,
	security.deny,
	services.deny,
	shape.deny,
	transfer.deny,
})

held := union({
	consent.hold,
	contract.hold,
	export.hold,
	gateway.hold,
	handling.hold,
	institutions.hold,
	mechanisms.hold,
	operation.hold,
	operators.hold,
	pipl.hold,
	processing.hold,
	protection.hold,
	security.hold,
	services.hold,
	transfer.hold,
})

warned := union({
	consent.warn,
	contract.warn,
	export.warn,
	gateway.warn,
	handling.warn,
	institutions.warn,
	mechanisms.warn,
	operation.warn,
	operators.warn,
	pipl.warn,
	processing.warn,
	protection.warn,
	security.warn,
	services.warn,
	transfer.warn,
})

waived := union({
	consent.waive,
	contract.waive,
	export.waive,
	gateway.waive,
	handling.waive,
	institutions.waive,
	mechanisms.waive,
	operation.waive,
	operators.waive,
	pipl.waive,
	processing.waive,
	protection.waive,
	security.waive,
	services.waive,
	transfer.waive,
})

duties_of_rules := union({
	consent.oblige,
	contract.oblige,
	export.oblige,
	gateway.oblige,
	handling.oblige,
	institutions.oblige,
	mechanisms.oblige,
	operation.oblige,
	operators.oblige,
	pipl.oblige,
	processing.oblige,
	protection.oblige,
	security.oblige,
	services.oblige,
	transfer.oblige,
})

# How a rule takes effect (table rule_modes): in full, as a warning, or not at all.
mode(rule) := object.get(tables.current.rule_modes, rule, "enforce")

in_mode(findings, wanted) := {one | some one in findings; mode(one.rule) == wanted}

denials := in_mode(denied, "enforce")

# The roles that are really asked; GW-APPR-1 watches over them.
asked := in_mode(held, "enforce")

holds contains finding if {
	some finding in asked
	not finding.role in input.t.approvals
}

warnings := in_mode(warned, "enforce") | in_mode(((denied | held) | warned), "warn")

waivers := waived - in_mode(waived, "observe")

observed := in_mode((((denied | held) | warned) | waived), "observe")

# Fields go whatever the mode: the other rules have looked at what would really travel.
obliged contains duty if {
	some duty in duties_of_rules
	not mode(duty.rule) == "observe"
}

obliged contains duty if {
	some duty in duties_of_rules
	duty.verb in {"drop", "mask"}
}

default verdict := "deny"

verdict := "allow" if {
	shape.complete == true
	count(denials) == 0
	count(holds) == 0
}

verdict := "hold" if {
	shape.complete == true
	count(denials) == 0
	count(holds) > 0
}

# Sorted by rule, then by path, so that equal decisions are equal to the byte.
sorted(findings) := [full(found) |
	some key in sort({[one.rule, one.path, object.get(one, "role", "")] | some one in findings})
	found := {"rule": key[0], "path": key[1], "role": key[2]}
]

full(found) := object.union(
	{
		"rule": found.rule,
		"article": data.texts[found.rule].article,
		"text": data.texts[found.rule].text,
	},
	{key: found[key] | some key in ["path", "role"]; found[key] != ""},
)

drops := [{"path": key[0], "rule": key[1]} |
	some key in sort({[drop.path, drop.rule] | some drop in obliged; drop.verb == "drop"})
]

masks := [{"path": key[0], "how": key[1], "rule": key[2]} |
	some key in sort({[mask.path, mask.how, mask.rule] |
		some mask in obliged
		mask.verb == "mask"
	})
]

# What one duty is about; of several rules that ask for the same, the strictest value counts.
about(duty) := [object.get(duty, key, "") | some key in ["verb", "who", "about", "unit"]]

duties := [duty |
	some key in sort({about(one) | some one in obliged; not one.verb in {"drop", "mask"}})
	same := {one | some one in obliged; about(one) == key}
	named := {"verb": key[0], "who": key[1], "about": key[2], "unit": key[3]}
	duty := object.union_n([
		{name: value | some name, value in named; value != ""},
		{"rules": sort({one.rule | some one in same})},
		{"value": strictest(key[0], values) |
			values := {one.value | some one in same}
			count(values) > 0
		},
	])
]

# For how long a log is kept and at which level one encrypts, more is stricter; else less is.
strictest(verb, values) := max(values) if verb in {"encrypt", "log_keep"}

strictest(verb, values) := min(values) if not verb in {"encrypt", "log_keep"}

days(verb) := {one.value | some one in obliged; one.verb == verb}

# A denial is logged too; where the tables cannot say how long, the longest known time counts.
default log_keep_days := 1827

log_keep_days := max(days("log_keep") | {line.days |
	some line in tables.current.log_keep
	services.keeps(line)
})

default data_keep_days := null

data_keep_days := min(days("data_keep") | asked_for)

asked_for contains min({input.retention.days, input.retention.max_days})

# METADATA
# title: Decision
# description: The document; its arrays are sorted by rule, then path.
# entrypoint: true
decision := {
	"decision": verdict,
	"revision": data.revision,
	"deny": sorted(denials),
	"holds": sorted(holds),
	"warns": sorted(warnings),
	"waives": sorted(waivers),
	"observes": sorted(observed),
	"obligations": {
		"drop": drops,
		"mask": masks,
		"duties": duties,
		"log_keep_days": log_keep_days,
		"data_keep_days": data_keep_days,
	},
}
