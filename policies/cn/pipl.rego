# METADATA
# title: Personal Information Protection Law
# description: Basis, consent, notice, minimisation, retention and impact assessment.
package xb.cn.pipl

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: A legal basis
# description: Personal information is handled on one of the seven bases of the law.
# custom:
#   id: CN-PIPL-13-1
#   articles: ["PIPL Art 13"]
#   verified: true
deny contains {"rule": "CN-PIPL-13-1", "path": "basis.cn"} if {
	fields.personal
	not input.basis.cn in tables.current.grounds.cn_basis
}

# METADATA
# title: A statutory duty is cited and is one's own
# description: Whoever relies on a statutory duty cites it and has the purpose among its powers.
# custom:
#   id: CN-PIPL-13-2
#   articles: ["PIPL Art 13(3)", "PIPL Art 34", "DSL Art 38"]
#   verified: true
deny contains {"rule": "CN-PIPL-13-2", "path": path} if {
	fields.personal
	input.basis.cn == "statutory_duty"
	some path in undutiful
}

undutiful contains "basis.cn_cited" if not input.basis.cn_cited == true

undutiful contains "s.has_power" if not input.s.has_power == true

# METADATA
# title: Consent covers the purpose
# description: |
#   On the basis of consent there is one, in force, for this purpose and every kind of data that
#   travels.
# custom:
#   id: CN-PIPL-14-1
#   articles: ["PIPL Art 14", "NDSR Art 22"]
#   verified: true
deny contains {"rule": "CN-PIPL-14-1", "path": path} if {
	fields.personal
	input.basis.cn == "consent"
	some path in unconsented
}

unconsented contains "consent.state" if not input.consent.state in {"valid", "withdrawn"}

unconsented contains "consent.covers_purpose" if not input.consent.covers_purpose == true

unconsented contains field.path if {
	not input.consent.state == "none"
	some field in fields.uncovered(input.consent.kinds)
}

# METADATA
# title: Consent was not withdrawn
# description: A withdrawn consent ends the transfers that rest on it, on either side.
# custom:
#   id: CN-PIPL-15-1
#   articles: ["PIPL Art 15", "PIPL Art 47"]
#   verified: false
deny contains {"rule": "CN-PIPL-15-1", "path": "consent.state"} if {
	"consent" in {input.basis.cn, input.basis.mo}
	input.consent.state == "withdrawn"
}

oblige contains {
	"rule": "CN-PIPL-15-1",
	"verb": "delete_confirm",
	"who": "recipient",
	"value": tables.current.thresholds.withdrawal_deletion_working_days,
	"unit": "working_days",
} if {
	"consent" in {input.basis.cn, input.basis.mo}
	input.consent.state == "withdrawn"
}

# METADATA
# title: Notice
# description: |
#   The person was told handler, purpose, manner, kinds, retention and rights, and for sensitive
#   information also necessity and effect, unless the law spares the notice.
# custom:
#   id: CN-PIPL-17-1
#   articles: ["PIPL Art 17", "PIPL Art 30", "NDSR Art 21"]
#   verified: true
deny contains {"rule": "CN-PIPL-17-1", "path": concat(".", ["notice.items", item])} if {
	fields.personal
	not input.notice.exempt_cn == true
	some item in told
	not item in input.notice.items
}

told contains item if some item in tables.current.notice_items.cn

told contains item if {
	fields.sensitive_cn
	some item in tables.current.notice_items.cn_sensitive
}

# METADATA
# title: No more than the purpose needs
# description: |
#   A field that the table does not list for this purpose in this direction is dropped; if the
#   message cannot be without it, the transfer is denied.
# custom:
#   id: CN-PIPL-6-1
#   articles: ["PIPL Art 6"]
#   verified: true
deny contains {"rule": "CN-PIPL-6-1", "path": field.path} if {
	some field in fields.dropped
	not field.required == false
}

oblige contains {"rule": "CN-PIPL-6-1", "verb": "drop", "path": field.path} if {
	some field in fields.dropped
}

oblige contains {"rule": "CN-PIPL-6-1", "verb": "mask", "path": field.path, "how": how} if {
	some field in fields.kept
	how := fields.row(field).mask
	how != "none"
}

# METADATA
# title: Kept no longer than necessary
# description: |
#   The retention asked for stays within the table's maximum for the purpose; when it is over, the
#   recipient confirms that it deleted the data.
# custom:
#   id: CN-PIPL-19-1
#   articles: ["PIPL Art 19", "PIPL Art 47"]
#   verified: false
deny contains {"rule": "CN-PIPL-19-1", "path": "retention.days"} if {
	fields.personal
	not input.retention.days <= input.retention.max_days
}

oblige contains {
	"rule": "CN-PIPL-19-1",
	"verb": "data_keep",
	"value": input.retention.days,
	"unit": "days",
} if {
	kept_in_time
}

oblige contains {
	"rule": "CN-PIPL-19-1",
	"verb": "delete_confirm",
	"who": "recipient",
	"value": input.retention.days,
	"unit": "days",
} if {
	kept_in_time
}

kept_in_time if {
	fields.personal
	input.retention.days <= input.retention.max_days
}

# METADATA
# title: Impact assessment
# description: |
#   An impact assessment made before the transfer covers its purpose and every kind of data that
#   travels, and names its recipient.
# custom:
#   id: CN-PIPL-55-1
#   articles: ["PIPL Art 55"]
#   verified: true
deny contains {"rule": "CN-PIPL-55-1", "path": path} if {
	fields.personal
	some path in unassessed
}

unassessed contains "pipia.state" if not input.pipia.state == "valid"

unassessed contains "pipia.covers_purpose" if not input.pipia.covers_purpose == true

unassessed contains "pipia.names_recipient" if not input.pipia.names_recipient == true

unassessed contains field.path if {
	not input.pipia.state == "none"
	some field in fields.uncovered(input.pipia.kinds)
}
