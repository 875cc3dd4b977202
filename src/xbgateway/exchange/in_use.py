"""What a start says in the logs: which register and which revision are in use here.

Another revision than before is never taken up in silence: the entry names the one before, and the
node's own log warns, by another name where the revision was in use before.
"""

import structlog

from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Activation, Register, decode
from xbgateway.model.record import Append, Effect, KeepRegister, KeepRevision, Record

from .ports import Ledger
from .topology import Topology

_log = structlog.get_logger("policy")


async def say_in_use(  # noqa: PLR0917 - one value for each thing that a start knows
    ledger: Ledger,
    topology: Topology,
    clock: Clock,
    register: tuple[str, bytes],
    in_use: str,
    revision: tuple[str, bytes],
) -> None:
    """Tell the home log and every peer what is in use here, where it is new.

    ``register`` is the base document with its version, ``in_use`` that under all changes since.
    """
    known, at = ledger.reader.register(), instant(clock.now())
    lanes = [topology.control_out(peer) for peer in topology.peers]
    appends: list[Append] = []
    effects: list[Effect] = []
    if known is None or known[0] != register[0]:
        entry = Register(at=at, version=in_use).encode()
        appends += [Append(origin, entry) for origin in (*lanes, topology.home)]
        effects.append(KeepRegister(*register, at, in_use))
    previous = _last_revision(ledger, topology.home)
    if previous != revision[0]:
        activation = Activation(at=at, revision=revision[0], previous=previous).encode()
        effects.append(KeepRevision(*revision))
        appends += [Append(origin, activation) for origin in (*lanes, topology.home)]
        if previous is not None:
            again = ledger.reader.revision(revision[0]) is not None
            event = "policy_rolled_back" if again else "policy_replaced"
            _log.warning(event, revision=revision[0], previous=previous)
    if appends:
        await ledger.record(Record(tuple(appends), tuple(effects)))


def _last_revision(ledger: Ledger, home: str) -> str | None:
    for index in range(ledger.size(home) - 1, -1, -1):
        entry = decode(ledger.reader.entries(home, index, index + 1)[0])
        if isinstance(entry, Activation):
            return entry.revision
    return None
