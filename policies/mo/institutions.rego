# METADATA
# title: Institutions of Macao
# description: Critical infrastructure, electronic documents, rules of the Social Security Fund.
package xb.mo.institutions

import rego.v2

import data.xb.cn.services
import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
waive contains finding if some finding in set()

# METADATA
# title: Operators of critical infrastructure in Macao
# description: |
#   Such an operator names a security officer and reports every year. While the table's days of
#   grace run, since it was designated or since its report fell due, what is missing warns; after
#   them the supervisor decides.
# custom:
#   id: MO-13-2019-1
#   articles: ["Law 13/2019"]
#   verified: false
warn contains {"rule": "MO-13-2019-1", "path": path} if some path, "grace" in lacking

hold contains {"rule": "MO-13-2019-1", "path": path, "role": "mo_supervisor"} if {
	some path, "over" in lacking
}

operators[side] := party if {
	some side in ["s", "r"]
	party := input[side]
	not party.ciio == false
	not party.jurisdiction == "CN"
}

lacking[concat(".", [side, "security_officer"])] := stage(party) if {
	some side, party in operators
	not party.security_officer == true
}

lacking[concat(".", [side, "annual_report"])] := stage(party) if {
	some side, party in operators
	not party.annual_report in {"valid", "grace"}
}

lacking[concat(".", [side, "annual_report"])] := "grace" if {
	some side, party in operators
	party.annual_report == "grace"
}

stage(party) := "grace" if party.designated == "new"

stage(party) := "over" if not party.designated == "new"

# METADATA
# title: Electronic certificates
# description: |
#   An electronic certificate that travels has the seal of a recognised certifier and a timestamp.
# custom:
#   id: MO-2-2020-1
#   articles: ["Law 2/2020", "Law 5/2005"]
#   verified: false
deny contains {"rule": "MO-2-2020-1", "path": path} if {
	not input.document.state == "none"
	some path in unrecognised
}

unrecognised contains "document.state" if not input.document.state == "recognised"

unrecognised contains "document.timestamped" if not input.document.timestamped == true

# METADATA
# title: Days in Hengqin as presence in Macao
# description: |
#   Only a stay in Hengqin that began on the table's day or later counts as time in Macao. Days that
#   are sent for another exception to the 183 days wait for the Fund's data officer.
# custom:
#   id: MO-FSS-183-1
#   articles: ["Macao rules on habitual presence (183 days), Hengqin"]
#   verified: false
deny contains {"rule": "MO-FSS-183-1", "path": "content.stay"} if {
	input.t.purpose == "RESIDENCE_DAYS"
	not input.content.stay in {"none", "inside"}
}

hold contains {
	"rule": "MO-FSS-183-1",
	"path": "content.stay",
	"role": "fss_data_officer",
} if {
	input.t.purpose == "RESIDENCE_DAYS"
	input.content.stay == "none"
	some field in fields.kept
	field.name in {"stay_basis", "stay_from", "stay_to"}
}

# METADATA
# title: Evidence of benefits that are due
# description: |
#   The record of a transfer that is evidence of a benefit is kept until the benefit prescribes,
#   whatever shorter time was asked for.
# custom:
#   id: MO-FSS-29-1
#   articles: ["Law 4/2010 Art 29"]
#   verified: true
oblige contains {
	"rule": "MO-FSS-29-1",
	"verb": "log_keep",
	"value": line.days,
	"unit": "days",
} if {
	some line in tables.current.log_keep
	line.line == "MO-FSS-29-1"
	services.keeps(line)
}
