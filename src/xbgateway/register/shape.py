"""The shape of a message type: every leaf field it can carry, with its provider's label.

Values only, built once by ``catalogue.py`` and walked for every message by ``content.py``. A leaf
is what a label stands on and what an obligation can remove: a scalar, a list of scalars, a map of
scalars, a well-known message such as ``Timestamp``, a message type without fields, and the keys of
a map of messages (its path is the map's own; the values' leaves have paths below it).
"""

from dataclasses import dataclass
from typing import Literal

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from xbgateway.model.facts import FieldFacts

Form = Literal["one", "many", "map"]


@dataclass(frozen=True, slots=True)
class Step:
    """One field of one message type, at one path."""

    name: str
    path: str
    form: Form
    leaf: bool  # its own path is a leaf: all but a message, or a list of messages, with fields
    below: "dict[int, Step] | None"  # fields of the message it holds, by number
    leaves: frozenset[str]  # its own path if it is a leaf, and those below it
    subject: bool
    identifier: str | None
    meaning: str | None
    maskable: bool  # text
    telling: bool  # values below have to be read, or may be extensions: presence is not all


@dataclass(frozen=True, slots=True, eq=False)
class MessageShape:
    """A message type; compared by identity, one per type and catalogue."""

    full_name: str
    descriptor: Descriptor
    message_class: type[Message]
    steps: dict[int, Step]
    fields: tuple[FieldFacts, ...]  # sorted by path
    paths: frozenset[str]
    maskable: frozenset[str]
    required: tuple[str, ...]  # paths that the type cannot do without, sorted
