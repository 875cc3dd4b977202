"""One-stop cases as pure rules: what a type declares, and what follows from what has happened.

Nothing here reads a clock, a store or a socket. ``declaration`` makes a :class:`CaseType` of an
officer's document, ``machine`` says what state a case is in and what it wants next, ``filling``
makes messages of an application. Whoever keeps and runs cases is the room ``casework``.
"""

from .declaration import load_type, load_types
from .filling import at, filled, matching
from .machine import (
    Deadline,
    DueDay,
    Moved,
    Standing,
    checked,
    deadlines,
    moved,
    opened,
    read,
    wanted,
)
from .types import Act, CaseType, Ending, Send, State, Term

__all__ = [
    "Act",
    "CaseType",
    "Deadline",
    "DueDay",
    "Ending",
    "Moved",
    "Send",
    "Standing",
    "State",
    "Term",
    "at",
    "checked",
    "deadlines",
    "filled",
    "load_type",
    "load_types",
    "matching",
    "moved",
    "opened",
    "read",
    "wanted",
]
