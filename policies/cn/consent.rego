# METADATA
# title: Consent, special grounds and sensitive information
# description: What consent, emergency, sensitive information and children ask for besides a basis.
package xb.cn.consent

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
