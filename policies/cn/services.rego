# METADATA
# title: Public services of the Mainland
# description: Catalogue and scenario, confidentiality of social insurance, verification first.
package xb.cn.services

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()

# METADATA
# title: Registered data in an authorised scenario
# description: The dataset stands in the resource register and the scenario is authorised for it.
# custom:
#   id: ZH-CAT-1
#   articles: ["Zhuhai: authorisation by application and by scenario"]
#   verified: true
deny contains {"rule": "ZH-CAT-1", "path": path} if {
	some path in uncatalogued
}

uncatalogued contains "dataset.registered" if not input.dataset.registered == true

uncatalogued contains "scenario.authorised" if not input.scenario.authorised == true

# METADATA
# title: An approved application
# description: |
#   The recipient's application for this dataset in this scenario was approved and is in force;
#   otherwise the provider's chief data officer decides.
# custom:
#   id: ZH-CAT-2
#   articles: ["Zhuhai: authorisation by application and by scenario"]
#   verified: true
hold contains {"rule": "ZH-CAT-2", "path": "scenario.application", "role": "cdo"} if {
	not input.scenario.application == "valid"
}

# METADATA
# title: Confidentiality of social insurance
# description: Social insurance records go only to the kinds of bodies listed for the purpose.
# custom:
#   id: CN-SI-81-1
#   articles: ["SIL Art 81", "SI Regulations Art 49"]
#   verified: true
deny contains {"rule": "CN-SI-81-1", "path": "r.kind"} if {
	fields.personal
	not input.t.mode in {"predicate", "digest", "aggregate"}
	not input.r.kind in tables.current.social_bodies[input.t.purpose]
}

# METADATA
# title: Verification first
# description: |
#   The answer is given in a way that the table lists for this purpose, leg and kind of recipient;
#   a richer way is denied, and so are counts of fewer persons than the table's smallest cell.
# custom:
#   id: JA-SVC-1
#   articles: ["SI Regulations Art 31", "Jing'an: verification instead of certificates"]
#   verified: true
deny contains {"rule": "JA-SVC-1", "path": "t.mode"} if not mode_serves

mode_serves if {
	some line in tables.current.modes[input.t.purpose]
	line.mode == input.t.mode
	input.t.leg in line.legs
	some kind in line.recipients
	kind in {"*", input.r.kind}
	fields.highest <= line.level_max
}

deny contains {"rule": "JA-SVC-1", "path": "content.cells"} if {
	input.t.mode == "aggregate"
	input.content.cells == "small"
}

# METADATA
# title: Nothing is asked for twice
# description: |
#   What the case already holds, or the recipient's own government, is not asked for again, nor the
#   same person asked about more often than the table allows.
# custom:
#   id: JA-SVC-2
#   articles: ["SI Regulations Art 31", "Government Data Sharing Regulations (Decree 809)"]
#   verified: false
deny contains {"rule": "JA-SVC-2", "path": path} if {
	not input.t.leg == "answer"
	some path in repeated
}

repeated contains "case.evidence_held" if input.case.evidence_held in {"case", "own_government"}

repeated contains "counts.repeats" if input.counts.repeats == "over"

# METADATA
# description: Whether a line of the log retention table speaks of this transfer.
keeps(line) if line.when == "always"

keeps(line) if {
	line.when == "personal"
	fields.personal
}

keeps(line) if {
	line.when == "purpose"
	input.t.purpose in line.purposes
}
