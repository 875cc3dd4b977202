# METADATA
# title: Protection, predicates and approvals
# description: Suites, certificates, the form of yes/no answers, decisions of officers.
package xb.gw.protection

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()

# METADATA
# title: Suites and keys
# description: |
#   The payload is protected by a suite that the table lists for the sender's side, the client came
#   by TLS 1.3, and keys for data of the highest level lie in a hardware module.
# custom:
#   id: GW-CRYPTO-1
#   articles: ["PIPL Art 51", "Cryptography Law", "Law 8/2005 Art 15"]
#   verified: false
deny contains {"rule": "GW-CRYPTO-1", "path": path} if {
	some path in weak
}

weak contains "crypto.suite" if {
	not input.crypto.suite in tables.current.crypto_suites[input.s.jurisdiction]
}

weak contains "crypto.tls" if not input.crypto.tls == "1.3"

weak contains "crypto.key_store" if {
	fields.highest >= 4
	not input.crypto.key_store == "hsm"
}

# METADATA
# title: Signatures and certificate
# description: |
#   Sender and gateway signed, and the sender's certificate is neither expired nor revoked. A
#   certificate that nobody looked at does not count.
# custom:
#   id: GW-SIGN-1
#   articles: ["Electronic Signature Law", "Law 5/2005"]
#   verified: false
deny contains {"rule": "GW-SIGN-1", "path": path} if {
	some path in unsigned
}

unsigned contains "crypto.sender_signed" if not input.crypto.sender_signed == true

unsigned contains "crypto.gateway_signed" if not input.crypto.gateway_signed == true

unsigned contains "crypto.certificate" if not input.crypto.certificate == "valid"

# METADATA
# title: A yes or no says no more than that
# description: |
#   The answer to a yes/no question has fields of fixed words alone: no text, no number, nothing
#   that tells time apart more finely than the table's months.
# custom:
#   id: GW-PRED-1
#   articles: ["Project rule: usable, not visible"]
#   verified: true
deny contains {"rule": "GW-PRED-1", "path": path} if {
	input.t.mode == "predicate"
	not input.t.leg == "request"
	some path in talkative
}

talkative contains field.path if {
	some field in fields.kept
	not field.shape in {"bool", "enum"}
}

talkative contains "content.bucket" if not input.content.bucket in {"none", "wide"}

# METADATA
# title: Who decides, and by when
# description: |
#   What a rule holds is decided by its role within the table's working days, by the calendar of
#   that role's authority, and never by whoever asked.
# custom:
#   id: GW-APPR-1
#   articles: ["Project rule: approvals"]
#   verified: true
deny contains {"rule": "GW-APPR-1", "path": path} if {
	some finding in data.xb.asked
	some path in undecided(finding.role)
}

undecided(role) := self_approved | {place |
	waiting := {"CN": "hold_cn", "MO": "hold_mo"}[calendar(role)]
	not input.case[waiting] in {"none", "inside"}
	place := concat(".", ["case", waiting])
}

self_approved contains "case.self_approved" if not input.case.self_approved == false

calendar(role) := authority if {
	authority := tables.current.roles[role]
	authority != "institution"
}

calendar(role) := input.s.jurisdiction if tables.current.roles[role] == "institution"
