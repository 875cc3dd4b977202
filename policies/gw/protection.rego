# METADATA
# title: Protection, predicates and approvals
# description: Suites, certificates, the form of yes/no answers, decisions of officers.
package xb.gw.protection

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
