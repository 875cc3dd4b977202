"""Messages that are too large or no messages, against a real server over mutual TLS.

Whoever sends them hears it from the node, with a reason; nothing reaches the path.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from tests.unit.server.asking import query
from tests.unit.server.edge import QUERY, Edge, Material, serving
from tests.unit.server.fakes import AUDITOR, HOME, WINDOW, View, state
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2, exchange_pb2_grpc
from xbgateway.api.log.v1 import log_pb2, log_pb2_grpc
from xbgateway.client import GatewayCallError
from xbgateway.link import channels
from xbgateway.model import limits
from xbgateway.model.errors import Reason
from xbgateway.model.outcome import Outcome
from xbgateway.server import start

Code = grpc.StatusCode
GARBAGE = b"\xff\xff\xff"
EXCHANGES = "/xbgateway.api.exchange.v1.ExchangeService"
LOGS = "/xbgateway.api.log.v1.LogService"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="module", name="material")
def _material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="edge")
async def _edge(material: Material) -> AsyncIterator[Edge]:
    async with serving(material) as running:
        yield running


# ---- too large -------------------------------------------------------------------------------


async def test_pitfall_8_payloads_over_our_limit_and_over_grpcs(edge: Edge) -> None:
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)
        fits = b"x" * limits.INLINE_PAYLOAD_BYTES_MAX
        assert len(await call(fits, metadata=edge.words())) > len(fits)
        # Over our limit, over gRPC's default, and the last byte that is taken in.
        for size in (len(fits) + 1, limits.MESSAGE_BYTES_MAX + 1, limits.RECEIVE_BYTES_MAX):
            told = await failure(call(b"x" * size, metadata=edge.words()))
            assert (told.code, told.reason) == (Code.RESOURCE_EXHAUSTED, Reason.PAYLOAD_TOO_LARGE)
            assert told.metadata["limit_bytes"] == str(len(fits))
            assert told.metadata["payload_bytes"] == str(size)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(b"x" * (limits.RECEIVE_BYTES_MAX + 1), metadata=edge.words())
        assert error.value.code() is Code.RESOURCE_EXHAUSTED
        # gRPC's own word has no details; the SDK gives it the same name.
        assert GatewayCallError.of(error.value).reason == Reason.PAYLOAD_TOO_LARGE
        assert await query(edge, channel) == b"echo:ask"
    assert len(edge.path.seen) == 2


async def test_pitfall_8_the_explicit_call_too(edge: Edge) -> None:
    async with edge.channel() as channel:
        asked = exchange_pb2.CallRequest(payload=bytes(limits.MESSAGE_BYTES_MAX + 1))
        stub = exchange_pb2_grpc.ExchangeServiceStub(channel)
        told = await failure(stub.Call(asked, metadata=edge.bearer()))
    assert (told.code, told.reason) == (Code.RESOURCE_EXHAUSTED, Reason.PAYLOAD_TOO_LARGE)
    assert edge.path.seen == []


def test_pitfall_8_every_limit_is_a_number_and_none_is_far_from_ours() -> None:
    for options in (start._OPTIONS, channels._OPTIONS):
        sizes: dict[str, Any] = {k: v for k, v in options if k.endswith("_message_length")}
        assert sizes
        assert all(0 < size <= 2 * limits.MESSAGE_BYTES_MAX for size in sizes.values())
    assert limits.RECEIVE_BYTES_MAX <= 2 * limits.MESSAGE_BYTES_MAX


async def test_pitfall_8_a_page_never_grows_beyond_a_message(edge: Edge) -> None:
    """A peer may write entries of the largest size; whoever lists them still gets all of them."""
    edge.logs.rows = [bytes([n]) * limits.ENTRY_BYTES_MAX for n in range(150)]
    found: list[int] = []
    async with edge.channel(AUDITOR) as channel:
        logs = log_pb2_grpc.LogServiceStub(channel)
        page = log_pb2.ListEntriesRequest(origin=HOME, page_size=1000)
        while True:
            got = await logs.ListEntries(page, metadata=edge.bearer(AUDITOR))
            found += [one.index for one in got.entries]
            if not got.next_start:
                break
            page.start = got.next_start
    assert found == list(range(150))


async def test_pitfall_8_nor_does_a_page_of_exchanges(edge: Edge) -> None:
    edge.path.views.clear()
    for n in range(100):
        dropped = tuple(f"answer:field_{i:055d}" for i in range(1000))
        exchange = f"{n:08d}-0000-7000-8000-000000000000"
        view = View(exchange, state(Outcome.EXECUTED), dropped=dropped)
        edge.path.views[view.exchange] = view
    found: list[str] = []
    async with edge.channel(WINDOW) as channel:
        exchanges = exchange_pb2_grpc.ExchangeServiceStub(channel)
        page = exchange_pb2.ListExchangesRequest(page_size=100)
        while True:
            got = await exchanges.ListExchanges(page, metadata=edge.bearer())
            found += [one.exchange_id for one in got.exchanges]
            if not got.next_page_token:
                break
            page.page_token = got.next_page_token
    assert found == sorted(edge.path.views, reverse=True)


# ---- no message at all -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *(f"{EXCHANGES}/{one}" for one in ("Call", "GetExchange", "ListExchanges", "GetReceipt")),
        *(f"{LOGS}/{one}" for one in ("ListLogs", "ListEntries", "GetEntry", "ProveEntry")),
        "/grpc.health.v1.Health/Check",
    ],
)
async def test_pitfall_11_bytes_that_are_no_message_are_refused_in_our_words(
    edge: Edge, path: str
) -> None:
    async with edge.channel(AUDITOR) as channel:
        told = await failure(channel.unary_unary(path)(GARBAGE, metadata=edge.bearer(AUDITOR)))
    assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, Reason.MESSAGE_UNDECODABLE)
    assert "Error" not in told.message
    assert edge.path.seen == []


async def test_pitfall_11_also_on_streams(edge: Edge) -> None:
    async with edge.channel(AUDITOR) as channel:
        tail = channel.unary_stream(f"{LOGS}/TailEntries")(GARBAGE, metadata=edge.bearer(AUDITOR))
        assert (await failure(tail.read())).reason == Reason.MESSAGE_UNDECODABLE
        asking = channel.stream_stream(REFLECTION)(metadata=edge.bearer(AUDITOR))
        await asking.write(GARBAGE)
        assert (await failure(asking.read())).reason == Reason.MESSAGE_UNDECODABLE
