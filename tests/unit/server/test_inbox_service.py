"""Inbox and dead letters over the wire, before a real path: who sees what, and what is no word."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from tests.harness.corridors import Journal, fund, notice
from tests.harness.simulator import world
from tests.unit.server.edge import Edge, Material, serving
from tests.unit.server.fakes import AUDITOR, WINDOW
from tests.unit.server.told import failure

from xbgateway.api.inbox.v1 import inbox_pb2 as wire
from xbgateway.api.inbox.v1.inbox_pb2_grpc import DeadLetterServiceStub, InboxServiceStub
from xbgateway.demo.register import ZHUHAI
from xbgateway.exchange.ports import EffectUnknown
from xbgateway.model.errors import Reason

ROLE = "data_officer"


@asynccontextmanager
async def unknown(
    tmp_path: Path, material: Material, count: int
) -> AsyncIterator[tuple[Edge, list[str]]]:
    """A node with so many exchanges of which nobody knows whether its journal has them."""
    async with world(tmp_path, {"macao": fund, "zhuhai": Journal()}) as w:

        async def broken() -> None:
            raise EffectUnknown

        w.nodes["zhuhai"].service.before = broken
        exchanges = [(await w.submit("macao", notice())).exchange for _ in range(count)]
        async with serving(material, core=w.nodes["zhuhai"].core) as edge:
            yield edge, exchanges


async def test_people_see_and_close_what_concerns_them(tmp_path: Path, material: Material) -> None:
    async with unknown(tmp_path, material, 3) as (edge, exchanges), edge.channel(ZHUHAI) as c:
        stub, who = DeadLetterServiceStub(c), edge.bearer(ZHUHAI, ROLE)
        found: list[str] = []
        token = ""
        while token or not found:
            request = wire.ListDeadLettersRequest(page_size=2, page_token=token)
            page = await stub.ListDeadLetters(request, metadata=who)
            found += [one.exchange_id for one in page.dead_letters]
            token = page.next_page_token
        assert sorted(found) == sorted(exchanges)
        one = wire.GetDeadLetterRequest(exchange_id=exchanges[0])
        shown = await stub.GetDeadLetter(one, metadata=who)
        assert (shown.state, shown.party) == (wire.DEAD_LETTER_STATE_UNKNOWN, ZHUHAI)
        assert (shown.reason, shown.may_have_acted) == (Reason.EXCHANGE_UNKNOWN_EFFECT, True)
        plain = edge.bearer(ZHUHAI)
        for call in (
            stub.GetDeadLetter(one, metadata=plain),
            stub.ListDeadLetters(wire.ListDeadLettersRequest(), metadata=plain),
            stub.RequeueDeadLetter(
                wire.RequeueDeadLetterRequest(exchange_id=str(uuid4())), metadata=plain
            ),
        ):
            assert (await failure(call)).reason == Reason.ROLE_REQUIRED
        requeue = wire.RequeueDeadLetterRequest(exchange_id=exchanges[0])
        told = await failure(stub.RequeueDeadLetter(requeue, metadata=who))
        assert told.reason == Reason.NOT_WAITING_FOR_PERSON  # it has ended
        closing = wire.CloseDeadLetterRequest(exchange_id=exchanges[0])
        told = await failure(stub.CloseDeadLetter(closing, metadata=who))
        assert told.reason == Reason.ARGUMENT_INVALID  # without a word
        closing.note = "entered by hand"
        closed = await stub.CloseDeadLetter(closing, metadata=who)
        assert closed.state == wire.DEAD_LETTER_STATE_CLOSED
        assert closed.remark.officer.startswith(f"{ZHUHAI}/")
        told = await failure(stub.CloseDeadLetter(closing, metadata=who))
        assert told.reason == Reason.NOT_WAITING_FOR_PERSON
        left = await stub.ListDeadLetters(wire.ListDeadLettersRequest(), metadata=who)
        assert len(left.dead_letters) == 2
        async with edge.channel(WINDOW) as other:
            theirs, officer = DeadLetterServiceStub(other), edge.bearer(WINDOW, ROLE)
            told = await failure(theirs.GetDeadLetter(one, metadata=officer))
            assert told.reason == Reason.EXCHANGE_UNKNOWN
        async with edge.channel(AUDITOR) as other:
            theirs, auditor = DeadLetterServiceStub(other), edge.bearer(AUDITOR)
            seen = await theirs.ListDeadLetters(wire.ListDeadLettersRequest(), metadata=auditor)
            assert len(seen.dead_letters) == 2
            told = await failure(theirs.CloseDeadLetter(closing, metadata=auditor))
            assert told.reason == Reason.ROLE_REQUIRED


async def test_what_is_no_word_of_a_service(tmp_path: Path, material: Material) -> None:
    async with unknown(tmp_path, material, 0) as (edge, _), edge.channel(ZHUHAI) as c:
        stub, who, one = InboxServiceStub(c), edge.bearer(ZHUHAI), str(uuid4())
        pull = wire.PullRequest()
        assert (await failure(stub.Pull(pull, metadata=who))).reason == Reason.SERVICE_UNKNOWN
        pull.wait.seconds = -1
        assert (await failure(stub.Pull(pull, metadata=who))).reason == Reason.ARGUMENT_INVALID
        for word, reason in (
            (wire.AcknowledgeRequest(exchange_id=one), Reason.ARGUMENT_INVALID),
            (
                wire.AcknowledgeRequest(exchange_id=one, error=wire.ServiceError(code=0)),
                Reason.ARGUMENT_INVALID,
            ),
            (wire.AcknowledgeRequest(exchange_id=one, answer=b""), Reason.EXCHANGE_UNKNOWN),
            (wire.AcknowledgeRequest(exchange_id="x", answer=b""), Reason.EXCHANGE_UNKNOWN),
        ):
            assert (await failure(stub.Acknowledge(word, metadata=who))).reason == reason
        extend = wire.ExtendLeaseRequest(exchange_id=one)
        told = await failure(stub.ExtendLease(extend, metadata=who))
        assert told.reason == Reason.ARGUMENT_INVALID
        release = wire.ReleaseRequest(exchange_id=one)
        assert (await failure(stub.Release(release, metadata=who))).reason == (
            Reason.EXCHANGE_UNKNOWN
        )
