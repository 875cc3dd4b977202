# METADATA
# title: Duties of operators
# description: Large holders, technical operators, incidents and reporting them.
package xb.cn.operators

import rego.v2

import data.xb.lib.tables

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: Reporting a security incident
# description: |
#   From a relatively major incident on, each Mainland operator that it strikes tells the authority
#   within hours: soonest if it runs critical infrastructure, sooner if it is a central organ.
# custom:
#   id: CN-CSIR-4-1
#   articles: ["National Cybersecurity Incident Reporting Measures Art 4"]
#   verified: true
oblige contains {
	"rule": "CN-CSIR-4-1",
	"verb": "notify",
	"who": "guangdong_cac",
	"about": "incident",
	"value": tables.current.thresholds[term],
	"unit": "hours",
} if {
	input.incident.state == "open"
	not input.incident.severity == "ordinary"
	some term in reporting
}

reporting contains reports_within(input.s) if {
	input.s.jurisdiction == "CN"
	struck("sender")
}

reporting contains reports_within(input.r) if {
	input.r.jurisdiction == "CN"
	struck("recipient")
}

# Both sides answer for the data and for the paper that they exchange them under.
struck(side) if {
	some part in {side, "dataset", "mechanism"}
	not input.incident[part] == false
}

reports_within(party) := "incident_ciio_hours" if not party.ciio == false

reports_within(party) := "incident_central_hours" if {
	party.ciio == false
	not party.central_organ == false
}

reports_within(party) := "incident_other_hours" if {
	party.ciio == false
	party.central_organ == false
}
