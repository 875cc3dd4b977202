"""One oracle for every flow and fault test: re-verify everything, from the bytes up.

For each pair of nodes: every own log is re-hashed entry by entry and held against its checkpoint
and signature; the mirror is a prefix of it, byte for byte; cosignatures verify; and every exchange
whose entries both sides hold has the same outcome on both sides, with no anomaly.
"""

from dataclasses import dataclass, field

from xbgateway.core import Core
from xbgateway.model.entry import decode, leaf_hex
from xbgateway.model.origins import parse
from xbgateway.model.outcome import Outcome, Placed, Position, State, by_exchange
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    NoteVerifier,
    SignatureType,
    leaf_hash,
    open_checkpoint,
    verify_cosignature,
)


@dataclass
class Report:
    """What the oracle read: outcomes by exchange, and how many entries it re-hashed."""

    outcomes: dict[str, State] = field(default_factory=dict)
    entries: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(state.outcome is outcome for state in self.outcomes.values())


def examine(cores: list[Core]) -> Report:
    """Raises ``AssertionError`` naming the first thing that is wrong."""
    report = Report()
    by_name = {core.node: core for core in cores}
    for core in cores:
        for origin, head in core.store.heads.items():
            entries = core.store.reader.entries(origin, 0, head.size + 1)
            assert len(entries) == head.size, f"{core.node}: {origin} lost rows"
            _check_head(core, origin, entries)
            report.entries += len(entries)
            if head.role == "mirror":
                writer = by_name.get(parse(origin).writer)
                if writer is not None:
                    theirs = writer.store.reader.entries(origin, 0, head.size)
                    assert theirs == entries, f"{origin}: mirror is not a prefix of the log"
    views = {core.node: dict(by_exchange(_placed(core))) for core in cores}
    for node, states in views.items():
        for exchange, state in states.items():
            assert not state.anomalies, f"{node}: {exchange} has anomalies {state.anomalies}"
            for other, others in views.items():
                if other != node and exchange in others:
                    assert others[exchange].outcome is state.outcome, (
                        f"{exchange}: {node} says {state.outcome}, "
                        f"{other} says {others[exchange].outcome}"
                    )
            report.outcomes[exchange] = state
    return report


def _check_head(core: Core, origin: str, entries: list[bytes]) -> None:
    head = core.store.heads[origin]
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in entries])
    assert frontier.root() == head.frontier.root(), f"{core.node}: {origin} root differs"
    writer = core.register.node(parse(origin).writer)
    verifier = NoteVerifier(origin, bytes.fromhex(writer.log_key), SignatureType.ED25519)
    if head.checkpoint is not None:
        checkpoint = open_checkpoint(head.checkpoint, verifier, origin)
        assert (checkpoint.size, checkpoint.root) == (len(entries), frontier.root()), (
            f"{core.node}: checkpoint of {origin} is not of its entries"
        )
    if head.held is not None:
        reader = parse(origin).reader
        assert reader is not None
        verify_cosignature(head.held, core.cosigner_of(reader))
        held = Checkpoint.parse(head.held.partition(b"\n\n")[0] + b"\n")
        prefix = Frontier()
        prefix.extend([leaf_hash(entry) for entry in entries[: held.size]])
        assert prefix.root() == held.root, f"{core.node}: receipt of {origin} is of another log"


def _placed(core: Core) -> list[Placed]:
    found = []
    for origin, head in core.store.heads.items():
        for index, raw in enumerate(core.store.reader.entries(origin, 0, head.size)):
            position = Position(origin, parse(origin).writer, index)
            found.append(Placed(position, leaf_hex(raw), decode(raw)))
    return found
