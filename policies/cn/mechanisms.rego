# METADATA
# title: Mechanisms and exemptions of export
# description: Which mechanism a volume calls for, how long it lasts, what exempts from it.
package xb.cn.mechanisms

import rego.v2

import data.xb.lib.fields
import data.xb.lib.leaving
import data.xb.lib.tables

# METADATA
# description: The exemption that is claimed instead of a mechanism.
claimed := input.m.exempt_art if {
	leaving.bound
	input.m.type == "exempt"
}

# METADATA
# description: |
#   True where the claimed exemption stands in the table of the day and a rule below denies it
#   unless the facts prove it.
judged if {
	tables.current.mechanisms.exemptions[claimed]
	claimed in {"NDSR35-6", "CBDF5-1", "CBDF5-2", "CBDF5-3", "CBDF5-4", "CBDF6"}
}

# METADATA
# description: |
#   True where the facts prove an exemption of CBDF Provisions Arts 5 or 6. None of them is for
#   important data.
exempted if {
	judged
	leaving.general
	claimed in (evidenced | (few | off_list))
}

# METADATA
# title: Duty that needs provision abroad
# description: |
#   Whoever exports because of a statutory duty has one as the basis, cites it and states why the
#   provision is necessary.
# custom:
#   id: CN-NDSR-35-6
#   articles: ["NDSR Art 35(6)"]
#   verified: true
deny contains {"rule": "CN-NDSR-35-6", "path": path} if {
	claimed == "NDSR35-6"
	some path in dutiless
}

dutiless contains "basis.cn" if {
	not tables.current.mechanisms.exemptions["NDSR35-6"] == input.basis.cn
}

dutiless contains "basis.cn_cited" if not input.basis.cn_cited == true

dutiless contains "basis.necessity" if not input.basis.necessity == true

# METADATA
# title: General data without personal information
# description: Such data need no mechanism; every other rule still looks at them.
# custom:
#   id: CN-CBDF-3-1
#   articles: ["CBDF Provisions Art 3"]
#   verified: true
waive contains {"rule": "CN-CBDF-3-1", "path": "fields"} if {
	leaving.abroad
	not fields.personal
	leaving.general
}

# METADATA
# title: Macao data that go back
# description: |
#   Personal information of Macao that was brought to the offshore zone and goes back with nothing
#   of the Mainland added needs no mechanism, and is stored apart.
# custom:
#   id: CN-CBDF-4-1
#   articles: ["CBDF Provisions Art 4"]
#   verified: false
waive contains {"rule": "CN-CBDF-4-1", "path": "dataset.origin"} if leaving.returned

oblige contains {
	"rule": "CN-CBDF-4-1",
	"verb": "separate_store",
	"about": "macao_origin",
} if {
	leaving.returned
}

# METADATA
# title: Evidence of an exemption
# description: |
#   Contract, staff matters or an emergency exempt only where they are the basis and the contract,
#   the labour rule or the emergency is on record and counts on the day.
# custom:
#   id: CN-CBDF-5-1
#   articles: ["CBDF Provisions Art 5(1) to (3)"]
#   verified: true
deny contains {"rule": "CN-CBDF-5-1", "path": path} if {
	proof[claimed]
	some path in unevidenced
}

waive contains {"rule": "CN-CBDF-5-1", "path": "m.exempt_art"} if {
	exempted
	claimed in evidenced
}

proof := {"CBDF5-1": "contract", "CBDF5-2": "labour_rule", "CBDF5-3": "emergency"}

evidenced contains claimed if {
	proof[claimed]
	count(unevidenced) == 0
}

unevidenced contains "m.evidence" if not input.m.evidence == proof[claimed]

unevidenced contains "basis.cn" if {
	not tables.current.mechanisms.exemptions[claimed] == input.basis.cn
}

# METADATA
# title: Small numbers
# description: |
#   Small numbers exempt only a sender that operates no critical infrastructure, only what is not
#   sensitive, and only below the table's number of persons since 1 January, with this transfer.
# custom:
#   id: CN-CBDF-5-4
#   articles: ["CBDF Provisions Art 5(4)"]
#   verified: false
deny contains {"rule": "CN-CBDF-5-4", "path": path} if {
	claimed == "CBDF5-4"
	some path in not_few
}

waive contains {"rule": "CN-CBDF-5-4", "path": "m.exempt_art"} if {
	exempted
	claimed in few
}

few contains "CBDF5-4" if count(not_few) == 0

not_few contains "s.ciio" if not input.s.ciio == false

not_few contains "counts.pi_year" if not input.counts.pi_year == "small"

not_few contains "content.youngest" if input.content.youngest == "child"

not_few contains field.path if {
	some field in fields.kept
	not field.sens_cn == false
}

# METADATA
# title: Off the list of a free trade zone
# description: |
#   A zone exempts only a sender that sits in it, only where its published list is loaded, and only
#   kinds of data that do not stand on the list.
# custom:
#   id: CN-CBDF-6-1
#   articles: ["CBDF Provisions Art 6"]
#   verified: true
deny contains {"rule": "CN-CBDF-6-1", "path": path} if {
	claimed == "CBDF6"
	some path in listed
}

waive contains {"rule": "CN-CBDF-6-1", "path": "m.exempt_art"} if {
	exempted
	claimed in off_list
}

off_list contains "CBDF6" if count(listed) == 0

zone_list := tables.current.free_trade_lists[input.s.zone]

listed contains "s.zone" if not count(zone_list.versions) > 0

listed contains field.path if {
	some field in fields.kept
	not unlisted(field)
}

unlisted(field) if {
	kind := fields.kind(field)
	not kind in zone_list.kinds
}

persons if {
	leaving.bound
	fields.personal
}

# Persons since 1 January, with this transfer and without exempt ones.
years["counts.pi_year"] := input.counts.pi_year

years["counts.spi_year"] := input.counts.spi_year

# METADATA
# title: Volumes that need an assessment
# description: |
#   From the table's numbers of persons on, a standard contract or a certificate is not enough: the
#   authority assesses.
# custom:
#   id: CN-CBDF-7-1
#   articles: ["CBDF Provisions Art 7"]
#   verified: false
deny contains {"rule": "CN-CBDF-7-1", "path": path} if {
	persons
	input.m.type in {"cn_sc", "certification"}
	some path, band in years
	not band in {"small", "contract"}
}

# METADATA
# title: Volumes that need a contract or certificate
# description: |
#   From the table's numbers of persons on, for sensitive information from the first, personal
#   information does not leave without mechanism or exemption.
# custom:
#   id: CN-CBDF-8-1
#   articles: ["CBDF Provisions Art 8"]
#   verified: false
deny contains {"rule": "CN-CBDF-8-1", "path": path} if {
	persons
	not input.m.type in tables.current.mechanisms.types
	not exempted
	not dutiful
	some path, band in years
	not band in {"small", "assessment"}
}

dutiful if {
	claimed == "NDSR35-6"
	count(dutiless) == 0
}

assessed if {
	leaving.bound
	input.m.type == "security_assessment"
}

# METADATA
# title: Years of an assessment
# description: |
#   An assessment of the authority lasts the table's years; near its end the extension is to be
#   applied for.
# custom:
#   id: CN-CBDF-9-1
#   articles: ["CBDF Provisions Art 9"]
#   verified: true
deny contains {"rule": "CN-CBDF-9-1", "path": "m.age"} if {
	assessed
	not input.m.age == "valid"
}

warn contains {"rule": "CN-CBDF-9-1", "path": "m.extension"} if extension_due

oblige contains {
	"rule": "CN-CBDF-9-1",
	"verb": "file",
	"who": "guangdong_cac",
	"about": "extension",
	"value": tables.current.thresholds.assessment_extension_working_days,
	"unit": "working_days",
} if {
	extension_due
}

extension_due if {
	assessed
	input.m.age == "valid"
	input.m.state == "valid"
	not input.m.extension in {"applied", "far"}
}

# METADATA
# title: No more than was assessed
# description: |
#   Purpose, manner, place of storage, kinds of data and number of persons stay within the
#   assessment.
# custom:
#   id: CN-CBDF-9-2
#   articles: ["NDSR Art 38"]
#   verified: true
deny contains {"rule": "CN-CBDF-9-2", "path": path} if {
	assessed
	some path in beyond
}

beyond contains "m.covers_purpose" if not input.m.covers_purpose == true

beyond contains "m.covers_mode" if not input.m.covers_mode == true

beyond contains "m.covers_storage" if not input.m.covers_storage == true

beyond contains "counts.assessed" if not input.counts.assessed in {"inside", "unlimited"}

beyond contains field.path if some field in fields.uncovered(input.m.kinds)

# METADATA
# title: Limits of certification
# description: |
#   A certificate lasts the table's years, and serves neither an operator of critical infrastructure
#   nor important data.
# custom:
#   id: CN-CERT-1
#   articles: ["PI Export Certification Measures"]
#   verified: true
deny contains {"rule": "CN-CERT-1", "path": path} if {
	leaving.bound
	input.m.type == "certification"
	some path in uncertified
}

uncertified contains "m.age" if not input.m.age == "valid"

uncertified contains "s.ciio" if not input.s.ciio == false

uncertified contains field.path if {
	some field in fields.kept
	field.class == "important"
}

# METADATA
# title: Volumes that were split
# description: |
#   Where a mechanism or exemption hangs on the number of persons, batches for one purpose and
#   recipient that together call for an assessment wait for the compliance officer.
# custom:
#   id: CN-CERT-2
#   articles: ["PI Export Certification Measures"]
#   verified: false
hold contains {"rule": "CN-CERT-2", "path": "counts.split", "role": "compliance"} if {
	persons
	volume_bound
	not input.counts.split == "no"
}

volume_bound if input.m.type in {"cn_sc", "certification"}

volume_bound if claimed == "CBDF5-4"

# METADATA
# title: Standard contract filed
# description: |
#   The general standard contract is filed within the table's number of Mainland working days of
#   effect; inside that window it is to be filed.
# custom:
#   id: CN-SCC-7-1
#   articles: ["Standard Contract Measures Art 7"]
#   verified: true
deny contains {"rule": "CN-SCC-7-1", "path": "m.filing"} if {
	leaving.bound
	input.m.type == "cn_sc"
	not input.m.filing in {"filed", "inside"}
}

oblige contains {
	"rule": "CN-SCC-7-1",
	"verb": "file",
	"who": "guangdong_cac",
	"about": "contract",
	"value": tables.current.thresholds.cn_filing_working_days,
	"unit": "working_days",
} if {
	leaving.bound
	input.m.type == "cn_sc"
	input.m.filing == "inside"
}
