"""A node that stops, and one that may not start beside another."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import grpc
import pytest
from tests.harness.callers import NOTICE, QUERY, Callers, Kind
from tests.harness.cluster import Processes, eventually

from xbgateway.api.exchange.v1 import exchange_pb2, exchange_pb2_grpc

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("whole"),
]


@pytest.mark.parametrize("kind", [QUERY, NOTICE], ids=["at its caller's", "at its service's"])
async def test_sigterm_lets_what_runs_come_to_its_end(
    nodes: Processes, people: Callers, kind: Kind
) -> None:
    """The Zhuhai node stops while an exchange runs; it sends the query, it receives the notice."""
    await nodes.slow_agency(kind.agency, 1.0)
    await people.call(kind)  # the node has found the agency again
    running = people.new(kind)
    # The call alone: its receipt is another call, which a stopping node does not take.
    asking = asyncio.create_task(people.answer(running))
    await _acts(nodes, kind)
    ending = asyncio.create_task(nodes.terminate("zhuhai"))
    await asyncio.sleep(0.2)
    late = people.new(QUERY)
    assert not await people.once(late)
    assert late.error is not None
    assert late.error.code is grpc.StatusCode.UNAVAILABLE
    assert not late.exchange, "a stopping node took a new exchange"
    assert await ending == 0
    if kind is QUERY:
        answer = await asking
        await nodes.restart("zhuhai")
    else:
        await nodes.restart("zhuhai")
        answer = await asking
    await nodes.slow_agency(kind.agency, 0.0)
    await people.done(running)
    assert running.answer == answer
    await people.done(late)
    await nodes.settle()
    assert nodes.effects(kind.agency)[running.exchange][1:] == (1, 1)


async def test_a_stopping_node_is_unavailable_to_the_last(
    nodes: Processes, people: Callers
) -> None:
    """Whoever asks without pause while it stops never hears gRPC's CANCELLED (`Server.close`)."""
    endpoint = people.gateways[QUERY.party]._endpoint
    assert endpoint.token is not None
    words = (("authorization", f"Bearer {endpoint.token()}"),)
    heard: Counter[grpc.StatusCode] = Counter()
    sentences: set[str] = set()
    gone = asyncio.Event()

    async def asking() -> None:
        credentials = grpc.ssl_channel_credentials(
            endpoint.roots, endpoint.key, endpoint.certificate
        )
        alone = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.secure_channel(endpoint.address, credentials, alone) as channel:
            ask = exchange_pb2_grpc.ExchangeServiceStub(channel).GetExchange
            while not gone.is_set():
                try:
                    await ask(exchange_pb2.GetExchangeRequest(), metadata=words, timeout=10)
                except grpc.aio.AioRpcError as error:
                    heard[error.code()] += 1
                    sentences.add(error.details() or "")

    callers = [asyncio.create_task(asking()) for _ in range(16)]
    await eventually(lambda: heard.total() > 100, 20)
    assert set(heard) == {grpc.StatusCode.NOT_FOUND}, sentences
    assert await nodes.terminate("zhuhai") == 0
    await asyncio.sleep(0.1)
    gone.set()
    await asyncio.gather(*callers)
    assert set(heard) == {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE}, sentences
    assert any("stopping" in one for one in sentences), sentences
    await nodes.restart("zhuhai")


async def _acts(nodes: Processes, kind: Kind) -> None:
    """Until the agency has one more effect than now."""
    before = len(nodes.effects(kind.agency))
    await eventually(lambda: len(nodes.effects(kind.agency)) > before, 10, every_s=0.02)


async def _refused(config: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xbgateway", "serve", str(config)),
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
    )
    try:
        _out, told = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, told.decode()


async def test_a_second_process_is_refused(nodes: Processes, people: Callers) -> None:
    text = nodes.config("zhuhai").read_text()
    elsewhere = nodes.folder / "second.toml"
    elsewhere.write_text(text.replace('store = "zhuhai/store.db"', 'store = "second.db"'))
    ports = nodes.folder / "other-ports.toml"
    mine = nodes.ports["zhuhai"]
    for port in (mine.client, mine.peer, mine.metrics):
        text = text.replace(f":{port}", f":{port + 1}")
    ports.write_text(text)
    (code, told), (other_code, other_told) = await asyncio.gather(
        _refused(ports), _refused(elsewhere)
    )
    assert (code, "STORE_LOCKED" in told) == (4, True), told
    assert (other_code, "cannot be listened on" in other_told) == (5, True), other_told
    await people.call(QUERY)


async def test_pitfall_6_a_node_has_one_event_loop(nodes: Processes, people: Callers) -> None:
    told = nodes.folder / "loops"
    nodes.instead["macao"] = (str(Path(__file__).with_name("counted_loops.py")), str(told))
    await nodes.terminate("macao")
    await nodes.restart("macao")
    del nodes.instead["macao"]
    await people.call(QUERY)  # received, delivered to the agency, answered
    assert await nodes.terminate("macao") == 0
    assert told.read_text().splitlines() == ["uvloop"]
    assert {one.name for one in nodes.store("macao").parent.glob("store.db*")} == {
        *("store.db", "store.db.lock")  # all of it in one file, whoever has read it
    }
