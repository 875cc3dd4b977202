# METADATA
# title: Tables of the day
# description: |
#   The officers' tables as they stand on the day of the transfer. The projection says which edition
#   that is, so that no rule ever compares a date.
package xb.lib.tables

import rego.v2

current := data.tables[input.effective]
