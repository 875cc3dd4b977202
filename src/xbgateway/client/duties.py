"""What decisions left to a party's people, through its own node."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from xbgateway.api.duties.v1 import duties_pb2 as wire
from xbgateway.api.duties.v1.duties_pb2_grpc import DutyServiceStub
from xbgateway.client.paging import paged

STATE_PREFIX = "DUTY_STATE_"
STATES = ("open", "overdue", "confirmed")


def state_of(duty: wire.Duty) -> str:
    """Where a duty stands: one of :data:`STATES`."""
    return wire.DutyState.Name(duty.state).removeprefix(STATE_PREFIX).lower()


class Duties:
    """Duties of the calling party; an auditor sees those of every party of the node.

    Every method raises ``GatewayCallError``.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        explained: Callable[[Awaitable[Any]], Awaitable[Any]],
        timeout_s: float,
    ) -> None:
        self._stub = DutyServiceStub(channel)
        self._explained = explained
        self._timeout_s = timeout_s

    async def list(
        self, *, state: str = "open", verb: str = "", page_size: int = 0
    ) -> AsyncIterator[wire.Duty]:
        """Duties by due time, page by page. ``state``: one of :data:`STATES`."""
        request = wire.ListDutiesRequest(
            state=wire.DutyState.Value(STATE_PREFIX + state.upper()),
            verb=verb,
            page_size=page_size,
        )

        def ask(asked: wire.ListDutiesRequest) -> Awaitable[Any]:
            return self._explained(self._stub.ListDuties(asked, timeout=self._timeout_s))

        async for one in paged(ask, request, "duties"):
            yield one

    async def get(self, duty_id: str) -> wire.Duty:
        """One duty."""
        request = wire.GetDutyRequest(duty_id=duty_id)
        found: wire.Duty = await self._explained(
            self._stub.GetDuty(request, timeout=self._timeout_s)
        )
        return found

    async def confirm(self, duty_id: str, *, note: str = "", evidence_ref: str = "") -> wire.Duty:
        """It was carried out: the word of an officer, whose roles the connection claims."""
        request = wire.ConfirmDutyRequest(duty_id=duty_id, note=note, evidence_ref=evidence_ref)
        confirmed: wire.Duty = await self._explained(
            self._stub.ConfirmDuty(request, timeout=self._timeout_s)
        )
        return confirmed
