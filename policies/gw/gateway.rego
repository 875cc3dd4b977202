# METADATA
# title: Rules of the gateway itself
# description: Labels, worlds, freshness, rates, protection by level, masking.
package xb.gw.gateway

import rego.v2

import data.xb.lib.fields
import data.xb.lib.tables

# Of these, the ones that no rule here gives.
waive contains finding if some finding in set()

directions := {
	"CN": {"CN": "CN_INTERNAL", "MO": "CN2MO"},
	"MO": {"CN": "MO2CN", "MO": "MO_INTERNAL"},
}

# METADATA
# title: Labels of direction and origin
# description: |
#   The label of direction is there and fits where both parties sit; it is stated where the data
#   were collected.
# custom:
#   id: GW-DIR-1
#   articles: ["Project rule: direction of a transfer"]
#   verified: true
deny contains {"rule": "GW-DIR-1", "path": path} if {
	some path in misdirected
}

misdirected contains "t.direction" if {
	not directions[input.s.jurisdiction][input.r.jurisdiction] == input.t.direction
}

misdirected contains "s.region" if {
	tables.current.gba_cities[input.s.region] != input.s.jurisdiction
}

misdirected contains "r.region" if {
	tables.current.gba_cities[input.r.region] != input.r.jurisdiction
}

misdirected contains "dataset.origin" if not input.dataset.origin in {"CN", "MO", "MIXED"}

# METADATA
# title: Synthetic and real worlds apart
# description: No invented identifier in production, no real one in a test environment.
# custom:
#   id: GW-SYN-1
#   articles: ["Project rule: synthetic data"]
#   verified: true
deny contains {"rule": "GW-SYN-1", "path": "t.identifiers"} if {
	not input.t.identifiers in worlds[input.t.environment]
}

worlds := {"prod": {"none", "real"}, "test": {"none", "synthetic"}}

# METADATA
# title: Replay
# description: |
#   A submission is fresh at the caller's own node, and its request id was not used for
#   another body.
# custom:
#   id: GW-REPLAY-1
#   articles: ["Project rule: replay"]
#   verified: true
deny contains {"rule": "GW-REPLAY-1", "path": path} if {
	some path in replay
}

replay contains "t.freshness" if {
	not input.t.freshness in {"fresh", "elsewhere"}
}

replay contains "t.replayed" if {
	not input.t.replayed == false
}

# METADATA
# title: Rate of yes/no questions
# description: Questions on one person a day and by one requester an hour stay within the table.
# custom:
#   id: GW-RATE-1
#   articles: ["Project rule: enumeration"]
#   verified: true
deny contains {"rule": "GW-RATE-1", "path": path} if {
	some path, band in rates
	not band in {"low", "half"}
}

warn contains {"rule": "GW-RATE-1", "path": path} if {
	some path, band in rates
	band == "half"
}

rates["t.rate_person"] := input.t.rate_person if asks_own_node

rates["t.rate_hour"] := input.t.rate_hour if asks_own_node

asks_own_node if {
	input.t.mode == "predicate"
	input.t.leg == "request"
	not input.t.freshness == "elsewhere"
}

# METADATA
# title: The highest level travels for few purposes
# description: A field of level L4 is only sent as payload for the purposes in the table.
# custom:
#   id: GW-CLASS-1
#   articles: ["Project rule: data dictionary, level L4"]
#   verified: true
deny contains {"rule": "GW-CLASS-1", "path": field.path} if {
	not input.t.mode in {"predicate", "digest", "aggregate", "psi"}
	some field in fields.kept
	field.level == "L4"
	not input.t.purpose in tables.current.l4_purposes
}

# METADATA
# title: Protection by level
# description: |
#   L1 is signed, L2 also travels by TLS 1.3, L3 also sealed, L4 also signed by both and released by
#   the institution's data officer.
# custom:
#   id: GW-CLASS-2
#   articles: ["Project rule: data dictionary, protection by level"]
#   verified: true
deny contains {"rule": "GW-CLASS-2", "path": path} if {
	some path in unprotected
}

unprotected contains "crypto.gateway_signed" if not input.crypto.gateway_signed == true

unprotected contains "crypto.tls" if {
	fields.highest >= 2
	not input.crypto.tls == "1.3"
}

unprotected contains "crypto.payload_sealed" if {
	fields.highest >= 3
	not input.crypto.payload_sealed == true
}

unprotected contains "crypto.sender_signed" if {
	fields.highest >= 4
	not input.crypto.sender_signed == true
}

hold contains {
	"rule": "GW-CLASS-2",
	"path": "fields",
	"role": "data_officer",
} if {
	fields.highest >= 4
}

# The fields themselves are encrypted at the highest level, the payload as a whole below it.
oblige contains {
	"rule": "GW-CLASS-2",
	"verb": "encrypt",
	"value": fields.highest,
	"unit": "level",
} if {
	fields.highest >= 3
}

oblige contains {"rule": "GW-CLASS-2", "verb": "sign", "who": who} if {
	some who, least in {"gateway": 1, "sender": 4}
	fields.highest >= least
}

# METADATA
# title: Masking for those who do not decide
# description: |
#   Identifiers of level L3 and above are masked in an answer to a recipient that only shows it.
# custom:
#   id: GW-MASK-1
#   articles: ["PIPL Art 51", "Law 8/2005 Art 15"]
#   verified: false
oblige contains {"rule": "GW-MASK-1", "verb": "mask", "path": field.path, "how": how} if {
	input.t.leg == "answer"
	input.r.kind in tables.current.masking.recipients
	some field in fields.kept
	fields.rank[field.level] >= 3
	how := tables.current.masking.identifiers[field.identifier]
}

# METADATA
# title: An identifier that the masking table does not know
# description: Where no mask is known for an identifier that must be masked, nothing travels.
deny contains {"rule": "GW-MASK-1", "path": field.path} if {
	input.t.leg == "answer"
	input.r.kind in tables.current.masking.recipients
	some field in fields.kept
	fields.rank[field.level] >= 3
	field.identifier != "none"
	not tables.current.masking.identifiers[field.identifier]
}
