"""An accepted exchange that waits for its service, or for a person, as a durable value.

A row exists only where the first seconds did not end an exchange: it waits for its next attempt or
for whoever pulls it, was parked, or ended with an outcome that nobody knows. It names parties and
services, and never a person but in ``remark``, which is sealed under the exchange's own key.
"""

from dataclasses import dataclass
from typing import Final, Literal

from .outcome import Position
from .quick import quick

# The step of a pending row whose exchange has a delivery row: that row says when and how it goes on
QUEUED: Final = "queued"
NO_LIMIT: Final = 2**31 - 1

DeliveryState = Literal[
    "waiting",  # for its time (``due``) and then for its service
    "calling",  # an attempt is under way, or a crash fell into it
    "dead",  # parked: a person lets it go on, or says what happened
    "unknown",  # ended, and nobody knows whether the service acted: a person has to look
    "closed",  # a person has looked
    "done",  # acknowledged; kept a while, so that the same answer again is no error
]
# How urgent exchanges are where they wait for their provider.
Priority = Literal["urgent", "normal", "bulk"]

# What a person has to see.
FOR_PEOPLE: Final[tuple[DeliveryState, ...]] = ("dead", "unknown")


@quick
@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """Where one delivery stands. Instants are RFC 3339 UTC with milliseconds."""

    exchange: str
    position: Position | None  # of the request that waits here; None at the node that asked
    party: str  # of this node: it provides the service, or asked
    service: str
    method: str
    state: DeliveryState
    at: str  # when it began
    last: str  # when something last happened to it
    due: str  # when it is tried, or can be pulled, (again)
    until: str  # the end of its horizon
    attempts: int = 0  # that may have been heard: handed out, or broken off
    most: int = NO_LIMIT  # of these before it is parked
    unsure: bool = False  # whether the service may have acted
    wait_s: float = 0.0  # the last pause between two attempts
    lease: str = ""  # of whoever pulled it last
    reason: str = ""  # why it is parked or unknown
    answer: bytes | None = None  # keyed hash of the acknowledged answer
    remark: bytes | None = None  # who looked and what was found, sealed
    rank: str = ""  # who waits comes in this order: when it began, less its priority's head start
    version: int = 0  # of the row; 0: not on record

    @property
    def lies(self) -> bool:
        """Whether nothing acts on it just now, and its exchange has not ended."""
        return self.state in ("waiting", "dead")


@quick
@dataclass(frozen=True, slots=True)
class PutDelivery:
    """An effect: the row as it is now, or the record is ``Stale`` where another version stands."""

    row: DeliveryRow


@quick
@dataclass(frozen=True, slots=True)
class DropDelivery:
    """An effect: the exchange has ended, nobody has to look; stale as :class:`PutDelivery` is."""

    row: DeliveryRow


@quick
@dataclass(frozen=True, slots=True)
class ForgetDeliveries:
    """An effect: acknowledged rows of before an instant go, so many at a time."""

    before: str
    most: int


DeliveryEffect = PutDelivery | DropDelivery | ForgetDeliveries


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """Rows of one service in one state, and since when the oldest of them is there."""

    service: str
    state: DeliveryState
    rows: int
    oldest: str
