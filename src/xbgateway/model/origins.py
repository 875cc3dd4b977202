"""Names of logs: one place where an origin is made and read (``docs/spec/log.md``).

And which data lane an exchange is of: its id says so (REQ-ENT-5), so that one id never has two
places in the logs between two nodes.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from .clock import uuid7

# A node has a few dozen logs, and names them with every entry.
_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Origin:
    """The parts of an origin ``<trust domain>/<writer>/<reader>/<lane>`` or ``…/home``."""

    trust_domain: str
    writer: str
    reader: str | None  # None for the home log
    lane: str  # "control", "home" or the lane's number

    def __str__(self) -> str:
        if self.reader is None:
            return f"{self.trust_domain}/{self.writer}/home"
        tail = "control" if self.lane == "control" else f"lane/{self.lane}"
        return f"{self.trust_domain}/{self.writer}/{self.reader}/{tail}"


def home(trust_domain: str, node: str) -> str:
    """The node's own home log."""
    return str(Origin(trust_domain, node, None, "home"))


@lru_cache(maxsize=_KNOWN)
def control(trust_domain: str, node: str, reader: str) -> str:
    """The control lane from ``node`` to ``reader``."""
    return str(Origin(trust_domain, node, reader, "control"))


@lru_cache(maxsize=_KNOWN)
def data(trust_domain: str, node: str, reader: str, lane: int) -> str:
    """Data lane number ``lane`` from ``node`` to ``reader``."""
    return str(Origin(trust_domain, node, reader, str(lane)))


@lru_cache(maxsize=_KNOWN)
def is_data(origin: str) -> bool:
    """Whether a log is a data lane: the only logs that exchanges live in."""
    return parse(origin).lane.isdecimal()


def exchange_id(moment: datetime, random: bytes, lane: int) -> str:
    """A new exchange's id, of ten bytes of ``random``: the last of them gives way to the lane."""
    return uuid7(moment, random[:9] + bytes((lane,)))


def in_lane(origin: str, exchange: str) -> bool:
    """Whether a log is a data lane of the number that an exchange's id names."""
    return origin.endswith(f"/lane/{int(exchange[-2:], 16)}")


@lru_cache(maxsize=_KNOWN)
def parse(origin: str) -> Origin:
    """The parts of an origin that this module made; ``ValueError`` for any other text."""
    match origin.split("/"):
        case [domain, writer, "home"]:
            return Origin(domain, writer, None, "home")
        case [domain, writer, reader, "control"]:
            return Origin(domain, writer, reader, "control")
        case [domain, writer, reader, "lane", lane] if lane.isdecimal():
            return Origin(domain, writer, reader, lane)
        case _:
            raise ValueError(f"not an origin: {origin!r}")
