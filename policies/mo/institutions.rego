# METADATA
# title: Institutions of Macao
# description: Critical infrastructure, electronic documents, rules of the Social Security Fund.
package xb.mo.institutions

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
