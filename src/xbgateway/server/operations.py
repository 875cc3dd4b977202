"""``google.longrunning.Operations``: a held exchange as its caller follows it.

The name is ``operations/<exchange_id>``, the metadata the ``Exchange``, the response the
``CallResponse``, the error the status that the call itself would end with. Every exchange of the
caller is an operation; one that nobody holds is soon done.
"""

import asyncio
from collections.abc import Callable

import grpc
from google.longrunning import operations_pb2 as wire
from google.longrunning import operations_pb2_grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2

from xbgateway.exchange.stages import Finished
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import TERMINAL, Outcome

from .exchange_service import exchange_id, page_size
from .identity import Caller, Context, Identities
from .interceptors import time_left_s
from .pages import PageTokens
from .ports import ExchangeView, Path
from .status import DETAILS_KEY, of_finished
from .translate import answered, exchange_of

_PREFIX = "operations/"
_LISTING = "operations"
_PAGE_DEFAULT = 50
_PAGE_MAX = 500
_LOOK_S = 0.1
_WAIT_S_MAX = 30.0


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc] # untyped
    """Serves the callers of this node, each its own exchanges."""

    def __init__(self, identities: Identities, path: Path, pages: PageTokens, page: str) -> None:
        self._identities = identities
        self._path = path
        self._pages = pages
        self._page = page

    async def GetOperation(  # noqa: N802 - gRPC's name
        self, request: wire.GetOperationRequest, context: Context
    ) -> wire.Operation:
        """Where it stands, with its result once there is one."""
        caller = self._identities.caller(context)
        return await self._operation(caller, _exchange(request.name))

    async def WaitOperation(  # noqa: N802
        self, request: wire.WaitOperationRequest, context: Context
    ) -> wire.Operation:
        """The same once it is done, or when the time is over: half a minute at most."""
        caller, exchange = self._identities.caller(context), _exchange(request.name)
        asked_s = request.timeout.ToTimedelta().total_seconds() or _WAIT_S_MAX
        loop = asyncio.get_running_loop()
        until = loop.time() + max(0.0, min(asked_s, _WAIT_S_MAX, time_left_s(context) / 2))
        while True:
            operation = await self._operation(caller, exchange)
            if operation.done or loop.time() >= until:
                return operation
            await asyncio.sleep(_LOOK_S)

    async def ListOperations(  # noqa: N802
        self, request: wire.ListOperationsRequest, context: Context
    ) -> wire.ListOperationsResponse:
        """The caller's exchanges, newest first, without their results."""
        caller = self._identities.caller(context)
        if request.filter:
            raise Refused(Reason.ARGUMENT_INVALID, "There are no filters.", field="filter")
        before = self._pages.open(_LISTING, caller.party, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        views, after = await self._path.list(caller.party, size, before)
        return wire.ListOperationsResponse(
            operations=[_bare(view) for view in views],
            next_page_token=self._pages.seal(_LISTING, caller.party, after) if after else "",
        )

    async def CancelOperation(  # noqa: N802
        self, request: wire.CancelOperationRequest, context: Context
    ) -> Empty:
        """As ``CancelExchange``; whether it came in time is seen from the operation."""
        caller, exchange = self._identities.caller(context), _exchange(request.name)
        await self._path.get(caller.party, exchange, auditor=False)
        await self._path.cancel(caller.party, exchange)
        return Empty()

    async def DeleteOperation(  # noqa: N802
        self,
        request: wire.DeleteOperationRequest,  # noqa: ARG002 - gRPC's
        context: Context,
    ) -> Empty:
        """There is no such thing: what was exchanged stays on record as long as law says."""
        self._identities.caller(context)
        raise Refused(Reason.METHOD_UNKNOWN, "Operations are not deleted.")

    async def _operation(self, caller: Caller, exchange: str) -> wire.Operation:
        view = await self._path.get(caller.party, exchange, auditor=False)
        operation = _bare(view)
        loop = asyncio.get_running_loop()
        finished = await loop.run_in_executor(None, self._path.result, caller.party, exchange)
        if finished is None:
            # Ended, and its result is erased or on its way: the next look has what there is.
            operation.done = view.over
            if operation.done:
                self._failed(operation, Finished(exchange, view.state.outcome))
            return operation
        operation.done = True
        if (
            finished.outcome is Outcome.EXECUTED
            and finished.payload is not None
            and finished.service_code is None
        ):
            operation.response.Pack(answered(finished, exchange_of(view)))
        else:
            self._failed(operation, finished)
        return operation

    def _failed(self, operation: wire.Operation, finished: Finished) -> None:
        failure = of_finished(finished, "en", self._page)
        details = dict(failure.trailers)[DETAILS_KEY]
        assert isinstance(details, bytes)
        operation.error.CopyFrom(status_pb2.Status.FromString(details))


def _bare(view: ExchangeView) -> wire.Operation:
    metadata = Packed()
    metadata.Pack(exchange_of(view))
    done = view.state.outcome in TERMINAL
    return wire.Operation(name=_PREFIX + view.exchange, metadata=metadata, done=done)


def _exchange(name: str) -> str:
    return exchange_id(name.removeprefix(_PREFIX))


def add_operations(servicer: Operations, server: grpc.aio.Server) -> None:
    """Register the service."""
    add: Callable[[object, object], None] = operations_pb2_grpc.add_OperationsServicer_to_server
    add(servicer, server)
