# METADATA
# title: Fields that would travel
# description: |
#   Surplus fields are dropped first; every other rule about fields looks at what would really
#   travel, except the two rules on secrets and core data, which look at everything present.
package xb.lib.fields

import rego.v2

import data.xb.lib.tables

rank := {"L1": 1, "L2": 2, "L3": 3, "L4": 4}

# METADATA
# description: The dictionary's row for a field, for this purpose in this direction.
row(field) := tables.current.allowed_fields[input.t.purpose][input.t.direction][field.name]

# METADATA
# description: |
#   True where both the officers' table and the provider's own label let this field travel.
carried(field) if {
	field.label_allows == true
	condition_met(row(field).condition)
}

condition_met("always")

condition_met("consent") if {
	input.consent.state == "valid"
	input.consent.covers_purpose == true
}

# METADATA
# description: |
#   What would travel. All of it is sensitive and of the highest level where a person under 14 is
#   concerned (PIPL Arts 28 and 31), whatever its label says.
kept contains travelling(field) if {
	some field in input.fields
	carried(field)
}

travelling(field) := object.union(field, {"level": "L4", "sens_cn": true}) if child

travelling(field) := field if not child

# METADATA
# description: Whether a person under 14 is known to be among those concerned.
child if {
	input.content.youngest == "child"
	personal
}

dropped contains field if {
	some field in input.fields
	not carried(field)
}

highest := max({0} | {rank[field.level] | some field in kept})

sensitive_cn if {
	some field in kept
	field.sens_cn == true
}

sensitive_mo if {
	some field in kept
	field.sens_mo == true
}

# METADATA
# description: The kind of data that a field is; undefined where the table has no row for it.
kind(field) := tables.current.field_kinds[field.name]

# METADATA
# description: |
#   The fields that would travel and whose kind a paper does not cover. A paper that does not limit
#   kinds has "*"; a field of no kind is covered by no other paper.
uncovered(kinds) := {field | some field in kept; not "*" in kinds; not kind(field) in kinds}

# METADATA
# description: |
#   The fields of a special category of Macao law (health, biometric, private_life, offence,
#   credit), whether they would travel or be dropped.
special(category) := {field |
	some field in input.fields
	field.name in tables.current.special_fields[category]
}

# METADATA
# description: |
#   Whether the transfer carries personal information. Everything does, but an empty message and an
#   aggregate that names nobody and has neither identifiers nor fields of the upper two levels.
personal if not impersonal

impersonal if {
	input.t.subjects == "none"
	count(input.fields) == 0
}

impersonal if {
	input.t.subjects == "none"
	input.t.mode == "aggregate"
	every field in input.fields {
		field.level in {"L1", "L2"}
		field.identifier == "none"
		field.sens_cn == false
		field.sens_mo == false
	}
}
