"""``LogService``: the node's logs for auditors, and each party's own entries for itself.

A party that is no auditor sees entries of its own exchanges only; what is not its own looks like
what does not exist. Entries hold no personal data.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from xbgateway.api.log.v1 import log_pb2 as wire
from xbgateway.api.log.v1 import log_pb2_grpc
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused, Unavailable

from .exchange_service import exchange_id, fitting, not_negative, page_size
from .identity import Caller, Context, Identities
from .ports import LogEntry, Logs, Path
from .translate import exchange_in, log_entry_of, log_of

_PAGE_DEFAULT = 100
_PAGE_MAX = 1000


class LogService(log_pb2_grpc.LogServiceServicer):
    """Serves auditors and parties. ``draining`` ends open tails when the node stops."""

    def __init__(
        self, identities: Identities, path: Path, logs: Logs, draining: asyncio.Event
    ) -> None:
        self._identities = identities
        self._path = path
        self._logs = logs
        self._draining = draining

    async def ListLogs(  # noqa: N802 - gRPC's name
        self, request: wire.ListLogsRequest, context: Context
    ) -> wire.ListLogsResponse:
        """Every log of the node; auditors only."""
        del request
        self._auditor(context)
        return wire.ListLogsResponse(logs=[log_of(view) for view in await self._logs.logs()])

    async def ListEntries(  # noqa: N802
        self, request: wire.ListEntriesRequest, context: Context
    ) -> wire.ListEntriesResponse:
        """A page of a log; for a party, the entries of one of its exchanges."""
        caller = self._identities.caller(context)
        not_negative("start", request.start)
        count = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        if request.exchange_id:
            exchange = exchange_id(request.exchange_id)
            await self._path.get(caller.party, exchange, caller.auditor)
            found = [
                entry
                for entry in await self._logs.entries_of(exchange, request.origin)
                if entry.index >= request.start
            ]
        else:
            _must_audit(caller)
            found = list(await self._logs.entries(request.origin, request.start, count + 1))
        page = fitting([log_entry_of(entry) for entry in found[:count]])
        more = found[len(page)].index if len(found) > len(page) else 0
        return wire.ListEntriesResponse(entries=page, next_start=more)

    async def GetEntry(  # noqa: N802
        self, request: wire.GetEntryRequest, context: Context
    ) -> wire.LogEntry:
        """One entry, to the byte."""
        caller = self._identities.caller(context)
        return log_entry_of(await self._entry(caller, request.origin, request.index))

    async def ProveEntry(  # noqa: N802
        self, request: wire.ProveEntryRequest, context: Context
    ) -> wire.ProveEntryResponse:
        """One entry with its offline proof."""
        caller = self._identities.caller(context)
        await self._entry(caller, request.origin, request.index)
        entry, proof = await self._logs.prove(request.origin, request.index)
        return wire.ProveEntryResponse(entry=entry, proof=proof)

    async def TailEntries(  # noqa: N802
        self, request: wire.TailEntriesRequest, context: Context
    ) -> AsyncIterator[wire.LogEntry]:
        """Entries as they become durable; auditors only.

        Who reads is asked again every minute, so that a revocation ends an open tail too.
        """
        self._auditor(context)
        not_negative("start", request.start)
        tail = self._logs.tail(request.origin or None, request.start)
        following: asyncio.Task[LogEntry] | None = None
        loop = asyncio.get_running_loop()
        stopping = loop.create_task(self._draining.wait())
        ask_again = loop.time() + limits.IDENTITY_CACHE_S_MAX
        try:
            while True:
                following = following or loop.create_task(_next(tail))
                await asyncio.wait(
                    {following, stopping},
                    timeout=max(0.0, ask_again - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if stopping.done():
                    raise Unavailable(Reason.DRAINING, "The node is stopping.")
                if loop.time() >= ask_again:
                    self._auditor(context)
                    ask_again = loop.time() + limits.IDENTITY_CACHE_S_MAX
                if following.done():
                    yield log_entry_of(following.result())
                    following = None
        finally:
            await _ended(stopping)
            if following is not None:
                await _ended(following)
            if isinstance(tail, AsyncGenerator):
                await tail.aclose()

    def _auditor(self, context: Context) -> Caller:
        caller = self._identities.caller(context)
        _must_audit(caller)
        return caller

    async def _entry(self, caller: Caller, origin: str, index: int) -> LogEntry:
        """Raises ``Refused(ENTRY_UNKNOWN)`` also for an entry of somebody else's exchange."""
        found = await self._logs.entries(origin, index, 1) if index >= 0 else ()
        if not found:
            raise _unknown()
        if not caller.auditor:
            exchange = exchange_in(found[0].entry)
            if exchange is None:
                raise _unknown()
            try:
                await self._path.get(caller.party, exchange, auditor=False)
            except Refused as refused:
                raise _unknown() from refused
        return found[0]


async def _next(tail: AsyncIterator[LogEntry]) -> LogEntry:
    return await anext(tail)


async def _ended(task: asyncio.Task[object]) -> None:
    """Cancel a task of ours and see it through."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _must_audit(caller: Caller) -> None:
    if not caller.auditor:
        raise Refused(Reason.AUDITOR_ONLY, "Only an auditor may read this.", party=caller.party)


def _unknown() -> Refused:
    return Refused(Reason.ENTRY_UNKNOWN, "There is no such entry.")
