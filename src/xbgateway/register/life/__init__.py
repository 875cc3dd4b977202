"""The life of every kind of register record: states, what leads from one to another, what is due.

Pure functions over records of ``entries.py`` and ``instruments.py``. Start with ``advance.py``.
"""

from xbgateway.register.life.advance import (
    advance,
    deadlines,
    events,
    field_types,
    legal,
    state_of,
)
from xbgateway.register.life.kinds import MACHINES
from xbgateway.register.life.machine import Event, Guard, Machine
from xbgateway.register.life.terms import Due, Terms

__all__ = [
    "MACHINES",
    "Due",
    "Event",
    "Guard",
    "Machine",
    "Terms",
    "advance",
    "deadlines",
    "events",
    "field_types",
    "legal",
    "state_of",
]
