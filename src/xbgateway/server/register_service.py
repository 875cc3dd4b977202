"""``RegisterService``: what registers say, what changed them, what is due, and officers' events.

Officers and auditors of this node see every record, a party those that name it. Only an officer of
the event's office changes one, and only a record that this node keeps.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from xbgateway.api.register.v1 import register_pb2 as wire
from xbgateway.api.register.v1 import register_pb2_grpc
from xbgateway.exchange.admission import check_request_id
from xbgateway.exchange.registrar import Asked
from xbgateway.model.errors import Reason, Refused

from .exchange_service import fitting, not_negative, page_size
from .identity import Caller, Context, Identities
from .pages import PageTokens
from .ports import Changes, Registers
from .register_words import change_of, due_of, given_of, record_of

_PAGE_DEFAULT = 100
_PAGE_MAX = 1000
_Read = TypeVar("_Read")


class RegisterService(register_pb2_grpc.RegisterServiceServicer):
    """Serves the callers of this node. Every method asks first who calls."""

    def __init__(
        self, identities: Identities, registers: Registers, changes: Changes, pages: PageTokens
    ) -> None:
        self._identities = identities
        self._registers = registers
        self._changes = changes
        self._pages = pages

    async def ListRecords(  # noqa: N802 - gRPC's name
        self, request: wire.ListRecordsRequest, context: Context
    ) -> wire.ListRecordsResponse:
        """A page of the records of one kind."""
        caller = self._identities.caller(context)
        listing = f"records {request.kind} {request.state}"
        _, after = self._pages.open(listing, caller.party, request.page_token) or ("", "")
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        found = await _read(
            lambda: self._registers.list(
                request.kind, request.state, _reader(caller), after, size + 1
            )
        )
        page = fitting([record_of(one) for one in found[:size]])
        token = ""
        if len(found) > len(page):
            token = self._pages.seal(listing, caller.party, (request.kind, page[-1].id))
        return wire.ListRecordsResponse(records=page, next_page_token=token)

    async def GetRecord(  # noqa: N802
        self, request: wire.GetRecordRequest, context: Context
    ) -> wire.Record:
        """One record, now or as it stood."""
        caller = self._identities.caller(context)
        as_of = _moment(request) if request.HasField("as_of") else None
        return record_of(
            await _read(
                lambda: self._registers.get(request.kind, request.id, as_of, _reader(caller))
            )
        )

    async def ListChanges(  # noqa: N802
        self, request: wire.ListChangesRequest, context: Context
    ) -> wire.ListChangesResponse:
        """Changes, newest first."""
        self._sees_all(context)
        not_negative("before", request.before)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        found = await _read(
            lambda: self._registers.changes(
                request.kind, request.id, request.before or None, size + 1
            )
        )
        page = fitting([change_of(one) for one in found[:size]])
        more = page[-1].number if len(found) > len(page) else 0
        return wire.ListChangesResponse(changes=page, next_before=more)

    async def ListDue(  # noqa: N802
        self, request: wire.ListDueRequest, context: Context
    ) -> wire.ListDueResponse:
        """What is to be done about records, the earliest first."""
        caller = self._sees_all(context)
        listing = f"due {request.kind}"
        after = self._pages.open(listing, caller.party, request.page_token) or ("", "")
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        found = await _read(lambda: self._registers.due(request.kind, after))
        page = fitting([due_of(one) for one in found[:size]])
        token = ""
        if len(found) > len(page):
            token = self._pages.seal(listing, caller.party, found[len(page) - 1].place)
        return wire.ListDueResponse(due=page, next_page_token=token)

    async def ApplyEvent(  # noqa: N802
        self, request: wire.ApplyEventRequest, context: Context
    ) -> wire.ApplyEventResponse:
        """An officer's event in the life of a record."""
        caller = self._identities.caller(context)
        if not caller.roles:
            raise Refused(
                Reason.ROLE_REQUIRED, "Only an officer may change a register.", role="officer"
            )
        check_request_id(request.request_id)
        change = await self._changes.apply(
            Asked(
                party=caller.party,
                request_id=request.request_id.lower(),
                kind=request.kind,
                id=request.id,
                event=request.event,
                given=given_of(request.given),
                etag=request.etag,
                officer=caller.subject,
                roles=caller.roles,
                validate_only=request.validate_only,
            )
        )
        return wire.ApplyEventResponse(record=record_of(self._registers.applied(change)))

    def _sees_all(self, context: Context) -> Caller:
        caller = self._identities.caller(context)
        if _reader(caller) is not None:
            raise Refused(
                Reason.ROLE_REQUIRED, "Only officers and auditors may read this.", role="officer"
            )
        return caller


def _reader(caller: Caller) -> str | None:
    """Whose records are shown: all to officers and auditors, a party its own."""
    return None if caller.auditor or caller.roles else caller.party


def _moment(request: wire.GetRecordRequest) -> datetime:
    try:
        return request.as_of.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(Reason.ARGUMENT_INVALID, "as_of is out of range.", field="as_of") from error


async def _read(question: Callable[[], _Read]) -> _Read:
    """Reads may wait for the disk: never on the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, question)
