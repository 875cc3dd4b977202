# METADATA
# title: Processing under Law 8/2005
# description: Quality, sensitive data, combination, rights of the person, security, notification.
package xb.mo.processing

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
