"""Revisions of the policies, through the officers' own node."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import grpc

from xbgateway.api.policy.v1 import policy_pb2 as wire
from xbgateway.api.policy.v1.policy_pb2_grpc import PolicyServiceStub
from xbgateway.client.paging import paged

# The node runs every check and fixture before it answers, and loads a revision before it swaps.
CHECK_TIMEOUT_S = 600.0


def state_of(proposal: wire.Proposal) -> str:
    """Where a proposal stands: ``open``, ``approved`` or ``rejected``."""
    return wire.ProposalState.Name(proposal.state).removeprefix("PROPOSAL_STATE_").lower()


class Revisions:
    """Proposals of this node; the connection claims the officer's roles.

    Every method raises ``GatewayCallError``.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        explained: Callable[[Awaitable[Any]], Awaitable[Any]],
        timeout_s: float,
    ) -> None:
        self._stub = PolicyServiceStub(channel)
        self._explained = explained
        self._timeout_s = timeout_s

    async def active(self) -> wire.ActiveRevision:
        """The revision in use, with its files."""
        asked = wire.GetActiveRevisionRequest()
        found: wire.ActiveRevision = await self._explained(
            self._stub.GetActiveRevision(asked, timeout=self._timeout_s)
        )
        return found

    async def propose(
        self, files: Mapping[str, bytes], *, note: str = "", request_id: str | None = None
    ) -> wire.Proposal:
        """Have a folder's files (path to content) checked and kept; takes some seconds."""
        request = wire.ProposeRevisionRequest(
            request_id=request_id or str(uuid4()),
            files=[wire.PolicyFile(path=path, content=files[path]) for path in sorted(files)],
            note=note,
        )
        found: wire.Proposal = await self._explained(
            self._stub.ProposeRevision(request, timeout=CHECK_TIMEOUT_S)
        )
        return found

    async def list(self, *, page_size: int = 0) -> AsyncIterator[wire.Proposal]:
        """Proposals, newest first."""
        request = wire.ListProposalsRequest(page_size=page_size)

        def ask(asked: wire.ListProposalsRequest) -> Awaitable[Any]:
            return self._explained(self._stub.ListProposals(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "proposals"):
            yield one

    async def get(self, proposal: str) -> wire.Proposal:
        """One proposal with its files."""
        request = wire.GetProposalRequest(proposal_id=proposal)
        found: wire.Proposal = await self._explained(
            self._stub.GetProposal(request, timeout=self._timeout_s)
        )
        return found

    async def approve(self, proposal: str, *, reason: str = "") -> wire.Proposal:
        """Put it into use; not by whoever proposed it."""
        request = wire.ApproveProposalRequest(proposal_id=proposal, reason=reason)
        found: wire.Proposal = await self._explained(
            self._stub.ApproveProposal(request, timeout=CHECK_TIMEOUT_S)
        )
        return found

    async def reject(self, proposal: str, reason: str) -> wire.Proposal:
        """End it, with a reason."""
        request = wire.RejectProposalRequest(proposal_id=proposal, reason=reason)
        found: wire.Proposal = await self._explained(
            self._stub.RejectProposal(request, timeout=self._timeout_s)
        )
        return found
