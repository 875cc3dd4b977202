"""What a start says in the logs: which register is in use here."""

from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Register
from xbgateway.model.record import Append, KeepRegister, Record

from .ports import Ledger
from .topology import Topology


async def say_in_use(
    ledger: Ledger, topology: Topology, clock: Clock, register: tuple[str, bytes], in_use: str
) -> None:
    """Tell the home log and every peer which register is in use here, where it is new.

    ``register`` is the base document with its version, ``in_use`` that under all changes since.
    """
    known, at = ledger.reader.register(), instant(clock.now())
    if known is None or known[0] != register[0]:
        entry = Register(at=at, version=in_use).encode()
        lanes = [topology.control_out(peer) for peer in topology.peers]
        appends = tuple(Append(origin, entry) for origin in (*lanes, topology.home))
        await ledger.record(Record(appends, (KeepRegister(*register, at, in_use),)))
