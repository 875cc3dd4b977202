"""``InboxService``: a provider fetches its exchanges, and answers them.

A party sees its own inbox only; another party's message looks like one that does not exist.
"""

import asyncio

from xbgateway.api.inbox.v1 import inbox_pb2 as wire
from xbgateway.api.inbox.v1 import inbox_pb2_grpc
from xbgateway.exchange.inbox import Handed
from xbgateway.exchange.ports import Answered
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

from .exchange_service import exchange_id, page_size
from .identity import Context, Identities
from .ports import Inbox
from .translate import timestamp

_MESSAGES_DEFAULT = 10
_SLICE_S = 1.0
_CODES = range(1, 17)  # gRPC's, but OK


class InboxService(inbox_pb2_grpc.InboxServiceServicer):
    """Serves the systems of providers."""

    def __init__(self, identities: Identities, inbox: Inbox, draining: asyncio.Event) -> None:
        self._identities = identities
        self._inbox = inbox
        self._draining = draining

    async def Pull(  # noqa: N802 - gRPC's name
        self, request: wire.PullRequest, context: Context
    ) -> wire.PullResponse:
        """Messages under a lease each."""
        party = self._identities.caller(context).party
        most = page_size(request.max_messages, _MESSAGES_DEFAULT, limits.PULL_MESSAGES_MAX)
        wait_s = request.wait.ToTimedelta().total_seconds()
        if wait_s < 0:
            raise Refused(Reason.ARGUMENT_INVALID, "A negative time to wait.", field="wait")
        loop = asyncio.get_running_loop()
        ends = loop.time() + min(wait_s, limits.PULL_WAIT_S_MAX)
        while True:  # in slices, so that whoever waits does not hold up a drain
            left_s = ends - loop.time()
            handed = await self._inbox.pull(party, most, max(0.0, min(left_s, _SLICE_S)))
            if handed or left_s <= _SLICE_S or self._draining.is_set():
                return wire.PullResponse(messages=[message_of(one) for one in handed])

    async def Acknowledge(  # noqa: N802
        self, request: wire.AcknowledgeRequest, context: Context
    ) -> wire.AcknowledgeResponse:
        """The service's answer, or its error."""
        party = self._identities.caller(context).party
        await self._inbox.acknowledge(
            party, exchange_id(request.exchange_id), request.lease, _answered(request)
        )
        return wire.AcknowledgeResponse()

    async def ExtendLease(  # noqa: N802
        self, request: wire.ExtendLeaseRequest, context: Context
    ) -> wire.ExtendLeaseResponse:
        """Keep a message longer."""
        party = self._identities.caller(context).party
        if request.duration.seconds < limits.LEASE_S_MIN:
            raise Refused(
                Reason.ARGUMENT_INVALID, "A lease lasts a second at least.", field="duration"
            )
        end = await self._inbox.extend(
            party, exchange_id(request.exchange_id), request.lease, request.duration.seconds
        )
        return wire.ExtendLeaseResponse(lease_end=timestamp(end))

    async def Release(  # noqa: N802
        self, request: wire.ReleaseRequest, context: Context
    ) -> wire.ReleaseResponse:
        """Give a message back."""
        party = self._identities.caller(context).party
        await self._inbox.release(party, exchange_id(request.exchange_id), request.lease)
        return wire.ReleaseResponse()


def _answered(request: wire.AcknowledgeRequest) -> Answered:
    match request.WhichOneof("word"):
        case "answer":
            return Answered(request.answer)
        case "error" if request.error.code in _CODES:
            return Answered(b"", request.error.code, request.error.message)
        case "error":
            raise Refused(Reason.ARGUMENT_INVALID, "No code of an error.", field="error.code")
    raise Refused(Reason.ARGUMENT_INVALID, "Neither an answer nor an error.", field="word")


def message_of(handed: Handed) -> wire.Message:
    """A message as its provider gets it."""
    row = handed.row
    return wire.Message(
        exchange_id=row.exchange,
        service=row.service,
        method=row.method,
        sender=handed.sender,
        purpose=handed.purpose,
        case_id=handed.case_id,
        payload=handed.payload,
        attempt=row.attempts,
        lease=row.lease,
        lease_end=timestamp(row.due),
    )
