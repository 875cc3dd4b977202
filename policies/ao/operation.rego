# METADATA
# title: Authorised operation of public data
# description: What the Hangzhou plan asks of an agreement, its operator and its products.
package xb.ao.operation

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
