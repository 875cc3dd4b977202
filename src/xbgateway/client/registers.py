"""The registers of the own node, as :attr:`Gateway.registers` gives them.

Every method raises :class:`~xbgateway.client.errors.GatewayCallError`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc.aio

from xbgateway.api.register.v1 import register_pb2 as register
from xbgateway.api.register.v1.register_pb2_grpc import RegisterServiceStub
from xbgateway.client.paging import paged


class Registers:
    """Reads records and their history, and applies an officer's events."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        timeout_s: float,
        explained: Callable[[Awaitable[Any]], Awaitable[Any]],
    ) -> None:
        self._stub = RegisterServiceStub(channel)
        self._timeout_s = timeout_s
        self._explained = explained

    async def records(
        self, kind: str, *, state: str = "", page_size: int = 0
    ) -> AsyncIterator[register.Record]:
        """Records of a kind by id, page by page: all for officers and auditors, else one's own."""
        request = register.ListRecordsRequest(kind=kind, state=state, page_size=page_size)

        def ask(asked: register.ListRecordsRequest) -> Awaitable[Any]:
            return self._explained(self._stub.ListRecords(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "records"):
            yield one

    async def get(
        self, kind: str, record_id: str, *, as_of: datetime | None = None
    ) -> register.Record:
        """One record, now or as it stood in the node's register at an (aware) instant."""
        request = register.GetRecordRequest(kind=kind, id=record_id)
        if as_of is not None:
            request.as_of.FromDatetime(as_of)
        found: register.Record = await self._explained(
            self._stub.GetRecord(request, timeout=self._timeout_s)
        )
        return found

    async def changes(
        self, kind: str = "", record_id: str = "", *, page_size: int = 0
    ) -> AsyncIterator[register.Change]:
        """Changes, newest first: of a record, a kind, or all. For officers and auditors."""
        request = register.ListChangesRequest(kind=kind, id=record_id, page_size=page_size)

        def ask(asked: register.ListChangesRequest) -> Awaitable[Any]:
            return self._explained(self._stub.ListChanges(asked, timeout=self._timeout_s))

        pages = paged(ask, request, "changes", place="before", following="next_before")
        async for one in pages:
            yield one

    async def due(self, kind: str = "", *, page_size: int = 0) -> AsyncIterator[register.Due]:
        """What is to be done about records, the earliest first. For officers and auditors."""
        request = register.ListDueRequest(kind=kind, page_size=page_size)

        def ask(asked: register.ListDueRequest) -> Awaitable[Any]:
            return self._explained(self._stub.ListDue(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "due"):
            yield one

    async def apply(
        self,
        kind: str,
        record_id: str,
        event: str,
        *,
        given: Mapping[str, Any] | None = None,
        etag: str = "",
        request_id: str | None = None,
        validate_only: bool = False,
    ) -> register.Record:
        """Apply an officer's event; the record after it.

        ``etag`` is the record's as it was read, empty where the event makes it. The same
        ``request_id`` again gives the same change.
        """
        request = register.ApplyEventRequest(
            request_id=request_id or str(uuid4()),
            kind=kind,
            id=record_id,
            event=event,
            etag=etag,
            validate_only=validate_only,
        )
        request.given.update(given or {})
        answer = await self._explained(self._stub.ApplyEvent(request, timeout=self._timeout_s))
        made: register.Record = answer.record
        return made
