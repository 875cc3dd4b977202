"""Every kind of record that has a life, by name."""

from collections.abc import Mapping

from xbgateway.register.life import agreement
from xbgateway.register.life.machine import Machine

MACHINES: Mapping[str, Machine] = {one.kind: one for one in (agreement.MACHINE,)}
