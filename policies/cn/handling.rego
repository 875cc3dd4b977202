# METADATA
# title: Handling for and by others
# description: Contracts, processors, automated results, deletion, protection, records.
package xb.cn.handling

import rego.v2

import data.xb.cn.services
import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: Entrusting
# description: |
#   A processor receives personal information under an entrusting contract in force that names both
#   parties and the purpose; whom it lets process for it was approved there.
# custom:
#   id: CN-PIPL-21-1
#   articles: ["PIPL Art 21"]
#   verified: true
deny contains {"rule": "CN-PIPL-21-1", "path": path} if {
	fields.personal
	input.r.role == "processor"
	some path in not_entrusted
}

not_entrusted contains "contract.state" if not input.contract.state == "valid"

not_entrusted contains path if {
	not input.contract.state == "none"
	some path in contract_flaws
}

contract_flaws contains "contract.type" if not input.contract.type == "entrusting"

contract_flaws contains "contract.names_parties" if not input.contract.names_parties == true

contract_flaws contains "contract.covers_purpose" if not input.contract.covers_purpose == true

contract_flaws contains "contract.subprocessors_approved" if {
	not input.contract.subprocessors_approved == true
}

# METADATA
# title: No adverse result by a machine alone
# description: |
#   Where a result stops, refuses or reduces a benefit and no person decides that, the case officer
#   has to.
# custom:
#   id: CN-PIPL-24-1
#   articles: ["PIPL Art 24"]
#   verified: true
hold contains {"rule": "CN-PIPL-24-1", "path": "t.adverse", "role": "case_officer"} if {
	fields.personal
	not input.t.adverse in {"none", "reviewed"}
}

# METADATA
# title: Nothing more once the case is closed
# description: |
#   In a closed case nothing more is sent, and the recipient confirms within the table's days that
#   it deleted what it has, unless a law asks for keeping it.
# custom:
#   id: CN-PIPL-47-1
#   articles: ["PIPL Art 47"]
#   verified: false
deny contains {"rule": "CN-PIPL-47-1", "path": "case.status"} if {
	over
}

oblige contains {
	"rule": "CN-PIPL-47-1",
	"verb": "delete_confirm",
	"who": "recipient",
	"value": tables.current.thresholds.case_deletion_days,
	"unit": "days",
} if {
	over
	not input.retention.legal == true
}

over if {
	fields.personal
	input.case.status == "closed"
}

# METADATA
# title: Protection on the way
# description: |
#   Personal information travels by TLS 1.3, and from level L3 on sealed.
# custom:
#   id: CN-PIPL-51-1
#   articles: ["PIPL Art 51", "NDSR Art 9"]
#   verified: true
deny contains {"rule": "CN-PIPL-51-1", "path": path} if {
	fields.personal
	some path in exposed
}

exposed contains "crypto.tls" if not input.crypto.tls == "1.3"

exposed contains "crypto.payload_sealed" if {
	fields.highest >= fields.rank.L3
	not input.crypto.payload_sealed == true
}

# METADATA
# title: Assessments and records are kept
# description: |
#   The report of an impact assessment is kept for the table's years after its approval, and the
#   record of the handling as long. Where there is no assessment, CN-PIPL-55-1 denies.
# custom:
#   id: CN-PIPL-56-1
#   articles: ["PIPL Art 56"]
#   verified: true
deny contains {"rule": "CN-PIPL-56-1", "path": "pipia.kept"} if {
	fields.personal
	not input.pipia.state == "none"
	not input.pipia.kept == "enough"
}

oblige contains {
	"rule": "CN-PIPL-56-1",
	"verb": "log_keep",
	"value": line.days,
	"unit": "days",
} if {
	some line in tables.current.log_keep
	line.line == "CN-PIPL-56-1"
	services.keeps(line)
}
