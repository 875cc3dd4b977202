"""Rows of ``proposals`` and ``activations``: how they are written, decided and found."""

from typing import Any
from uuid import UUID

from xbgateway.model.proposal import DecideProposal, KeepProposal, Proposal, UseRevision
from xbgateway.model.record import Stale

from .connection import Connection
from .reader import Reader

_SELECT = (
    "SELECT id, revision, previous, officer, note, at, checked, skipped,"
    " state, decided_by, reason, decided_at FROM proposals"
)
_INSERT = (
    "INSERT INTO proposals (id, revision, previous, officer, note, at, checked, skipped,"
    " state, decided_by, reason, decided_at, files) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)


def check_decided(connection: Connection, decide: DecideProposal) -> None:
    """Raises ``Stale`` where the proposal is not open."""
    key = UUID(decide.id).bytes
    found = connection.execute("SELECT state FROM proposals WHERE id = ?", (key,)).fetchone()
    if found is None or found[0] != "open":
        raise Stale


def keep(connection: Connection, kept: KeepProposal) -> None:
    """Write a proposal; the same id again changes nothing."""
    one = kept.proposal
    row = (
        *(UUID(one.id).bytes, bytes.fromhex(one.revision), bytes.fromhex(one.previous)),
        *(one.officer, one.note, one.at, "\n".join(one.checked), "\n".join(one.skipped)),
        *(one.state, one.decided_by, one.reason, one.decided_at, kept.files),
    )
    connection.execute(_INSERT, row)


def decide(connection: Connection, said: DecideProposal) -> None:
    """Close a proposal."""
    connection.execute(
        "UPDATE proposals SET state = ?, decided_by = ?, reason = ?, decided_at = ? WHERE id = ?",
        (said.state, said.by, said.reason, said.at, UUID(said.id).bytes),
    )


def use(connection: Connection, used: UseRevision) -> None:
    """Put a revision into use and keep its files."""
    key = bytes.fromhex(used.revision)
    connection.execute(
        "INSERT INTO revisions VALUES (?, ?) ON CONFLICT DO NOTHING", (key, used.files)
    )
    connection.execute("INSERT INTO activations (revision, at) VALUES (?, ?)", (key, used.at))


class ProposalRows:
    """Read-only questions about proposals and revisions. Blocks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def active(self) -> tuple[str, bytes, str] | None:
        """``(revision, packed files, since)`` of what came into use last."""
        sql = (
            "SELECT a.revision, r.files, a.at FROM activations a"
            " JOIN revisions r ON r.id = a.revision ORDER BY a.n DESC LIMIT 1"
        )
        found = self._one(sql)
        return (found[0].hex(), found[1], found[2]) if found else None

    def was_active(self, revision: str, before: str) -> bool:
        """Whether a revision came into use here before an instant."""
        sql = "SELECT 1 FROM activations WHERE revision = ? AND at < ? LIMIT 1"
        return self._one(sql, bytes.fromhex(revision), before) is not None

    def get(self, proposal: str) -> Proposal | None:
        """One proposal."""
        found = self._one(f"{_SELECT} WHERE id = ?", UUID(proposal).bytes)
        return _proposal(found) if found else None

    def files(self, proposal: str) -> bytes | None:
        """The packed files of a proposal."""
        found = self._one("SELECT files FROM proposals WHERE id = ?", UUID(proposal).bytes)
        return found[0] if found else None

    def list(self, before: tuple[str, str] | None, limit: int) -> list[Proposal]:
        """Proposals, newest first, strictly before ``(at, id)``."""
        at, last = before or ("~", "00000000-0000-0000-0000-000000000000")
        sql = f"{_SELECT} WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?"
        rows = self._reader.connection().execute(sql, (at, UUID(last).bytes, limit))
        return [_proposal(row) for row in rows]

    def open(self) -> int:
        """How many wait for a second officer."""
        found = self._one("SELECT count(*) FROM proposals WHERE state = 'open'")
        return int(found[0]) if found else 0

    def _one(self, sql: str, *values: Any) -> Any:
        return self._reader.connection().execute(sql, values).fetchone()


def _proposal(row: tuple[Any, ...]) -> Proposal:
    key, revision, previous, officer, note, at, checked, skipped, *decided = row
    return Proposal(
        *(str(UUID(bytes=key)), revision.hex(), previous.hex(), officer, note, at),
        *(tuple(checked.splitlines()), tuple(skipped.splitlines())),
        *decided,
    )
