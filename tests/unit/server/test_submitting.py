"""Exchanges that nobody waits for, over mutual TLS: taken over, watched to their end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from tests.unit.server.edge import Edge
from tests.unit.server.fakes import View, state
from tests.unit.server.test_services import request
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2 as wire
from xbgateway.api.exchange.v1.exchange_pb2_grpc import ExchangeServiceStub
from xbgateway.client import GatewayCallError
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.outcome import Outcome

Code = grpc.StatusCode


def asked(lives: timedelta | None = None, **changed: Any) -> wire.SubmitRequest:
    made = wire.SubmitRequest(call=request(**changed))
    if lives is not None:
        made.time_to_live.FromTimedelta(lives)
    return made


def comes_to(edge: Edge, outcome: Outcome, reason: str | None = None) -> str:
    exchange = str(uuid4())

    async def work(_submission: Submission) -> Finished:
        edge.path.views[exchange] = View(exchange, state(outcome))
        return Finished(exchange, outcome, reason)

    edge.path.work = work
    return exchange


async def test_what_is_taken_over_is_told_as_far_as_it_has_come(edge: Edge) -> None:
    async with edge.channel() as channel:
        stub = ExchangeServiceStub(channel)
        for outcome in (
            *(Outcome.PENDING, Outcome.HELD, Outcome.EXECUTED, Outcome.NOT_EXECUTED),
            *(Outcome.EXPIRED, Outcome.UNKNOWN, Outcome.EXECUTED_ANSWER_WITHHELD),
        ):
            exchange = comes_to(edge, outcome)
            found = await stub.Submit(asked(), metadata=edge.bearer())
            assert found.exchange_id == exchange
            assert found.outcome == wire.Outcome.Value(f"OUTCOME_{outcome.name}")
        exchange = comes_to(edge, Outcome.REFUSED, "POLICY_DENIED")
        told = await failure(stub.Submit(asked(), metadata=edge.bearer()))
    assert (told.reason, told.metadata["exchange_id"]) == (Reason.POLICY_DENIED, exchange)


async def test_how_long_it_lives_reaches_the_path(edge: Edge) -> None:
    comes_to(edge, Outcome.PENDING)
    lives = (None, timedelta(hours=2), timedelta(milliseconds=1500))
    async with edge.channel() as channel:
        stub = ExchangeServiceStub(channel)
        for each in lives:
            await stub.Submit(asked(each), metadata=edge.bearer())
        assert [one.lives_s for one in edge.path.seen] == [0, 7200, 2]
        for wrong in (asked(timedelta(0)), asked(timedelta(seconds=-5)), asked(validate_only=True)):
            told = await failure(stub.Submit(wrong, metadata=edge.bearer()))
            assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, Reason.ARGUMENT_INVALID)
    assert len(edge.path.seen) == len(lives)


async def test_a_watch_tells_each_state_once_and_ends_with_the_last(edge: Edge) -> None:
    exchange = str(uuid4())
    edge.path.came_to(exchange, Outcome.PENDING)
    async with edge.channel() as channel:
        stub = ExchangeServiceStub(channel)
        call = stub.WatchExchange(
            wire.WatchExchangeRequest(exchange_id=exchange), metadata=edge.bearer()
        )
        first = await call.read()
        assert first.outcome == wire.OUTCOME_PENDING
        edge.path.came_to(exchange, Outcome.PENDING)  # nothing new
        edge.path.came_to(exchange, Outcome.HELD)
        assert (await call.read()).outcome == wire.OUTCOME_HELD
        edge.path.came_to(exchange, Outcome.NOT_EXECUTED)
        last = await call.read()
        assert last.outcome == wire.OUTCOME_NOT_EXECUTED
        assert await call.read() is grpc.aio.EOF
        again = wire.WatchExchangeRequest(exchange_id=exchange, etag=last.etag)
        seen = [one async for one in stub.WatchExchange(again, metadata=edge.bearer())]
        assert seen == []
        again.etag = first.etag
        seen = [one async for one in stub.WatchExchange(again, metadata=edge.bearer())]
        assert seen == [last]


async def test_a_watch_shows_nothing_of_others_and_ends_when_the_node_stops(edge: Edge) -> None:
    other, mine = str(uuid4()), str(uuid4())
    edge.path.views[other] = View(
        other, state(Outcome.PENDING), sender="cn.zhuhai.hrss", recipient="mo.ias"
    )
    edge.path.came_to(mine, Outcome.PENDING)
    async with edge.channel() as channel:
        stub = ExchangeServiceStub(channel)
        for exchange in (other, str(uuid4()), "no id"):
            call = stub.WatchExchange(
                wire.WatchExchangeRequest(exchange_id=exchange), metadata=edge.bearer()
            )
            told = await failure(call.read())
            assert (told.code, told.reason) == (Code.NOT_FOUND, Reason.EXCHANGE_UNKNOWN)
        call = stub.WatchExchange(
            wire.WatchExchangeRequest(exchange_id=mine), metadata=edge.bearer()
        )
        await call.read()
        draining = asyncio.create_task(edge.server.drain(5.0))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call.read()
        assert error.value.code() is Code.UNAVAILABLE
        await draining
    assert not edge.path.watching._watchers


async def test_without_room_the_caller_hears_when_to_come_back(edge: Edge) -> None:
    async def full(_submission: Submission) -> Finished:
        raise Unavailable(Reason.QUOTA_EXCEEDED, "full", quota="party_exchanges")

    edge.path.work = full
    async with edge.channel() as channel:
        stub = ExchangeServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Submit(asked(), metadata=edge.bearer())
    told = GatewayCallError.of(error.value)
    assert (told.code, told.reason) == (Code.RESOURCE_EXHAUSTED, Reason.QUOTA_EXCEEDED)
    assert (told.retry_s, told.metadata["quota"]) == (5.0, "party_exchanges")
