"""Holds and operations over the wire, before a real path: who sees what, and who may answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_pb2 as longrunning
from google.longrunning import operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from tests.harness.corridors import proof_of_life
from tests.harness.holds import PLACES, Moving, held_world
from tests.harness.simulator import World
from tests.unit.server.edge import Edge, Material, serving
from tests.unit.server.fakes import AUDITOR, WINDOW
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2
from xbgateway.api.holds.v1 import holds_pb2 as wire
from xbgateway.api.holds.v1.holds_pb2_grpc import HoldServiceStub
from xbgateway.demo.register import ZHUHAI
from xbgateway.model.errors import Reason

NOWHERE = "01890000-0000-7000-8000-000000000000"
HOME = PLACES["at home"]


@asynccontextmanager
async def held(
    tmp_path: Path, material: Material, count: int
) -> AsyncIterator[tuple[World, Edge, list[str], Moving]]:
    """A node with ``count`` holds for its chief data officer, behind a real server."""
    clock = Moving()
    async with held_world(tmp_path, HOME, clock=clock) as w:
        exchanges = [(await w.submit("zhuhai", proof_of_life())).exchange for _ in range(count)]
        async with serving(material, core=w.nodes["zhuhai"].core) as edge:
            yield w, edge, exchanges, clock


async def test_officers_of_the_role_see_holds_page_by_page(
    tmp_path: Path, material: Material
) -> None:
    async with held(tmp_path, material, 3) as (_w, edge, exchanges, _), edge.channel(ZHUHAI) as c:
        stub, who = HoldServiceStub(c), edge.bearer(ZHUHAI, "cdo")
        found: list[list[str]] = []
        token = ""
        while token or not found:
            request = wire.ListHoldsRequest(page_size=2, page_token=token)
            page = await stub.ListHolds(request, metadata=who)
            found.append([one.exchange_id for one in page.holds])
            token, last = page.next_page_token, token or page.next_page_token
        assert [len(page) for page in found] == [2, 1]
        assert sorted(one for page in found for one in page) == sorted(exchanges)
        shown = await stub.GetHold(wire.GetHoldRequest(exchange_id=exchanges[0]), metadata=who)
        assert (shown.role, shown.open, shown.sender) == ("cdo", True, ZHUHAI)
        assert [rule.rule for rule in shown.rules] == ["ZH-CAT-2"]
        # A page token is of one officer's list, with its filter.
        for request, whose in (
            (wire.ListHoldsRequest(page_token=last, answered=True), who),
            (wire.ListHoldsRequest(page_token=last), edge.bearer(ZHUHAI, "cdo", subject="b")),
        ):
            told = await failure(stub.ListHolds(request, metadata=whose))
            assert told.reason == Reason.PAGE_TOKEN_INVALID
        told = await failure(stub.ListHolds(wire.ListHoldsRequest(page_size=-1), metadata=who))
        assert told.reason == Reason.ARGUMENT_INVALID
        # Another office sees none of them in a list.
        others = edge.bearer(ZHUHAI, "compliance")
        assert not (await stub.ListHolds(wire.ListHoldsRequest(), metadata=others)).holds


async def test_roles_come_before_existence(tmp_path: Path, material: Material) -> None:
    """Whoever is no officer cannot tell an exchange from none; nor can a role claimed in vain."""
    async with held(tmp_path, material, 1) as (w, edge, [exchange], _):
        for party, roles in ((ZHUHAI, ()), (ZHUHAI, ("mo_supervisor",)), (WINDOW, ("cdo",))):
            async with edge.channel(party) as channel:
                stub, who = HoldServiceStub(channel), edge.bearer(party, *roles)
                for one in (exchange, NOWHERE):
                    for call in (
                        stub.GetHold(wire.GetHoldRequest(exchange_id=one), metadata=who),
                        stub.ApproveHold(wire.ApproveHoldRequest(exchange_id=one), metadata=who),
                        stub.RejectHold(wire.RejectHoldRequest(exchange_id=one), metadata=who),
                    ):
                        assert (await failure(call)).reason == Reason.ROLE_REQUIRED
                told = await failure(stub.ListHolds(wire.ListHoldsRequest(), metadata=who))
                assert told.reason == Reason.ROLE_REQUIRED
        async with edge.channel(ZHUHAI) as channel:
            stub, who = HoldServiceStub(channel), edge.bearer(ZHUHAI, "cdo")
            for unknown in (NOWHERE, "no uuid"):
                asked = wire.GetHoldRequest(exchange_id=unknown)
                told = await failure(stub.GetHold(asked, metadata=who))
                assert told.reason == Reason.EXCHANGE_UNKNOWN
            other = edge.bearer(ZHUHAI, "compliance")
            asked = wire.GetHoldRequest(exchange_id=exchange)
            assert (await failure(stub.GetHold(asked, metadata=other))).reason == (
                Reason.ROLE_REQUIRED
            )
        assert [row.state for row in w.nodes["zhuhai"].core.store.reader.holds_of(exchange)] == [
            "open"
        ]


async def test_an_answer_is_given_once_in_time_by_somebody_else(
    tmp_path: Path, material: Material
) -> None:
    async with (
        held(tmp_path, material, 3) as (_, edge, exchanges, clock),
        edge.channel(ZHUHAI) as c,
    ):
        stub, who = HoldServiceStub(c), edge.bearer(ZHUHAI, "cdo")
        one, two, three = exchanges

        async def approve(exchange: str, by: Any = who, **more: str) -> Any:
            asked = wire.ApproveHoldRequest(exchange_id=exchange, **more)
            return await stub.ApproveHold(asked, metadata=by)

        async def reject(exchange: str, reason: str) -> Any:
            asked = wire.RejectHoldRequest(exchange_id=exchange, reason=reason)
            return await stub.RejectHold(asked, metadata=who)

        himself = edge.bearer(ZHUHAI, "cdo", subject="counter-7")
        for call, reason in (
            (approve(one, himself), Reason.SELF_APPROVAL),
            (approve(one, note="x" * 2001), Reason.ARGUMENT_INVALID),
            (approve(one, etag="0" * 64), Reason.HOLD_ANSWERED),
            (reject(one, " \n"), Reason.ARGUMENT_INVALID),
        ):
            assert (await failure(call)).reason == reason
        approved = await approve(one, note="fine")
        assert (approved.open, approved.decision.approved) == (False, True)
        assert (approved.decision.officer, approved.decision.note) == (
            f"{ZHUHAI}/desk-7", "fine",
        )  # fmt: skip
        assert not (await reject(two, "no need")).decision.approved
        for call in (approve(one), reject(one, "late"), approve(two)):
            assert (await failure(call)).reason == Reason.HOLD_ANSWERED
        listed = await stub.ListHolds(wire.ListHoldsRequest(answered=True), metadata=who)
        assert {hold.exchange_id for hold in listed.holds} == {one, two}
        shown = await stub.GetHold(wire.GetHoldRequest(exchange_id=three), metadata=who)
        clock.ahead = shown.deadline.ToDatetime() - clock.now().replace(tzinfo=None)
        clock.ahead *= 1.01
        late = edge.bearer(ZHUHAI, "cdo")
        assert (await failure(approve(three, late))).reason == Reason.HOLD_EXPIRED


async def test_a_caller_follows_its_operations(tmp_path: Path, material: Material) -> None:
    async with held(tmp_path, material, 3) as (w, edge, exchanges, _), edge.channel(ZHUHAI) as c:
        operations: Any = operations_pb2_grpc.OperationsStub(c)
        who, (one, two, three) = edge.bearer(ZHUHAI), exchanges

        async def wait(exchange: str, timeout_s: float, deadline_s: float = 30.0) -> Any:
            asked = longrunning.WaitOperationRequest(name=f"operations/{exchange}")
            asked.timeout.CopyFrom(Duration(nanos=int(timeout_s * 1e9)))
            return await operations.WaitOperation(asked, metadata=who, timeout=deadline_s)

        # Not longer than asked for, and never past the deadline of the call.
        assert not (await wait(one, 0.2)).done
        assert not (await wait(one, 0.0, deadline_s=0.8)).done
        page = await operations.ListOperations(
            longrunning.ListOperationsRequest(page_size=2), metadata=who
        )
        assert len(page.operations) == 2
        assert page.next_page_token
        filtered = longrunning.ListOperationsRequest(filter="done=true")
        told = await failure(operations.ListOperations(filtered, metadata=who))
        assert told.reason == Reason.ARGUMENT_INVALID
        for exchange, yes in ((one, True), (two, False)):
            await w.nodes["zhuhai"].core.gateway.desk.decide(
                HOME.officer, exchange, "", "a reason", yes=yes
            )
        done = await wait(one, 0.9)
        answer, metadata = exchange_pb2.CallResponse(), exchange_pb2.Exchange()
        assert done.response.Unpack(answer)
        assert done.metadata.Unpack(metadata)
        assert (metadata.exchange_id, bool(answer.payload)) == (one, True)
        assert _reason(await wait(two, 0.9)) == Reason.HOLD_REJECTED
        cancel = longrunning.CancelOperationRequest(name=f"operations/{three}")
        await operations.CancelOperation(cancel, metadata=who)
        asked = longrunning.GetOperationRequest(name=f"operations/{three}")
        assert _reason(await operations.GetOperation(asked, metadata=who)) == Reason.HOLD_WITHDRAWN
        await operations.CancelOperation(cancel, metadata=who)  # said before: no error
        over = longrunning.CancelOperationRequest(name=f"operations/{one}")
        told = await failure(operations.CancelOperation(over, metadata=who))
        assert told.reason == Reason.EXCHANGE_ENDED
        delete = longrunning.DeleteOperationRequest(name=f"operations/{one}")
        told = await failure(operations.DeleteOperation(delete, metadata=who))
        assert (told.code, told.reason) == (grpc.StatusCode.UNIMPLEMENTED, Reason.METHOD_UNKNOWN)
        # They are of whoever asked, and of nobody else: not even of an auditor.
        for party in (WINDOW, AUDITOR):
            async with edge.channel(party) as channel:
                others: Any = operations_pb2_grpc.OperationsStub(channel)
                theirs = edge.bearer(party)
                told = await failure(others.GetOperation(asked, metadata=theirs))
                assert told.reason == Reason.EXCHANGE_UNKNOWN
                told = await failure(others.CancelOperation(cancel, metadata=theirs))
                assert told.reason == Reason.EXCHANGE_UNKNOWN
                listed = longrunning.ListOperationsRequest()
                found = await others.ListOperations(listed, metadata=theirs)
                assert not found.operations


def _reason(operation: longrunning.Operation) -> str:
    assert operation.done
    info = error_details_pb2.ErrorInfo()
    [packed] = [one for one in operation.error.details if one.Is(info.DESCRIPTOR)]
    assert packed.Unpack(info)
    return str(info.reason)
