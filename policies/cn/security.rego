# METADATA
# title: Data security of the Mainland
# description: Secrets, core and important data, labels, network logs.
package xb.cn.security

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: State and work secrets
# description: Nothing that holds a secret is exchanged, whatever would be dropped.
# custom:
#   id: CN-SEC-1
#   articles: ["NDSR Art 63", "DSL Art 53"]
#   verified: true
deny contains {"rule": "CN-SEC-1", "path": field.path} if {
	some field in input.fields
	not field.secret == false
}

# METADATA
# title: Core data
# description: Core data is never exchanged; nobody can override this.
# custom:
#   id: CN-DSL-21-1
#   articles: ["DSL Art 21"]
#   verified: true
deny contains {"rule": "CN-DSL-21-1", "path": field.path} if {
	some field in input.fields
	field.class == "core"
}

# METADATA
# title: Every field is labelled
# description: |
#   A field that would travel has level, class and both sensitivities on it, and its level is not
#   above that of its dataset.
# custom:
#   id: CN-DSL-21-2
#   articles: ["DSL Art 21", "GB/T 43697-2024"]
#   verified: false
deny contains {"rule": "CN-DSL-21-2", "path": field.path} if {
	some field in input.fields
	fields.carried(field)
	not labelled(field)
}

deny contains {"rule": "CN-DSL-21-2", "path": "dataset.level"} if {
	some field in input.fields
	fields.carried(field)
	fields.rank[field.level] > fields.rank[input.dataset.level]
}

labelled(field) if {
	field.labelled == true
	field.level in {"L1", "L2", "L3", "L4"}
	field.class in {"general", "important", "core"}
}

# METADATA
# title: Important data needs a security assessment
# description: Important data leaves the Mainland only under the assessment of the authority.
# custom:
#   id: CN-DSL-31-1
#   articles: ["DSL Art 31", "NDSR Art 37", "CBDF Provisions Art 7"]
#   verified: true
deny contains {"rule": "CN-DSL-31-1", "path": field.path} if {
	input.t.direction == "CN2MO"
	some field in fields.kept
	field.class == "important"
	not assessed
}

assessed if {
	input.m.type == "security_assessment"
	input.m.state == "valid"
}

# METADATA
# title: Important data was told or published
# description: |
#   Only what was told or published as important is important; where a field says so and no notice
#   is known, the classification officer relabels it or attaches the notice.
# custom:
#   id: CN-CBDF-2-1
#   articles: ["CBDF Provisions Art 2", "NDSR Art 29"]
#   verified: true
hold contains {
	"rule": "CN-CBDF-2-1",
	"path": "dataset.noticed",
	"role": "classification_officer",
} if {
	important
	not input.dataset.noticed == true
}

important if {
	some field in fields.kept
	field.class == "important"
}

# METADATA
# title: Risk assessment of important data
# description: |
#   Before important data is provided its risk is assessed, but where a statutory duty is the basis.
# custom:
#   id: CN-NDSR-31-1
#   articles: ["NDSR Art 31"]
#   verified: true
deny contains {"rule": "CN-NDSR-31-1", "path": "risk_assessment.state"} if {
	important
	not input.basis.cn == "statutory_duty"
	not input.risk_assessment.state == "valid"
}

# METADATA
# title: Network logs
# description: |
#   Nothing moves while the log cannot be written or is kept too short; it is kept for the table's
#   days.
# custom:
#   id: CN-CSL-23-1
#   articles: ["CSL Art 23 (formerly 21)"]
#   verified: true
deny contains {"rule": "CN-CSL-23-1", "path": path} if {
	some path in unlogged
}

unlogged contains "log.ok" if not input.log.ok == true

unlogged contains "log.retention" if not input.log.retention == "enough"

oblige contains {
	"rule": "CN-CSL-23-1",
	"verb": "log_keep",
	"value": tables.current.thresholds.log_days,
	"unit": "days",
}
