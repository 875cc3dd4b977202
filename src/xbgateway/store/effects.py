"""How each durable effect becomes SQL. Runs inside the writer's transaction only."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from xbgateway.model.case import EraseCase, KeepCase, KeepCaseType
from xbgateway.model.delivery import DropDelivery, ForgetDeliveries, PutDelivery
from xbgateway.model.duty import ConfirmDuty, KeepDuty
from xbgateway.model.outcome import Position
from xbgateway.model.proposal import DecideProposal, KeepProposal, UseRevision
from xbgateway.model.record import (
    AlreadyOpen,
    Count,
    CountSubjects,
    DropPart,
    Effect,
    Erase,
    ForgetSubjects,
    KeepChange,
    KeepDecision,
    KeepFacts,
    KeepHold,
    KeepKey,
    KeepPart,
    KeepRegister,
    KeepStanding,
    KeepUntil,
    MoveHold,
    MovePending,
    OpenExchange,
    ReleaseBeside,
    Stale,
)
from xbgateway.model.stream import CompleteStream, DropStream, OpenStream, TakeStream

from . import cases, deliveries, duties, proposals, streams, subjects
from .connection import Connection
from .logs import Later
from .schema import INDEX_BITS, exchange_key


def check(connection: Connection, effects: tuple[Effect, ...], revision: str) -> None:
    """Everything that may refuse, before anything is written: one refusal harms no neighbour.

    Raises ``AlreadyOpen`` for a request id that is taken, ``Stale`` for a decision of another
    ``revision`` than the one in use, for a counter or a set of subjects that has left the band of
    the decision and for a hold, proposal or delivery that has moved; ``Refused`` as
    :func:`duties.check` does.
    """
    for effect in effects:
        if (look := _CHECKS.get(type(effect))) is not None:
            look(connection, effect, revision)


def _check_facts(_connection: Connection, facts: KeepFacts, revision: str) -> None:
    if facts.revision != revision:
        raise Stale


def _check_use(_connection: Connection, use: UseRevision, revision: str) -> None:
    if revision not in (use.previous, use.revision):
        raise Stale


def _check_open(connection: Connection, opened: OpenExchange, _revision: str) -> None:
    row = connection.execute(
        "SELECT id, fingerprint FROM exchanges WHERE party = ? AND request_id = ?",
        (opened.party, opened.request_id),
    ).fetchone()
    if row is not None:
        raise AlreadyOpen(str(UUID(bytes=row[0])), row[1])


def _check_count(connection: Connection, count: Count, _revision: str) -> None:
    low, high = count.band
    if not low <= counter(connection, count) + count.add <= high:
        raise Stale


def _check_subjects(connection: Connection, count: CountSubjects, _revision: str) -> None:
    of = (count.kind, count.scope)
    if subjects.after(connection, *of, count.since, count.subjects) > count.most:
        raise Stale


def _check_hold(connection: Connection, move: MoveHold, _revision: str) -> None:
    row = connection.execute(
        "SELECT state FROM holds WHERE leaf = ?", (bytes.fromhex(move.leaf),)
    ).fetchone()
    if row is None or row[0] != move.was:
        raise Stale


_CHECKS: dict[type[Any], Callable[[Connection, Any, str], None]] = {
    KeepFacts: _check_facts,
    UseRevision: _check_use,
    OpenExchange: _check_open,
    Count: _check_count,
    CountSubjects: _check_subjects,
    MoveHold: _check_hold,
    ConfirmDuty: lambda connection, said, _: duties.check(connection, said),
    DecideProposal: lambda connection, said, _: proposals.check_decided(connection, said),
    PutDelivery: lambda connection, put, _: deliveries.check(connection, put),
    DropDelivery: lambda connection, drop, _: deliveries.check(connection, drop),
    OpenStream: lambda connection, opened, _: streams.check_open(connection, opened),
    TakeStream: lambda connection, take, _: streams.check_take(connection, take),
    KeepCase: lambda connection, keep, _: cases.check(connection, keep),
}


def counter(connection: Connection, count: Count) -> int:
    """The value of a counter before adding."""
    row = connection.execute(
        'SELECT n FROM counters WHERE kind = ? AND key = ? AND "window" = ?',
        (count.kind, count.key, count.window),
    ).fetchone()
    return int(row[0]) if row else 0


_INSERTS: dict[type[Any], tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    OpenExchange: (
        (
            "INSERT INTO exchanges (id, party, request_id, fingerprint, key, at, evidence_until,"
            " payload_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        lambda e: (
            *(exchange_key(e.exchange), e.party, e.request_id, e.fingerprint, e.key, e.at),
            *(e.until.evidence, e.until.payload),
        ),
    ),
    KeepKey: (
        (
            "INSERT INTO exchanges (id, key, at, evidence_until, payload_until)"
            " VALUES (?, ?, ?, ?, ?)"
        ),
        lambda e: (exchange_key(e.exchange), e.key, e.at, e.until.evidence, e.until.payload),
    ),
    KeepPart: (
        (
            "INSERT INTO parts VALUES (?, ?, ?)"
            " ON CONFLICT (exchange, part) DO UPDATE SET sealed = excluded.sealed"
        ),
        lambda e: (exchange_key(e.exchange), e.part, e.sealed),
    ),
    KeepFacts: (
        "INSERT INTO facts VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        lambda e: (exchange_key(e.exchange), bytes.fromhex(e.digest), e.sealed),
    ),
    KeepStanding: (
        "INSERT INTO standings VALUES (?, ?) ON CONFLICT DO NOTHING",
        lambda e: (bytes.fromhex(e.digest), e.sealed),
    ),
    KeepDecision: (
        "INSERT INTO decisions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        lambda e: (bytes.fromhex(e.revision), bytes.fromhex(e.input_digest), e.input, e.decision),
    ),
    Count: (
        (
            'INSERT INTO counters VALUES (?, ?, ?, ?) ON CONFLICT (kind, key, "window")'
            " DO UPDATE SET n = counters.n + excluded.n"
        ),
        lambda e: (e.kind, e.key, e.window, e.add),
    ),
    KeepRegister: (
        "INSERT INTO registers (version, document, at) VALUES (?, ?, ?)",
        lambda e: (e.version, e.document, e.at),
    ),
    KeepChange: (
        (
            "INSERT INTO register_changes (version, at, node, kind, id, event, change, officer,"
            " request, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        lambda e: (
            *(e.version, e.at, e.node, e.kind, e.id, e.event, e.change),
            *(e.officer, e.request, e.refused),
        ),
    ),
    KeepUntil: (
        (
            "UPDATE exchanges SET evidence_until ="
            " CASE WHEN evidence_until > ?1 THEN evidence_until ELSE ?1 END, payload_until ="
            " CASE WHEN payload_until > ?2 THEN payload_until ELSE ?2 END WHERE id = ?3"
        ),
        lambda e: (e.until.evidence, e.until.payload, exchange_key(e.exchange)),
    ),
    KeepDuty: (duties.INSERT, duties.row),
    DropPart: (
        "DELETE FROM parts WHERE exchange = ? AND part = ?",
        lambda e: (exchange_key(e.exchange), e.part),
    ),
    KeepHold: (
        "INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, 'open', NULL)",
        lambda e: (
            *(bytes.fromhex(e.leaf), exchange_key(e.exchange), e.at, e.role, e.deadline),
            int(e.here),
        ),
    ),
    MoveHold: (
        "UPDATE holds SET state = ?, decision = coalesce(?, decision) WHERE leaf = ?",
        lambda e: (e.state, e.decision, bytes.fromhex(e.leaf)),
    ),
    ReleaseBeside: (
        "DELETE FROM beside WHERE exchange = ?",
        lambda e: (exchange_key(e.exchange),),
    ),
}


# What this node keeps for re-sending an answer, once its sender has confirmed: between two rows of
# the lane that answers, and of no exchange of a caller of ours, whatever a peer writes.
RELEASE_ANSWER = (
    "DELETE FROM beside WHERE exchange = ? AND pos >= ? AND pos < ? AND EXISTS"
    " (SELECT 1 FROM exchanges e WHERE e.id = beside.exchange AND e.party IS NULL)"
)
_MOVE = "UPDATE pending SET step = ? WHERE pos = ?"
_DONE = ("DELETE FROM pending WHERE pos = ?", "DELETE FROM beside WHERE pos = ?")
# An erased payload's exchange comes up again when the time of its facts is over too.
_ERASE = (
    "UPDATE exchanges SET payload_until = evidence_until WHERE id = ?",
    "DELETE FROM parts WHERE exchange = ?",
    "DELETE FROM beside WHERE exchange = ?",
)
_ERASE_EVIDENCE = (
    "UPDATE exchanges SET key = NULL, payload_until = NULL WHERE id = ?",
    "DELETE FROM facts WHERE exchange = ?",
    "UPDATE holds SET decision = NULL WHERE exchange = ?",
    deliveries.ERASE_REMARK,
)
# What somebody in the same transaction may ask for is written at once; all else at its end, in
# this order: rows before what changes them, erasing last.
_AT_ONCE = (OpenExchange, Count, MoveHold)
LATER = tuple(
    dict.fromkeys(
        (
            *(sql for kind, (sql, _) in _INSERTS.items() if kind not in _AT_ONCE),
            *(RELEASE_ANSWER, _MOVE, *_DONE, *_ERASE, *_ERASE_EVIDENCE),
        )
    )
)


# What takes more than one statement, or one that others in the transaction have to see.
_WRITES: dict[type[Any], Callable[[Connection, Any], None]] = {
    ConfirmDuty: duties.confirm,
    CountSubjects: subjects.add,
    ForgetSubjects: subjects.forget,
    KeepProposal: proposals.keep,
    DecideProposal: proposals.decide,
    UseRevision: proposals.use,
    PutDelivery: deliveries.apply,
    DropDelivery: deliveries.apply,
    ForgetDeliveries: deliveries.apply,
    OpenStream: streams.apply,
    CompleteStream: streams.apply,
    TakeStream: streams.apply,
    DropStream: streams.apply,
    KeepCase: cases.apply,
    EraseCase: cases.apply,
    KeepCaseType: cases.apply,
}


def apply(connection: Connection, later: Later, effect: Effect, logs: dict[str, int]) -> None:
    """Write one effect, or leave it for ``later``. ``logs`` maps origins to row numbers."""
    match effect:
        case MovePending():
            pos = row_of(logs, effect.position)
            if effect.step is not None:
                later(_MOVE, (effect.step, pos))
            else:
                for sql in _DONE:
                    later(sql, (pos,))
        case Erase():
            key = exchange_key(effect.exchange)
            for sql in (*_ERASE, *(_ERASE_EVIDENCE if effect.evidence else ())):
                later(sql, (key,))
        case OpenExchange() | Count() | MoveHold():
            sql, values = _INSERTS[type(effect)]
            connection.execute(sql, values(effect))
        case _ if (write := _WRITES.get(type(effect))) is not None:
            write(connection, effect)
        case _:
            sql, values = _INSERTS[type(effect)]
            later(sql, values(effect))


def row_of(logs: dict[str, int], position: Position) -> int:
    """Row number of a position."""
    return logs[position.origin] << INDEX_BITS | position.index
