"""One oracle for every flow and fault test: re-verify everything, from the bytes up.

For each pair of nodes: every own log is re-hashed entry by entry and held against its checkpoint
and signature; the mirror is a prefix of it, byte for byte; cosignatures verify; and every exchange
whose entries both sides hold has the same outcome on both sides, with no anomaly.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.harness.verify import cosigner_verifiers, log_verifier

from xbgateway.core import Core
from xbgateway.exchange.erasing import was_erased
from xbgateway.model.entry import Verdict, decode, leaf_hex
from xbgateway.model.errors import Refused
from xbgateway.model.origins import parse
from xbgateway.model.outcome import (
    TERMINAL,
    Outcome,
    Placed,
    Position,
    State,
    by_exchange,
    outcome,
)
from xbgateway.seal import open_at_rest
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    leaf_hash,
    open_checkpoint,
    verify_cosignature_line,
)


@dataclass
class Report:
    """What the oracle read: outcomes by exchange, and how many entries it re-hashed."""

    outcomes: dict[str, State] = field(default_factory=dict)
    entries: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(state.outcome is outcome for state in self.outcomes.values())


def examine(cores: list[Core], strange: Collection[str] = ()) -> Report:  # noqa: C901 - a list
    """Raises ``AssertionError`` naming the first thing that is wrong.

    Exchanges in ``strange`` may have anomalies, since an evil peer wrote about them.
    """
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
        _check_evidence(core, strange)
    views = {core.node: dict(by_exchange(_placed(core))) for core in cores}
    for node, states in views.items():
        for exchange, state in states.items():
            report.outcomes[exchange] = state
            if exchange in strange:
                continue
            assert not state.anomalies, f"{node}: {exchange} has anomalies {state.anomalies}"
            for other, others in views.items():
                if other != node and exchange in others:
                    assert others[exchange].outcome is state.outcome, (
                        f"{exchange}: {node} says {state.outcome}, "
                        f"{other} says {others[exchange].outcome}"
                    )
    for core in cores:
        _check_results(core, views[core.node])
    return report


def _check_head(core: Core, origin: str, entries: list[bytes]) -> None:
    head = core.store.heads[origin]
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in entries])
    assert frontier.root() == head.frontier.root(), f"{core.node}: {origin} root differs"
    verifier = log_verifier(origin, core.register, entries)
    if head.checkpoint is not None:
        checkpoint = open_checkpoint(head.checkpoint, verifier, origin)
        assert (checkpoint.size, checkpoint.root) == (len(entries), frontier.root()), (
            f"{core.node}: checkpoint of {origin} is not of its entries"
        )
    if head.held is not None:
        reader = parse(origin).reader
        assert reader is not None
        text, _, lines = head.held.partition(b"\n\n")
        line = lines.splitlines(keepends=True)[-1]
        theirs = core.store.reader.entries(core.topology.control_in(reader), 0, 1 << 20)
        verifiers = cosigner_verifiers(core.register.node(reader), theirs)
        verify_cosignature_line(text + b"\n", line, verifiers)
        held = Checkpoint.parse(text + b"\n")
        prefix = Frontier()
        prefix.extend([leaf_hash(entry) for entry in entries[: held.size]])
        assert prefix.root() == held.root, f"{core.node}: receipt of {origin} is of another log"


def _placed(core: Core) -> list[Placed]:
    found = []
    for origin, head in core.store.heads.items():
        for index, raw in enumerate(core.store.reader.entries(origin, 0, head.size)):
            position = Position(origin, parse(origin).writer, index)
            try:
                found.append(Placed(position, leaf_hex(raw), decode(raw)))
            except Refused:
                continue  # the log holds it; it has no meaning
    return found


def _check_evidence(core: Core, strange: Collection[str]) -> None:
    """Everything that a decision of ours can be recomputed from is there and is what was named."""
    reader = core.store.reader
    for origin, head in core.store.heads.items():
        if head.role != "own":
            continue
        for raw in reader.entries(origin, 0, head.size):
            try:
                entry = decode(raw)
            except Refused:
                continue
            verdict: Verdict | None = getattr(entry, "verdict", None)
            exchange: str = getattr(entry, "exchange", "")
            if verdict is None or exchange in strange:
                continue
            documents = reader.decision(verdict.revision, verdict.input)
            assert documents is not None, f"{core.node}: no decision for {entry}"
            digests = tuple(hashlib.sha256(document).hexdigest() for document in documents)
            assert digests == (verdict.input, verdict.decision), f"{core.node}: {entry}"
            mine = reader.exchange_row(exchange)
            if mine is not None and mine[2] is None:
                continue  # erased, by rule
            kept = reader.facts(exchange, verdict.facts)
            assert kept is not None, f"{core.node}: no facts for {entry}"
            row = reader.exchange_row(exchange)
            assert row is not None
            assert row[2] is not None
            facts = open_at_rest(core.keys.rest.unwrap(row[2]), b"facts", kept)
            assert hashlib.sha256(facts).hexdigest() == verdict.facts, f"{core.node}: {entry}"


def _check_results(core: Core, states: dict[str, State]) -> None:
    """What our callers were told is what the entries say."""
    of: dict[str, list[Placed]] = defaultdict(list)  # once: long runs have thousands of exchanges
    for placed in _placed(core):
        of[str(getattr(placed.entry, "exchange", None))].append(placed)
    for exchange, state in states.items():
        row = core.store.reader.exchange_row(exchange)
        if row is None or row[0] is None:
            continue
        told = core.gateway._outbound.result(exchange)
        if told is None and was_erased(of[exchange], core.node):
            continue
        if told is None:
            assert state.outcome not in TERMINAL or not state.finished, f"{exchange}: no result"
            continue
        mine = outcome(of[exchange], core.node)
        assert told.outcome is mine.outcome, f"{exchange}: told {told.outcome}, is {mine.outcome}"
