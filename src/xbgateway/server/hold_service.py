"""``HoldService``: officers see what waits for their roles, and decide.

Roles come before existence: who has none learns nothing of any hold.
"""

from xbgateway.api.holds.v1 import holds_pb2 as wire
from xbgateway.api.holds.v1 import holds_pb2_grpc
from xbgateway.exchange.desk import HoldView, Officer
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

from .exchange_service import exchange_id, fitting, no_longer, page_size, rejection
from .identity import Context, Identities
from .pages import PageTokens
from .ports import Desk
from .translate import timestamp

_LISTING = "holds"
_PAGE_DEFAULT = 50
_PAGE_MAX = 500


class HoldService(holds_pb2_grpc.HoldServiceServicer):
    """Serves the officers of this node."""

    def __init__(self, identities: Identities, desk: Desk, pages: PageTokens) -> None:
        self._identities = identities
        self._desk = desk
        self._pages = pages

    async def ListHolds(  # noqa: N802 - gRPC's name
        self, request: wire.ListHoldsRequest, context: Context
    ) -> wire.ListHoldsResponse:
        """Holds of the officer's roles, oldest first."""
        officer = self._officer(context)
        listing = f"{_LISTING}:{request.answered}"
        after = self._pages.open(listing, officer.id, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        views = await self._desk.listed(officer, request.answered, after, size + 1)
        page = fitting([hold_of(view) for view in views[:size]])
        last = views[len(page) - 1].row if len(views) > len(page) else None
        more = self._pages.seal(listing, officer.id, (last.at, last.leaf)) if last else ""
        return wire.ListHoldsResponse(holds=page, next_page_token=more)

    async def GetHold(  # noqa: N802
        self, request: wire.GetHoldRequest, context: Context
    ) -> wire.Hold:
        """The newest hold of one exchange."""
        officer = self._officer(context)
        return hold_of(await self._desk.get(officer, exchange_id(request.exchange_id)))

    async def ApproveHold(  # noqa: N802
        self, request: wire.ApproveHoldRequest, context: Context
    ) -> wire.Hold:
        """Yes; law is asked again before anything goes on."""
        return await self._decided(context, request.exchange_id, request.etag, request.note, True)

    async def RejectHold(  # noqa: N802
        self, request: wire.RejectHoldRequest, context: Context
    ) -> wire.Hold:
        """No, with a reason."""
        self._officer(context)
        rejection(request.reason)
        return await self._decided(
            context, request.exchange_id, request.etag, request.reason, False
        )

    async def _decided(
        self, context: Context, exchange: str, etag: str, note: str, yes: bool
    ) -> wire.Hold:
        officer = self._officer(context)
        no_longer("note", note, limits.NOTE_CHARS_MAX)
        view = await self._desk.decide(officer, exchange_id(exchange), etag, note, yes=yes)
        return hold_of(view)

    def _officer(self, context: Context) -> Officer:
        caller = self._identities.caller(context)
        if not caller.roles:
            raise Refused(Reason.ROLE_REQUIRED, "Only an officer may.", role="any")
        return Officer(caller.party, caller.subject, caller.roles)


def hold_of(view: HoldView) -> wire.Hold:
    """A hold as its officers see it."""
    hold = wire.Hold(
        exchange_id=view.row.exchange,
        etag=view.row.leaf,
        role=view.row.role,
        open=view.open,
        create_time=timestamp(view.row.at),
        deadline=timestamp(view.row.deadline),
        rules=[wire.HoldRule(rule=f.rule, article=f.article, text=f.text) for f in view.findings],
        sender=view.sender,
        recipient=view.recipient,
        service=view.service,
        method=view.method,
        purpose=view.purpose,
        case_id=view.case_id,
    )
    if view.decision is not None:
        said = view.decision
        hold.decision.CopyFrom(
            wire.HoldDecision(
                approved=said.approved,
                officer=said.officer,
                note=said.note,
                decide_time=timestamp(said.at),
            )
        )
    return hold
