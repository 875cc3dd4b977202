"""``DutyService``: what decisions left to a party's people, and an officer's word that it was done.

A party sees what it owes itself, an auditor what every party of the node owes; what is another's
looks like what does not exist. Only an officer of the party that owes may confirm.
"""

from xbgateway.api.duties.v1 import duties_pb2 as wire
from xbgateway.api.duties.v1 import duties_pb2_grpc
from xbgateway.model.duty import BY_PEOPLE, DutyState, TrackedDuty
from xbgateway.model.errors import Reason, Refused

from .exchange_service import fitting, no_longer, page_size
from .identity import Context, Identities
from .pages import PageTokens
from .ports import DutyPath
from .translate import timestamp

_PAGE_DEFAULT = 50
_PAGE_MAX = 500
_NOTE_CHARS_MAX = 500
_EVIDENCE_CHARS_MAX = 200
_STATES: dict[int, DutyState] = {
    wire.DUTY_STATE_UNSPECIFIED: "open",
    wire.DUTY_STATE_OPEN: "open",
    wire.DUTY_STATE_OVERDUE: "overdue",
    wire.DUTY_STATE_CONFIRMED: "confirmed",
}


class DutyService(duties_pb2_grpc.DutyServiceServicer):
    """Serves parties, their officers and auditors."""

    def __init__(self, identities: Identities, duties: DutyPath, pages: PageTokens) -> None:
        self._identities = identities
        self._duties = duties
        self._pages = pages

    async def ListDuties(  # noqa: N802 - gRPC's name
        self, request: wire.ListDutiesRequest, context: Context
    ) -> wire.ListDutiesResponse:
        """A page of duties, by due time and id."""
        caller = self._identities.caller(context)
        state = _STATES.get(request.state)
        if state is None:
            raise Refused(Reason.ARGUMENT_INVALID, "There is no such state.", field="state")
        if request.verb and request.verb not in BY_PEOPLE:
            raise Refused(Reason.ARGUMENT_INVALID, "Nobody tracks this verb.", field="verb")
        listing = f"duties {state} {request.verb}"
        after = self._pages.open(listing, caller.party, request.page_token)
        size = page_size(request.page_size, _PAGE_DEFAULT, _PAGE_MAX)
        rows = await self._duties.list(
            None if caller.auditor else caller.party,
            state,
            request.verb or None,
            size + 1,
            after,
        )
        now = self._duties.now()
        page = fitting([duty_of(row, now) for row in rows[:size]])
        token = ""
        if len(rows) > len(page):
            last = rows[len(page) - 1]
            token = self._pages.seal(listing, caller.party, (last.due, last.duty))
        return wire.ListDutiesResponse(duties=page, next_page_token=token)

    async def GetDuty(  # noqa: N802
        self, request: wire.GetDutyRequest, context: Context
    ) -> wire.Duty:
        """One duty."""
        caller = self._identities.caller(context)
        party = None if caller.auditor else caller.party
        return duty_of(await self._duties.get(party, request.duty_id), self._duties.now())

    async def ConfirmDuty(  # noqa: N802
        self, request: wire.ConfirmDutyRequest, context: Context
    ) -> wire.Duty:
        """An officer's word that it was carried out."""
        caller = self._identities.caller(context)
        for field, most in (("note", _NOTE_CHARS_MAX), ("evidence_ref", _EVIDENCE_CHARS_MAX)):
            no_longer(field, getattr(request, field), most)
        duty = await self._duties.get(caller.party, request.duty_id)
        role = next((one for one in duty.roles if one in caller.roles), ",".join(duty.roles))
        confirmed = await self._duties.confirm(
            caller.party,
            request.duty_id,
            role,
            caller.officer(role),
            request.note,
            request.evidence_ref,
        )
        return duty_of(confirmed, self._duties.now())


def duty_of(duty: TrackedDuty, now: str) -> wire.Duty:
    """A duty as it stands at an instant."""
    return wire.Duty(
        duty_id=duty.duty,
        state=wire.DutyState.Value(f"DUTY_STATE_{duty.state(now).upper()}"),
        verb=duty.verb,
        who=duty.who or "",
        about=duty.about or "",
        rules=duty.rules,
        party=duty.party,
        roles=duty.roles,
        exchange_id=duty.exchange or "",
        paper=duty.paper or "",
        opened_at=timestamp(duty.at),
        due_at=timestamp(duty.due),
        confirmed_at=timestamp(duty.confirmed_at) if duty.confirmed_at else None,
        role=duty.role or "",
        officer=duty.officer or "",
        note=duty.note or "",
        evidence_ref=duty.evidence or "",
    )
