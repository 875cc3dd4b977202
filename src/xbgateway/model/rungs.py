"""How far an exchange has come, as a ladder: each rung with the entry that shows it.

Pure, from the one reading of entries (``outcome.py``) and what the peer has cosigned. A rung is
only named where something on record proves it; nothing is concluded from time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .entry import (
    Accepted,
    Answer,
    Approval,
    Cancel,
    Entry,
    Expired,
    Final,
    Held,
    Hold,
    Refused_,
    Request,
)
from .outcome import Placed, State


class RungKind(StrEnum):
    """What is shown."""

    SUBMITTED = "submitted"
    HELD_BY_PEER = "held_by_peer"
    WAITED_FOR_PERSON = "waited_for_person"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    CANCEL_ASKED = "cancel_asked"


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung; ``at`` is what the entry says, ``None`` where no entry tells when."""

    kind: RungKind
    placed: Placed
    at: str | None


def rungs(state: State, held: Callable[[str], int]) -> tuple[Rung, ...]:
    """The rungs of an exchange in causal order.

    ``held`` gives the size up to which the other side says that it holds a log, by its origin. A
    word of the receiver on the request shows the same: it mirrored what it speaks of.
    """
    found = []
    spoken = any(
        state.request is not None and getattr(p.entry, "request", None) == state.request.leaf
        for p in state.evidence
    )
    for placed in state.evidence:
        kind = _kind(placed.entry)
        if kind is not None:
            found.append(Rung(kind, placed, placed.entry.at))
        if isinstance(placed.entry, Request):
            position = placed.position
            if spoken or held(position.origin) > position.index:
                found.append(Rung(RungKind.HELD_BY_PEER, placed, None))
    return tuple(found)


def _kind(entry: Entry) -> RungKind | None:
    match entry:
        case Answer():
            return {
                "not_called": RungKind.REFUSED,
                "unknown": RungKind.UNKNOWN,
            }.get(entry.status, RungKind.ANSWERED)
        case Approval():
            return RungKind.REFUSED if entry.approved == "no" else None
    return _KINDS.get(type(entry))


_KINDS: dict[type, RungKind] = {
    Request: RungKind.SUBMITTED,
    Hold: RungKind.WAITED_FOR_PERSON,
    Held: RungKind.WAITED_FOR_PERSON,
    Accepted: RungKind.ACCEPTED,
    Refused_: RungKind.REFUSED,
    Expired: RungKind.EXPIRED,
    Final: RungKind.CONFIRMED,
    Cancel: RungKind.CANCEL_ASKED,
}
