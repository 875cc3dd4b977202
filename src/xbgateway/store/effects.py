"""How each durable effect becomes SQL. Runs inside the writer's transaction only."""

from uuid import UUID

import apsw

from xbgateway.model.outcome import Position
from xbgateway.model.record import (
    AlreadyOpen,
    Count,
    Effect,
    Erase,
    KeepDecision,
    KeepFacts,
    KeepKey,
    KeepPart,
    KeepRegister,
    KeepStanding,
    KeepUntil,
    MovePending,
    OpenExchange,
    ReleaseBeside,
    Stale,
)

from .schema import INDEX_BITS


def exchange_key(exchange: str) -> bytes:
    """The 16 bytes under which rows of an exchange are kept."""
    return UUID(exchange).bytes


def check(connection: apsw.Connection, effects: tuple[Effect, ...]) -> None:
    """Everything that may refuse, before anything is written: one refusal harms no neighbour.

    Raises ``AlreadyOpen`` for a request id that is taken and ``Stale`` for a counter that has
    left the band of the decision.
    """
    for effect in effects:
        if isinstance(effect, OpenExchange):
            row = connection.execute(
                "SELECT id, fingerprint FROM exchanges WHERE party = ? AND request_id = ?",
                (effect.party, effect.request_id),
            ).fetchone()
            if row is not None:
                raise AlreadyOpen(str(UUID(bytes=row[0])), row[1])
        elif isinstance(effect, Count):
            low, high = effect.band
            if not low <= counter(connection, effect) + effect.add <= high:
                raise Stale


def counter(connection: apsw.Connection, count: Count) -> int:
    """The value of a counter before adding."""
    row = connection.execute(
        "SELECT n FROM counters WHERE kind = ? AND key = ? AND window = ?",
        (count.kind, count.key, count.window),
    ).fetchone()
    return int(row[0]) if row else 0


def apply(connection: apsw.Connection, effect: Effect, logs: dict[str, int]) -> None:  # noqa: C901
    """Write one effect. ``logs`` maps origins to row numbers."""
    execute = connection.execute
    match effect:
        case OpenExchange():
            execute(
                "INSERT INTO exchanges (id, party, request_id, fingerprint, key, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    exchange_key(effect.exchange),
                    *(effect.party, effect.request_id, effect.fingerprint),
                    *(effect.key, effect.at),
                ),
            )
        case KeepKey():
            execute(
                "INSERT OR IGNORE INTO exchanges (id, key, at) VALUES (?, ?, ?)",
                (exchange_key(effect.exchange), effect.key, effect.at),
            )
        case KeepPart():
            execute(
                "INSERT OR REPLACE INTO parts VALUES (?, ?, ?)",
                (exchange_key(effect.exchange), effect.part, effect.sealed),
            )
        case KeepFacts():
            execute(
                "INSERT OR IGNORE INTO facts VALUES (?, ?, ?)",
                (bytes.fromhex(effect.digest), exchange_key(effect.exchange), effect.sealed),
            )
        case KeepStanding():
            execute(
                "INSERT OR IGNORE INTO standings VALUES (?, ?)",
                (bytes.fromhex(effect.digest), effect.sealed),
            )
        case KeepDecision():
            execute(
                "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)",
                (
                    *(bytes.fromhex(effect.revision), bytes.fromhex(effect.input_digest)),
                    *(effect.input, effect.decision),
                ),
            )
        case MovePending():
            _move(connection, effect, logs)
        case ReleaseBeside():
            execute("DELETE FROM beside WHERE exchange = ?", (exchange_key(effect.exchange),))
        case Count():
            execute(
                "INSERT INTO counters VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (effect.kind, effect.key, effect.window, effect.add),
            )
        case KeepRegister():
            execute(
                "INSERT INTO registers (version, document) VALUES (?, ?)",
                (effect.version, effect.document),
            )
        case KeepUntil():
            execute(
                "UPDATE exchanges SET evidence_until = max(coalesce(evidence_until, ''), ?),"
                " payload_until = max(coalesce(payload_until, ?), ?) WHERE id = ?",
                (
                    *(effect.evidence_until, effect.payload_until, effect.payload_until),
                    exchange_key(effect.exchange),
                ),
            )
        case Erase():
            _erase(connection, effect)


def _erase(connection: apsw.Connection, effect: Erase) -> None:
    key = exchange_key(effect.exchange)
    connection.execute("UPDATE exchanges SET payload_until = NULL WHERE id = ?", (key,))
    if effect.evidence:
        connection.execute("UPDATE exchanges SET key = NULL WHERE id = ?", (key,))
        connection.execute("DELETE FROM facts WHERE exchange = ?", (key,))
    connection.execute("DELETE FROM parts WHERE exchange = ?", (key,))
    connection.execute("DELETE FROM beside WHERE exchange = ?", (key,))


def _move(connection: apsw.Connection, effect: MovePending, logs: dict[str, int]) -> None:
    pos = row_of(logs, effect.position)
    if effect.step is None:
        connection.execute("DELETE FROM pending WHERE pos = ?", (pos,))
        connection.execute("DELETE FROM beside WHERE pos = ?", (pos,))
    else:
        connection.execute("UPDATE pending SET step = ? WHERE pos = ?", (effect.step, pos))


def row_of(logs: dict[str, int], position: Position) -> int:
    """Row number of a position."""
    return logs[position.origin] << INDEX_BITS | position.index
