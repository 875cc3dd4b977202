"""What casework needs from rooms beside it."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from xbgateway.exchange import Finished, Submission
from xbgateway.model.case import CaseRow


class Rows(Protocol):
    """Read-only questions about rows of cases."""

    def row(self, case: str) -> CaseRow | None:
        """A case by its id."""

    def numbered(self, number: str) -> CaseRow | None:
        """A case by its number."""

    def requested(self, request: str) -> CaseRow | None:
        """The case that a request id opened."""

    def of(
        self,
        party: str,
        case_type: str,
        state: str,
        before: tuple[str, str] | None,
        limit: int,
    ) -> list[CaseRow]:
        """Cases of a party, newest first."""

    def open(self) -> list[str]:
        """Ids of all cases of this node that go on."""

    def due(self, now: str, limit: int) -> list[str]:
        """Ids of cases of this node of which time wants something."""

    def to_erase(self, today: str, limit: int) -> list[str]:
        """Ids of ended cases whose documents may not be kept any longer."""

    def types(self) -> list[bytes]:
        """Every declaration that a case here may follow."""

    def figures(self, party: str, since: str) -> list[tuple[str, str, str, bool, str, str]]:
        """Type, state, outcome, whether late, opened and moved, of a party's cases."""


class Exchanges(Protocol):
    """The exchange path of this node, for parties that stand behind a case."""

    async def submit(self, submission: Submission) -> Finished | str:
        """Take a submission over."""

    async def ended(self, exchange: str) -> Finished:
        """What becomes of an exchange of a party here, or that it is held."""

    def exchange_of(self, party: str, request_id: str) -> str | None:
        """The exchange that a request id opened."""

    def result(self, party: str, exchange: str) -> Finished | None:
        """The stored result of a party's own exchange, once it has ended and until erased."""

    async def cancel(self, party: str, exchange: str) -> None:
        """Take an exchange back. Raises ``Refused`` where it is too late."""


class Watching(Protocol):
    """Who waits for the next change of a case."""

    def changed(self, exchange: str) -> None:
        """Something about it is on record."""

    def watched(self, exchange: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set at each change from now on."""


class Messages(Protocol):
    """Messages of registered methods, as JSON."""

    def encode(self, service: str, method: str, said: Mapping[str, Any]) -> bytes:
        """The request. Raises ``Refused(CASE_DOCUMENT_INVALID)`` naming the field."""

    def decode(self, service: str, method: str, answer: bytes) -> dict[str, Any]:
        """The answer. Raises ``Refused(MESSAGE_UNDECODABLE)``."""
