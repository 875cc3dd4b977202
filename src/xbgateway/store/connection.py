"""What the store's SQL runs on: SQLite's own connection, or one that speaks to PostgreSQL.

Statements are written once, for both. Parameters are ``?``, or ``?1`` where one comes twice; a
conflict names its columns; what only one of the two knows stands in that one's module.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any:
        """The next row, or ``None``."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection to a store. Used by one thread at a time."""

    @property
    def in_transaction(self) -> bool:
        """Whether something was begun that is neither committed nor rolled back."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each row of values."""

    def interrupt(self) -> None:
        """Break off what another thread has it doing."""

    def close(self) -> None:
        """End it; what was begun is rolled back."""
