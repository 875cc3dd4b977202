"""What the store says of registers: base documents and the changes since, now or as of a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from xbgateway.model.record import KeepChange

from .connection import Connection

_CHANGE = "version, at, node, kind, id, event, change, officer, request, refused"


class RegisterRows(ABC):
    """The part of :class:`Reader` that asks about registers."""

    @abstractmethod
    def connection(self) -> Connection:
        """The read-only connection of the calling thread."""

    @abstractmethod
    def _rows(self, sql: str, *values: object) -> Sequence[Any]: ...

    def register(self) -> tuple[str, bytes] | None:
        """The newest base document and its version, apart from the changes since."""
        found = self._rows("SELECT version, document FROM registers ORDER BY n DESC LIMIT 1")
        return found[0] if found else None

    def register_as_of(self, at: str) -> tuple[str, bytes] | None:
        """The base document that was in use at an instant, and its version."""
        found = self._rows(
            "SELECT version, document FROM registers WHERE at <= ? ORDER BY n DESC LIMIT 1", at
        )
        return found[0] if found else None

    def changes_in_use(self) -> list[bytes]:
        """The documents of every register change that counts, in their order."""
        sql = "SELECT change FROM register_changes WHERE refused IS NULL ORDER BY n"
        return [change for (change,) in self.connection().execute(sql)]

    def changes(
        self, kind: str | None, record_id: str | None, before: int | None, limit: int
    ) -> list[tuple[int, KeepChange]]:
        """Changes with their numbers, newest first: of one record, one kind, or of all."""
        rows = self.connection().execute(
            f"SELECT n, {_CHANGE} FROM register_changes"  # noqa: S608 - our columns
            " WHERE (CAST(?1 AS TEXT) IS NULL OR kind = ?1)"
            " AND (CAST(?2 AS TEXT) IS NULL OR id = ?2)"
            " AND (CAST(?3 AS BIGINT) IS NULL OR n < ?3) ORDER BY n DESC LIMIT ?4",
            (kind, record_id, before, limit),
        )
        return [(row[0], KeepChange(*row[1:])) for row in rows]

    def change_asked(self, request: str) -> KeepChange | None:
        """The change that a request id was taken by."""
        sql = f"SELECT {_CHANGE} FROM register_changes WHERE request = ?"  # noqa: S608 - our columns
        row = self.connection().execute(sql, (request,)).fetchone()
        return KeepChange(*row) if row else None

    def change_as_of(self, kind: str, record_id: str, at: str) -> KeepChange | None:
        """The last change of a record that was in use at an instant."""
        sql = (
            f"SELECT {_CHANGE} FROM register_changes WHERE kind = ? AND id = ? AND at <= ?"  # noqa: S608 - our columns
            " AND refused IS NULL ORDER BY n DESC LIMIT 1"
        )
        row = self.connection().execute(sql, (kind, record_id, at)).fetchone()
        return KeepChange(*row) if row else None
