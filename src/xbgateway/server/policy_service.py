"""``PolicyService``: officers propose a revision of the policies, a second one puts it into use.

Roles come before existence: who has none learns nothing of any proposal.
"""

import asyncio
from collections.abc import Mapping

from xbgateway.api.policy.v1 import policy_pb2 as wire
from xbgateway.api.policy.v1 import policy_pb2_grpc
from xbgateway.exchange.admission import check_request_id
from xbgateway.exchange.desk import Officer
from xbgateway.exchange.revisions import ProposalView
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.proposal import Proposal

from .exchange_service import fitting, no_longer, page_size, rejection, uuid_of
from .identity import Context, Identities
from .pages import PageTokens
from .ports import PolicyDesk
from .translate import timestamp

_LISTING = "proposals"
_PAGE_DEFAULT = 50
_PAGE_MAX = 500


class PolicyService(policy_pb2_grpc.PolicyServiceServicer):
    """Serves the officers of this node."""

    def __init__(self, identities: Identities, desk: PolicyDesk, pages: PageTokens) -> None:
        self._identities = identities
        self._desk = desk
        self._pages = pages

    async def GetActiveRevision(  # noqa: N802 - gRPC's name
        self,
        request: wire.GetActiveRevisionRequest,  # noqa: ARG002 - it asks nothing
        context: Context,
    ) -> wire.ActiveRevision:
        """The revision in use; the rules are no secret to any caller of this node."""
        self._identities.caller(context)
        revision, since = await asyncio.to_thread(self._desk.active)
        return wire.ActiveRevision(
            revision=revision.id,
            since=timestamp(since) if since else None,
            files=_files(revision.files),
        )

    async def ProposeRevision(  # noqa: N802
        self, request: wire.ProposeRevisionRequest, context: Context
    ) -> wire.Proposal:
        """Check a folder, and keep it for a second officer."""
        officer = self._officer(context)
        no_longer("note", request.note, limits.NOTE_CHARS_MAX)
        files = {one.path: one.content for one in request.files}
        if len(files) < len(request.files):
            raise Refused(Reason.POLICY_INVALID, "A path stands twice.")
        check_request_id(request.request_id)
        name = request.request_id.lower()
        return proposal_of(await self._desk.propose(officer, name, files, request.note))

    async def ListProposals(  # noqa: N802
        self, request: wire.ListProposalsRequest, context: Context
    ) -> wire.ListProposalsResponse:
        """Proposals, newest first."""
        officer = self._officer(context)
        before = self._pages.open(_LISTING, officer.id, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        found = await self._desk.list(officer, before, size + 1)
        page = fitting([_row(one) for one in found[:size]])
        token = ""
        if len(found) > len(page):
            last = found[len(page) - 1]
            token = self._pages.seal(_LISTING, officer.id, (last.at, last.id))
        return wire.ListProposalsResponse(proposals=page, next_page_token=token)

    async def GetProposal(  # noqa: N802
        self, request: wire.GetProposalRequest, context: Context
    ) -> wire.Proposal:
        """One proposal with its files."""
        officer = self._officer(context)
        view = await self._desk.get(officer, _id(request.proposal_id))
        found = proposal_of(view)
        found.files.extend(_files(view.files))
        return found

    async def ApproveProposal(  # noqa: N802
        self, request: wire.ApproveProposalRequest, context: Context
    ) -> wire.Proposal:
        """A second officer puts it into use."""
        officer = self._officer(context)
        no_longer("reason", request.reason, limits.NOTE_CHARS_MAX)
        name = _id(request.proposal_id)
        return proposal_of(await self._desk.approve(officer, name, request.reason))

    async def RejectProposal(  # noqa: N802
        self, request: wire.RejectProposalRequest, context: Context
    ) -> wire.Proposal:
        """No, with a reason."""
        officer = self._officer(context)
        no_longer("reason", request.reason, limits.NOTE_CHARS_MAX)
        rejection(request.reason)
        name = _id(request.proposal_id)
        return proposal_of(await self._desk.reject(officer, name, request.reason))

    def _officer(self, context: Context) -> Officer:
        caller = self._identities.caller(context)
        return Officer(caller.party, caller.subject, caller.roles)


def proposal_of(view: ProposalView) -> wire.Proposal:
    """A proposal as it stands, without its files."""
    found = _row(view.proposal)
    found.rollback = view.rollback
    found.changes.extend(view.changes)
    return found


def _row(one: Proposal) -> wire.Proposal:
    return wire.Proposal(
        proposal_id=one.id,
        state=wire.ProposalState.Value(f"PROPOSAL_STATE_{one.state.upper()}"),
        revision=one.revision,
        previous=one.previous,
        checked=one.checked,
        skipped=one.skipped,
        officer=one.officer,
        note=one.note,
        create_time=timestamp(one.at),
        decided_by=one.decided_by,
        reason=one.reason,
        decide_time=timestamp(one.decided_at) if one.decided_at else None,
    )


def _files(files: Mapping[str, bytes]) -> list[wire.PolicyFile]:
    return [wire.PolicyFile(path=path, content=files[path]) for path in sorted(files)]


def _id(text: str) -> str:
    return uuid_of(text, Reason.PROPOSAL_UNKNOWN, "There is no such proposal.")
