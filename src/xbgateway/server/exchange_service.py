"""``ExchangeService``: calls without stubs, and what became of a party's exchanges."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message

from xbgateway.api.exchange.v1 import exchange_pb2 as wire
from xbgateway.api.exchange.v1 import exchange_pb2_grpc
from xbgateway.model import limits
from xbgateway.model.errors import GatewayError, Reason, Refused, Unavailable
from xbgateway.model.outcome import Outcome

from .calls import run, take_over
from .identity import Caller, Context, Identities
from .pages import PageTokens
from .ports import Path
from .status import exchange_trailers
from .submission import submission
from .translate import answered, exchange_of, outcome_of, receipt_of, words_of

_LISTING = "exchanges"
_PAGE_DEFAULT = 50
_PAGE_MAX = 500
_LOOK_S = 1.0  # what changes without a word of it, and a drain, are seen this late at most
Row = TypeVar("Row", bound=Message)


class ExchangeService(exchange_pb2_grpc.ExchangeServiceServicer):
    """Serves the callers of this node. Every method asks first who calls."""

    def __init__(
        self, identities: Identities, path: Path, pages: PageTokens, draining: asyncio.Event
    ) -> None:
        self._identities = identities
        self._path = path
        self._pages = pages
        self._draining = draining

    async def Call(  # noqa: N802 - gRPC's name
        self, request: wire.CallRequest, context: Context
    ) -> wire.CallResponse:
        """Run one unary method on the other side."""
        caller = self._identities.caller(context)
        asked = submission(
            caller, request.service, request.method, request.payload, words_of(request)
        )
        finished = await run(self._path, asked, context)
        if finished.decision is not None:
            return answered(finished, None)
        context.set_trailing_metadata(exchange_trailers(finished))
        try:
            exchange = await self._exchange(caller, finished.exchange)
        except GatewayError:
            # The answer stands, and is not withheld because its description cannot be read now.
            exchange = wire.Exchange(
                exchange_id=finished.exchange, outcome=outcome_of(finished.outcome)
            )
        return answered(finished, exchange)

    async def Submit(  # noqa: N802
        self, request: wire.SubmitRequest, context: Context
    ) -> wire.Exchange:
        """Take a call over; the exchange as far as it has come."""
        caller, call = self._identities.caller(context), request.call
        if call.validate_only:
            raise Refused(
                Reason.ARGUMENT_INVALID, "Call answers dry runs.", field="call.validate_only"
            )
        asked = submission(caller, call.service, call.method, call.payload, words_of(call))
        asked = replace(asked, lives_s=_lives_s(request))
        exchange = await take_over(self._path, asked, context)
        try:
            return await self._exchange(caller, exchange)
        except GatewayError:
            # It is taken over, and is not denied because its description cannot be read now.
            return wire.Exchange(exchange_id=exchange, outcome=outcome_of(Outcome.PENDING))

    async def WatchExchange(  # noqa: N802
        self, request: wire.WatchExchangeRequest, context: Context
    ) -> AsyncIterator[wire.Exchange]:
        """The exchange as it is, then as it changes, until nothing more will come.

        Who watches is asked again at every look, so that a revocation ends an open watch too.
        """
        exchange, seen = exchange_id(request.exchange_id), request.etag
        with self._path.watched(exchange) as changed:
            while True:
                changed.clear()
                caller = self._identities.caller(context)
                view = await self._path.get(caller.party, exchange, caller.auditor)
                found = exchange_of(view)
                if found.etag != seen:
                    seen = found.etag
                    yield found
                if view.over:
                    return
                if self._draining.is_set():
                    raise Unavailable(Reason.DRAINING, "The node is stopping.")
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _LOOK_S)

    async def GetExchange(  # noqa: N802
        self, request: wire.GetExchangeRequest, context: Context
    ) -> wire.Exchange:
        """What is known of one exchange."""
        caller = self._identities.caller(context)
        return await self._exchange(caller, exchange_id(request.exchange_id))

    async def CancelExchange(  # noqa: N802
        self, request: wire.CancelExchangeRequest, context: Context
    ) -> wire.Exchange:
        """Take an exchange back; the exchange as it stands once that is on record."""
        caller, exchange = self._identities.caller(context), exchange_id(request.exchange_id)
        await self._path.cancel(caller.party, exchange)
        return await self._exchange(caller, exchange)

    async def ListExchanges(  # noqa: N802
        self, request: wire.ListExchangesRequest, context: Context
    ) -> wire.ListExchangesResponse:
        """The caller's own exchanges, newest first."""
        caller = self._identities.caller(context)
        before = self._pages.open(_LISTING, caller.party, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        views, after = await self._path.list(caller.party, size, before)
        found = [exchange_of(view) for view in views]
        page = fitting(found)
        if len(page) < len(found):
            after = (views[len(page) - 1].at, views[len(page) - 1].exchange)
        return wire.ListExchangesResponse(
            exchanges=page,
            next_page_token=self._pages.seal(_LISTING, caller.party, after) if after else "",
        )

    async def GetReceipt(  # noqa: N802
        self, request: wire.GetReceiptRequest, context: Context
    ) -> wire.Receipt:
        """Entries and proofs of one exchange."""
        caller = self._identities.caller(context)
        exchange = exchange_id(request.exchange_id)
        proven = await self._path.receipt(caller.party, exchange, caller.auditor)
        return receipt_of(exchange, list(proven))

    async def _exchange(self, caller: Caller, exchange: str) -> wire.Exchange:
        return exchange_of(await self._path.get(caller.party, exchange, caller.auditor))


def _lives_s(request: wire.SubmitRequest) -> int:
    """Seconds, a begun one as a whole; 0 where nothing is said: as the provider allows."""
    if not request.HasField("time_to_live"):
        return 0
    told = request.time_to_live
    seconds = told.seconds + (told.nanos > 0)
    if seconds <= 0:
        raise Refused(Reason.ARGUMENT_INVALID, "No time to live.", field="time_to_live")
    return seconds


def page_size(asked: int, default: int, most: int) -> int:
    """AIP-158: 0 is the default, too large is coerced. Raises ``Refused(ARGUMENT_INVALID)``."""
    not_negative("page_size", asked)
    return min(asked or default, most)


def fitting(rows: Sequence[Row]) -> Sequence[Row]:
    """The first rows, at least one, that fit one message: a page is never one that cannot leave."""
    total = 0
    for count, row in enumerate(rows):
        total += row.ByteSize()
        if count and total > limits.PAGE_BYTES_MAX:
            return rows[:count]
    return rows


def not_negative(field: str, value: int) -> None:
    """Raises ``Refused(ARGUMENT_INVALID)`` for a negative number."""
    if value < 0:
        raise Refused(Reason.ARGUMENT_INVALID, f"{field} is negative.", field=field)


def no_longer(field: str, text: str, most: int) -> None:
    """Raises ``Refused(ARGUMENT_INVALID)`` for a text of more than so many characters."""
    if len(text) > most:
        raise Refused(Reason.ARGUMENT_INVALID, f"At most {most} characters.", field=field)


def rejection(reason: str) -> None:
    """Raises ``Refused(ARGUMENT_INVALID)`` for a rejection that says no reason."""
    if not reason.strip():
        raise Refused(Reason.ARGUMENT_INVALID, "A rejection needs a reason.", field="reason")


def exchange_id(text: str) -> str:
    """An exchange's id as stores know it. What is no UUID is no exchange: ``EXCHANGE_UNKNOWN``."""
    return uuid_of(text, Reason.EXCHANGE_UNKNOWN, "There is no such exchange.")


def uuid_of(text: str, unknown: Reason, sentence: str) -> str:
    """A UUID as stores know it. What is none names nothing: raises ``Refused(unknown)``."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise Refused(unknown, sentence) from error
