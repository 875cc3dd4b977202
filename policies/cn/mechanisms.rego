# METADATA
# title: Mechanisms and exemptions of export
# description: Which mechanism a volume calls for, how long it lasts, what exempts from it.
package xb.cn.mechanisms

import rego.v2

# Of these, the ones that no rule here gives.
deny contains finding if some finding in set()

hold contains finding if some finding in set()

warn contains finding if some finding in set()

waive contains finding if some finding in set()

oblige contains duty if some duty in set()
