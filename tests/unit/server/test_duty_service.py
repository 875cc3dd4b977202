"""Duties over the wire: who sees which, page by page, and who may confirm."""

from typing import Any

import pytest
from tests.unit.server.edge import Edge
from tests.unit.server.fakes import AUDITOR, WINDOW
from tests.unit.server.told import failure

from xbgateway.api.duties.v1 import duties_pb2 as wire
from xbgateway.api.duties.v1.duties_pb2_grpc import DutyServiceStub
from xbgateway.model.errors import Reason

OTHER = "cn.zhuhai.hrss"
YESTERDAY, TOMORROW = "2026-11-21T15:59:59.999Z", "2026-11-23T15:59:59.999Z"


async def pages(stub: Any, who: Any, **asked: Any) -> list[list[str]]:
    found, token = [], ""
    while True:
        request = wire.ListDutiesRequest(page_size=2, page_token=token, **asked)
        page = await stub.ListDuties(request, metadata=who)
        found.append([one.duty_id for one in page.duties])
        token = page.next_page_token
        if not token:
            return found


async def test_a_party_lists_its_own_duties_and_an_auditor_all(edge: Edge) -> None:
    late, soon, then = (edge.duties.owe(WINDOW, at) for at in (YESTERDAY, TOMORROW, TOMORROW))
    others = edge.duties.owe(OTHER, TOMORROW)
    async with edge.channel() as channel:
        stub, who = DutyServiceStub(channel), edge.bearer()
        assert await pages(stub, who) == [[late, soon], [then]]
        assert await pages(stub, who, state=wire.DUTY_STATE_OVERDUE, verb="file") == [[late]]
        shown = await stub.GetDuty(wire.GetDutyRequest(duty_id=late), metadata=who)
        assert (shown.state, shown.paper) == (wire.DUTY_STATE_OVERDUE, "K-7")
        assert shown.due_at.ToJsonString() == YESTERDAY
        # A page token is of one caller's list, with its filter.
        first = await stub.ListDuties(wire.ListDutiesRequest(page_size=2), metadata=who)
        elsewhere = wire.ListDutiesRequest(page_token=first.next_page_token, verb="file")
        told = await failure(stub.ListDuties(elsewhere, metadata=who))
        assert told.reason == Reason.PAGE_TOKEN_INVALID
        for wrong in ({"verb": "encrypt"}, {"state": 9}, {"page_size": -1}):
            told = await failure(stub.ListDuties(wire.ListDutiesRequest(**wrong), metadata=who))
            assert told.reason == Reason.ARGUMENT_INVALID
        told = await failure(stub.GetDuty(wire.GetDutyRequest(duty_id=others), metadata=who))
        assert told.reason == Reason.DUTY_UNKNOWN
    async with edge.channel(AUDITOR) as channel:
        stub, who = DutyServiceStub(channel), edge.bearer(AUDITOR)
        assert await pages(stub, who) == [[late, soon], [then, others]]
        # Whoever may read need not be able to confirm.
        told = await failure(stub.ConfirmDuty(wire.ConfirmDutyRequest(duty_id=late), metadata=who))
        assert told.reason == Reason.DUTY_UNKNOWN


@pytest.mark.parametrize("roles", [(), ("cdo",), ("compliance",)])
async def test_who_is_no_officer_of_that_role_confirms_nothing(
    edge: Edge, roles: tuple[str, ...]
) -> None:
    duty = edge.duties.owe(WINDOW, TOMORROW)
    async with edge.channel() as channel:
        # The window's register entry gives ``data_officer`` alone: it may claim no other office.
        call = DutyServiceStub(channel).ConfirmDuty(
            wire.ConfirmDutyRequest(duty_id=duty), metadata=edge.bearer(WINDOW, *roles)
        )
        assert (await failure(call)).reason == Reason.ROLE_REQUIRED
    assert edge.duties.rows[duty].confirmed_at is None


async def test_an_officer_confirms_by_name_of_office(edge: Edge) -> None:
    duty = edge.duties.owe(WINDOW, TOMORROW)
    async with edge.channel() as channel:
        stub, who = DutyServiceStub(channel), edge.bearer(WINDOW, "data_officer")
        said = wire.ConfirmDutyRequest(duty_id=duty, note="filed", evidence_ref="GDCAC-1")
        told = await stub.ConfirmDuty(said, metadata=who)
        assert told.state == wire.DUTY_STATE_CONFIRMED
        assert (told.role, told.officer) == ("data_officer", "desk-7")
        assert (told.note, told.evidence_ref) == ("filed", "GDCAC-1")
        for long in ({"note": "x" * 501}, {"evidence_ref": "x" * 201}):
            refused = wire.ConfirmDutyRequest(duty_id=duty, **long)
            assert (await failure(stub.ConfirmDuty(refused, metadata=who))).reason == (
                Reason.ARGUMENT_INVALID
            )
