"""An attachment: its manifest in the request entry, and what the store knows of it.

An attachment is cut into segments of one size, the last one shorter (REQ-STR-1), each sealed by
itself (``docs/spec/streams.md``). The manifest is the root of the RFC 6962 tree over the sealed
segments, the bytes of the attachment and the number of its segments. Segments rest in files beside
the store; the rows here say whose they are.
"""

from dataclasses import dataclass

from .limits import SEGMENT_BYTES
from .quick import quick

# Bytes of its own key, before the message of the exchange in what is sealed (REQ-STR-4).
STREAM_KEY_BYTES = 32


@quick
@dataclass(frozen=True, slots=True)
class Stream:
    """The manifest of an attachment, as the request entry has it."""

    stream_root: str  # of the tree over the sealed segments
    stream_bytes: int  # of the attachment itself
    stream_segments: int


def segments_of(size_bytes: int) -> int:
    """How many segments an attachment of so many bytes has: one at least, also if it is empty."""
    return max(1, -(-size_bytes // SEGMENT_BYTES))


def segment_bytes(size_bytes: int, index: int) -> int:
    """Bytes of one segment before it is sealed."""
    return min(SEGMENT_BYTES, size_bytes - index * SEGMENT_BYTES)


@quick
@dataclass(frozen=True, slots=True)
class StreamRow:
    """What a node knows of an attachment that it holds, or gets. Instants are RFC 3339 UTC."""

    id: str  # of the upload; where it came in, of the exchange
    party: str  # of this node: whose it is
    size_bytes: int
    at: str
    until: str  # an upload that no exchange took along until then goes
    key: bytes = b""  # its own key, wrapped; at the receiver it rests with the exchange's parts
    exchange: str = ""
    stream: Stream | None = None  # once all of it is here


@quick
@dataclass(frozen=True, slots=True)
class OpenStream:
    """An effect: the row of a new attachment. A row that is there already stays as it is.

    Refused where the party would have more than ``most_bytes`` waiting.
    """

    row: StreamRow
    most_bytes: int


@quick
@dataclass(frozen=True, slots=True)
class CompleteStream:
    """An effect: all of it is here."""

    id: str
    stream: Stream


@quick
@dataclass(frozen=True, slots=True)
class TakeStream:
    """An effect: an exchange takes an upload along, the only one that ever does."""

    id: str
    exchange: str


@quick
@dataclass(frozen=True, slots=True)
class DropStream:
    """An effect: the row goes; its segments go after it."""

    id: str


StreamEffect = OpenStream | CompleteStream | TakeStream | DropStream
