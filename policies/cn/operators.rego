# METADATA
# title: Duties of operators
# description: Large holders, technical operators, incidents and reporting them.
package xb.cn.operators

import rego.v2

import data.xb.lib.tables

# Of these, the ones that no rule here gives.
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
	strikes("sender")
}

reporting contains reports_within(input.r) if {
	input.r.jurisdiction == "CN"
	strikes("recipient")
}

# Both sides answer for the data and for the paper that they exchange them under.
strikes(side) if {
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

# METADATA
# title: Large holders
# description: |
#   Whoever holds information about as many persons as the table says names a security officer and
#   has reported on data risk within the table's months.
# custom:
#   id: CN-NDSR-28-1
#   articles: ["NDSR Art 28", "NDSR Art 30", "NDSR Art 33"]
#   verified: true
deny contains {"rule": "CN-NDSR-28-1", "path": path} if {
	input.s.holdings == "large"
	some path in unprepared
}

unprepared contains "s.security_officer" if not input.s.security_officer == true

unprepared contains "s.annual_report" if not input.s.annual_report == "valid"

# METADATA
# title: Technical operators see nothing
# description: |
#   Who runs the technology for state organs neither reads, keeps nor links what they exchange, and
#   is not a party of an exchange.
# custom:
#   id: CN-NDSR-16-1
#   articles: ["NDSR Art 16", "DSL Art 40"]
#   verified: true
deny contains {"rule": "CN-NDSR-16-1", "path": path} if {
	some path in looked_into
}

looked_into contains "t.operator_reads" if not input.t.operator_reads == false

looked_into contains "s.role" if input.s.role == "technical_operator"

looked_into contains "r.role" if input.r.role == "technical_operator"

# METADATA
# title: Open incidents
# description: |
#   While a security incident of the dataset, of a party or of the paper that the transfer rests on
#   is open, nothing new is sent; the authority and the persons concerned are told at once.
# custom:
#   id: CN-PIPL-57-1
#   articles: ["PIPL Art 57", "NDSR Art 11"]
#   verified: true
deny contains {"rule": "CN-PIPL-57-1", "path": path} if {
	some path in struck
}

struck contains "incident.state" if not input.incident.state in {"none", "open"}

struck contains path if {
	not input.incident.state == "none"
	some path in struck_parts
}

struck_parts contains "incident.dataset" if not input.incident.dataset == false

struck_parts contains "incident.sender" if not input.incident.sender == false

struck_parts contains "incident.recipient" if not input.incident.recipient == false

# Under the GBA contract, GBA-SC-11 looks at what strikes the contract itself.
struck_parts contains "incident.mechanism" if {
	not input.m.type == "gba_sc"
	not input.incident.mechanism == false
}

oblige contains {"rule": "CN-PIPL-57-1", "verb": "notify", "who": who, "about": "incident"} if {
	count(struck) > 0
	some who in {"guangdong_cac", "subject"}
}
