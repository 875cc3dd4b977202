# METADATA
# title: Decision on one transfer
# description: |
#   The one document that the gateway asks for. Both legal systems are asked in both directions. Any
#   denial denies; else any hold holds; else the transfer is allowed with all obligations at their
#   strictest.
# scope: subpackages
# schemas:
#   - input: schema["input.v1"]
package xb

import rego.v2

import data.xb.cn.export
import data.xb.cn.pipl
import data.xb.cn.security
import data.xb.cn.services
import data.xb.gba.contract
import data.xb.gw.gateway
import data.xb.lib.shape
import data.xb.lib.tables
import data.xb.mo.transfer

denials := union({
	contract.deny, export.deny, gateway.deny, pipl.deny, security.deny, services.deny, shape.deny,
	transfer.deny,
})

asked := union({export.hold, gateway.hold})

holds contains finding if {
	some finding in asked
	not finding.role in input.t.approvals
}

warnings := union({contract.warn, gateway.warn})

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
	some key in sort({[drop.path, drop.rule] | some drop in pipl.drop})
]

masks := [{"path": key[0], "how": key[1], "rule": key[2]} |
	some key in sort({[mask.path, mask.how, mask.rule] | some mask in (gateway.mask | pipl.mask)})
]

# A denial is logged too; where the tables cannot say how long, the longest known time counts.
default log_keep_days := 1827

log_keep_days := max({line.days |
	some line in tables.current.log_keep
	services.keeps(line)
})

default data_keep_days := null

data_keep_days := min({input.retention.days, input.retention.max_days})

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
	"obligations": {
		"drop": drops,
		"mask": masks,
		"log_keep_days": log_keep_days,
		"data_keep_days": data_keep_days,
	},
}
