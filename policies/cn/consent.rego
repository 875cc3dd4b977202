# METADATA
# title: Consent, special grounds and sensitive information
# description: What consent, emergency, sensitive information and children ask for besides a basis.
package xb.cn.consent

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
warn contains finding if some finding in set()

waive contains finding if some finding in set()

# METADATA
# title: An emergency lasts some hours
# description: |
#   An emergency carries transfers for the hours in the table. After them, or where its beginning is
#   not registered, the officer decides whether it goes on, and the person is told.
# custom:
#   id: CN-PIPL-13-3
#   articles: ["PIPL Art 13(4)", "PIPL Art 18"]
#   verified: false
hold contains {
	"rule": "CN-PIPL-13-3",
	"path": "basis.emergency",
	"role": "pi_protection_officer",
} if {
	no_longer_urgent
}

oblige contains {
	"rule": "CN-PIPL-13-3",
	"verb": "notify",
	"who": "subject",
	"about": "emergency",
} if {
	no_longer_urgent
}

no_longer_urgent if {
	fields.personal
	input.basis.cn == "emergency"
	not input.basis.emergency == "inside"
}

# METADATA
# title: Separate consent for another handler
# description: |
#   On the basis of consent, what goes to another handler needs a separate one that names the
#   recipient. Where there is no consent at all, CN-PIPL-14-1 denies.
# custom:
#   id: CN-PIPL-23-1
#   articles: ["PIPL Art 23"]
#   verified: true
deny contains {"rule": "CN-PIPL-23-1", "path": path} if {
	rests_on_consent
	not input.t.direction in {"MO2CN", "MO_INTERNAL"}
	not input.r.role == "processor"
	some path in not_for_recipient
}

not_for_recipient contains "consent.kind" if not separate

not_for_recipient contains "consent.names_recipient" if {
	not input.consent.names_recipient == true
}

rests_on_consent if {
	fields.personal
	input.basis.cn == "consent"
	not input.consent.state == "none"
}

separate if input.consent.kind in {"separate", "written", "guardian"}

# METADATA
# title: Sensitive information needs a specific purpose and necessity
# description: |
#   Sensitive information travels for a purpose that concerns the persons themselves and whose
#   necessity is stated, encrypted at the highest level.
# custom:
#   id: CN-PIPL-28-1
#   articles: ["PIPL Art 28"]
#   verified: true
deny contains {"rule": "CN-PIPL-28-1", "path": path} if {
	fields.sensitive_cn
	some path in unnecessary
}

unnecessary contains "t.purpose" if not input.t.purpose in tables.current.purposes.personal

unnecessary contains "basis.necessity" if not input.basis.necessity == true

oblige contains {
	"rule": "CN-PIPL-28-1",
	"verb": "encrypt",
	"value": fields.rank.L4,
	"unit": "level",
} if {
	fields.sensitive_cn
}

# METADATA
# title: Separate consent for sensitive information
# description: On the basis of consent, sensitive information needs a separate or written one.
# custom:
#   id: CN-PIPL-29-1
#   articles: ["PIPL Art 29", "NDSR Art 22"]
#   verified: true
deny contains {"rule": "CN-PIPL-29-1", "path": "consent.kind"} if {
	rests_on_consent
	fields.sensitive_cn
	not separate
}

# METADATA
# title: Persons under 14
# description: |
#   Whoever handles information of a person under 14 has rules of its own for that; on the basis of
#   consent it is a parent's or guardian's. All of it is sensitive and of level L4.
# custom:
#   id: CN-PIPL-31-1
#   articles: ["PIPL Art 28", "PIPL Art 31"]
#   verified: true
deny contains {"rule": "CN-PIPL-31-1", "path": path} if {
	fields.child
	some path in unguarded
}

unguarded contains "s.child_rules" if not input.s.child_rules == true

unguarded contains "r.child_rules" if not input.r.child_rules == true

unguarded contains "consent.kind" if {
	rests_on_consent
	not input.consent.kind == "guardian"
}
