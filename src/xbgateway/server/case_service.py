"""``CaseService``: parties open cases, look at them, act in them.

Permission before existence: a case of others is unknown.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from xbgateway.api.cases.v1 import cases_pb2 as wire
from xbgateway.api.cases.v1 import cases_pb2_grpc
from xbgateway.casework import Acting, CaseDesk, CaseView, Opening, figures
from xbgateway.exchange.admission import check_request_id
from xbgateway.model import limits
from xbgateway.model.case import CaseRow
from xbgateway.model.clock import instant

from .exchange_service import fitting, no_longer, page_size
from .identity import Context, Identities
from .pages import PageTokens
from .translate import timestamp

_PAGE_DEFAULT = 50
_PAGE_MAX = 500
# Who watches looks anyway after this: a change may come from a process before this one.
_LOOK_S = 5.0
_FILTERS = {
    wire.CASE_FILTER_OPEN: "open",
    wire.CASE_FILTER_ENDED: "ended",
    wire.CASE_FILTER_LATE: "late",
}


class CaseService(cases_pb2_grpc.CaseServiceServicer):
    """Serves those who take part in cases at this node."""

    def __init__(
        self, identities: Identities, desk: CaseDesk, pages: PageTokens, draining: asyncio.Event
    ) -> None:
        self._identities = identities
        self._desk = desk
        self._pages = pages
        self._draining = draining

    async def ListCaseTypes(  # noqa: N802 - gRPC's name
        self, _request: wire.ListCaseTypesRequest, context: Context
    ) -> wire.ListCaseTypesResponse:
        """What can be opened here."""
        self._identities.caller(context)
        types = sorted(self._desk.book.types.current.values(), key=lambda one: one.name)
        return wire.ListCaseTypesResponse(
            types=[
                wire.CaseType(
                    name=one.name,
                    title=dict(one.title),
                    roles=dict(one.roles),
                    opens=one.opens,
                    application=_struct(one.application),
                    digest=one.digest,
                )
                for one in types
            ]
        )

    async def OpenCase(self, request: wire.OpenCaseRequest, context: Context) -> wire.Case:  # noqa: N802
        """Open a case, or find the one that this request id opened."""
        caller = self._identities.caller(context)
        check_request_id(request.request_id)
        no_longer("note", request.note, limits.NOTE_CHARS_MAX)
        view = await self._desk.open(
            Opening(
                party=caller.party,
                subject=caller.subject,
                request_id=request.request_id,
                type=request.type,
                parties=dict(request.parties),
                application=_plain(request.application),
                tls=caller.tls,
                note=request.note,
            )
        )
        return case_of(view)

    async def ListCases(  # noqa: N802
        self, request: wire.ListCasesRequest, context: Context
    ) -> wire.ListCasesResponse:
        """Cases of the caller, newest first, without steps and documents."""
        party = self._identities.caller(context).party
        state = _FILTERS.get(request.filter, "")
        listing = f"cases:{request.type}:{state}"
        before = self._pages.open(listing, party, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        rows = self._desk.listed(party, request.type, state, before, size + 1)
        page = fitting([_listed(row) for row in rows[:size]])
        last = rows[len(page) - 1] if len(rows) > len(page) else None
        more = self._pages.seal(listing, party, (last.opened_at, last.id)) if last else ""
        return wire.ListCasesResponse(cases=page, next_page_token=more)

    async def GetCase(self, request: wire.GetCaseRequest, context: Context) -> wire.Case:  # noqa: N802
        """One case with all that the caller may see of it."""
        caller = self._identities.caller(context)
        return case_of(self._desk.view(caller.party, caller.roles, request.case))

    async def ActOnCase(self, request: wire.ActOnCaseRequest, context: Context) -> wire.Case:  # noqa: N802
        """One act."""
        caller = self._identities.caller(context)
        no_longer("note", request.note, limits.NOTE_CHARS_MAX)
        view = await self._desk.act(
            Acting(
                party=caller.party,
                subject=caller.subject,
                offices=caller.roles,
                case=request.case,
                act=request.act,
                etag=request.etag,
                application=(
                    _plain(request.application) if request.HasField("application") else None
                ),
                note=request.note,
            )
        )
        return case_of(view)

    async def WatchCase(  # noqa: N802
        self, request: wire.WatchCaseRequest, context: Context
    ) -> AsyncIterator[wire.WatchCaseResponse]:
        """The case now and after each step, until it has ended or this node drains."""
        caller = self._identities.caller(context)
        view, told = self._desk.view(caller.party, caller.roles, request.case), -1
        with self._desk.watched(view.row.id) as changed:
            while not self._draining.is_set():
                changed.clear()
                view = self._desk.view(caller.party, caller.roles, view.row.id)
                if view.standing.step != told:
                    told = view.standing.step
                    yield wire.WatchCaseResponse(case=case_of(view))
                if view.standing.ending is not None:
                    return
                try:
                    await asyncio.wait_for(changed.wait(), _LOOK_S)
                except TimeoutError:
                    continue

    async def GetCaseFigures(  # noqa: N802
        self, request: wire.GetCaseFiguresRequest, context: Context
    ) -> wire.GetCaseFiguresResponse:
        """The numbers of the caller's cases, by type."""
        party = self._identities.caller(context).party
        since = request.since_time if request.HasField("since_time") else None
        began = instant(since.ToDatetime()) if since else ""
        found = figures(self._desk.book.rows.figures(party, began))
        return wire.GetCaseFiguresResponse(
            figures=[
                wire.CaseFigures(
                    type=one.type,
                    opened=one.opened,
                    waiting=dict(one.waiting),
                    ended=dict(one.ended),
                    late=one.late,
                    median_hours=one.median_hours,
                    p90_hours=one.p90_hours,
                )
                for one in found
            ]
        )


def case_of(view: CaseView) -> wire.Case:
    """A case as somebody who takes part sees it."""
    case, standing, notes = _listed(view.row), view.standing, view.notes or {}
    case.parties.update(standing.parties)
    case.state_time.CopyFrom(timestamp(standing.since.at))
    case.acts.extend(view.acts)
    if standing.ending is not None and standing.ending.follow:
        case.follow = standing.ending.follow
    for moved in standing.history:
        said = notes.get(moved.step, {})
        case.steps.add(
            number=moved.step,
            time=timestamp(moved.at),
            event=moved.event,
            party=moved.party,
            state=moved.state,
            exchange_id=moved.concluded or "",
            **{name: str(said.get(name, "")) for name in ("who", "note", "reason")},
        )
    for name in ("application", "preview", "answers"):
        found = getattr(view, name)
        if found is not None:
            getattr(case, name).CopyFrom(_struct(found))
    return case


def _listed(row: CaseRow) -> wire.Case:
    case = wire.Case(
        id=row.id,
        number=row.number,
        type=row.type,
        state=row.state,
        etag=str(row.step),
        open_time=timestamp(row.opened_at),
        late=row.late,
        outcome=row.ended,
        own=row.own,
    )
    if row.due:
        case.due_time.CopyFrom(timestamp(row.due))
    return case


def _struct(value: Any) -> Struct:
    made = Struct()
    made.update(value)
    return made


def _plain(said: Struct) -> Any:
    """The object as JSON says it: whole numbers are whole."""
    return _whole(MessageToDict(said))


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {key: _whole(each) for key, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value
