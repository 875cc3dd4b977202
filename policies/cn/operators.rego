# METADATA
# title: Duties of operators
# description: Large holders, technical operators, incidents and reporting them.
package xb.cn.operators

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
