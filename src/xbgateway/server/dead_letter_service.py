"""``DeadLetterService``: what waits for a person, and the person's word.

Officers see and settle what concerns their own party, auditors read everything of the node. Roles
come before existence: whoever has none learns nothing of any item.
"""

from collections.abc import Mapping

from xbgateway.api.inbox.v1 import inbox_pb2 as wire
from xbgateway.api.inbox.v1 import inbox_pb2_grpc
from xbgateway.exchange.attention import Found, Item
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

from .exchange_service import exchange_id, fitting, page_size
from .identity import Caller, Context, Identities
from .pages import PageTokens
from .ports import Attention
from .translate import timestamp

_LISTING = "dead letters"
_PAGE_DEFAULT = 50
_PAGE_MAX = 500
_FOUND: Mapping[int, Found] = {
    wire.FINDING_NOT_EXECUTED: "not_executed",
    wire.FINDING_UNKNOWN: "unknown",
}
_STATES: Mapping[str, wire.DeadLetterState.ValueType] = {
    "dead": wire.DEAD_LETTER_STATE_PARKED,
    "unknown": wire.DEAD_LETTER_STATE_UNKNOWN,
    "closed": wire.DEAD_LETTER_STATE_CLOSED,
}


class DeadLetterService(inbox_pb2_grpc.DeadLetterServiceServicer):
    """Serves officers and auditors of this node."""

    def __init__(self, identities: Identities, attention: Attention, pages: PageTokens) -> None:
        self._identities = identities
        self._attention = attention
        self._pages = pages

    async def ListDeadLetters(  # noqa: N802 - gRPC's name
        self, request: wire.ListDeadLettersRequest, context: Context
    ) -> wire.ListDeadLettersResponse:
        """Items that wait, oldest first."""
        caller = self._identities.caller(context)
        after = self._pages.open(_LISTING, caller.party, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        items = await self._attention.listed(_of(caller), after, size + 1)
        page = fitting([dead_letter_of(item) for item in items[:size]])
        token = ""
        if len(items) > len(page):
            last = items[len(page) - 1].row
            token = self._pages.seal(_LISTING, caller.party, (last.at, last.exchange))
        return wire.ListDeadLettersResponse(dead_letters=page, next_page_token=token)

    async def GetDeadLetter(  # noqa: N802
        self, request: wire.GetDeadLetterRequest, context: Context
    ) -> wire.DeadLetter:
        """One item."""
        party = _of(self._identities.caller(context))
        return dead_letter_of(self._attention.get(party, exchange_id(request.exchange_id)))

    async def RequeueDeadLetter(  # noqa: N802
        self, request: wire.RequeueDeadLetterRequest, context: Context
    ) -> wire.DeadLetter:
        """It is delivered anew."""
        caller = self._officer(context)
        item = await self._attention.requeue(caller.party, exchange_id(request.exchange_id))
        return dead_letter_of(item)

    async def ResolveDeadLetter(  # noqa: N802
        self, request: wire.ResolveDeadLetterRequest, context: Context
    ) -> wire.DeadLetter:
        """A person's word on what happened."""
        caller, note = self._officer(context), _note(request.note)
        found = _FOUND.get(request.finding)
        if found is None:
            raise Refused(Reason.ARGUMENT_INVALID, "Say what was found.", field="finding")
        exchange = exchange_id(request.exchange_id)
        person = f"{caller.party}/{caller.subject}"
        item = await self._attention.resolve(caller.party, exchange, person, note, found)
        return dead_letter_of(item)

    async def CloseDeadLetter(  # noqa: N802
        self, request: wire.CloseDeadLetterRequest, context: Context
    ) -> wire.DeadLetter:
        """Somebody has looked."""
        caller, note = self._officer(context), _note(request.note)
        exchange, person = exchange_id(request.exchange_id), f"{caller.party}/{caller.subject}"
        return dead_letter_of(await self._attention.close(caller.party, exchange, person, note))

    def _officer(self, context: Context) -> Caller:
        caller = self._identities.caller(context)
        if not caller.roles:
            raise Refused(Reason.ROLE_REQUIRED, "Only an officer may.", role="any")
        return caller


def _of(caller: Caller) -> str | None:
    """Whose items somebody may read."""
    if caller.auditor:
        return None
    if not caller.roles:
        raise Refused(Reason.ROLE_REQUIRED, "Only an officer or auditor may.", role="any")
    return caller.party


def _note(text: str) -> str:
    if not text.strip() or len(text) > limits.NOTE_CHARS_MAX:
        raise Refused(
            Reason.ARGUMENT_INVALID,
            f"A note of 1 to {limits.NOTE_CHARS_MAX} characters says what was found.",
            field="note",
        )
    return text


def dead_letter_of(item: Item) -> wire.DeadLetter:
    """An item as people see it; one that was requeued is in no state of this list."""
    row = item.row
    found = wire.DeadLetter(
        exchange_id=row.exchange,
        state=_STATES.get(row.state, wire.DEAD_LETTER_STATE_UNSPECIFIED),
        party=row.party,
        service=row.service,
        method=row.method,
        reason=row.reason,
        attempts=row.attempts,
        first_time=timestamp(row.at),
        last_time=timestamp(row.last),
        may_have_acted=row.unsure,
    )
    if item.remark is not None:
        found.remark.CopyFrom(
            wire.Remark(
                officer=item.remark.officer,
                note=item.remark.note,
                time=timestamp(item.remark.at),
            )
        )
    return found
