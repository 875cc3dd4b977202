"""Known pains of gRPC for Python, by their number in the design: load, starting and stopping."""

import asyncio
import threading
from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2
from tests.harness.scale import scaled
from tests.unit.server.asking import Gate, health_of, query, until
from tests.unit.server.edge import QUERY, Edge, Material, serving
from tests.unit.server.fakes import AUDITOR, HOME, WINDOW, echo
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2, exchange_pb2_grpc
from xbgateway.api.log.v1 import log_pb2, log_pb2_grpc
from xbgateway.client import channel
from xbgateway.demo.agencies.__main__ import PING_INTERVAL_MIN_MS
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.identity import CertificateFiles
from xbgateway.link import channels
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason
from xbgateway.model.outcome import Outcome
from xbgateway.server import start
from xbgateway.server.inflight import Work

Code = grpc.StatusCode


# ---- load ------------------------------------------------------------------------------------


async def test_pitfall_5_each_class_of_work_has_its_own_bound(material: Material) -> None:
    async with serving(material, exchanges_in_flight=2) as running, running.channel() as channel:
        gate = Gate(running)
        running.path.work = gate.waiting
        call = channel.unary_unary(QUERY)
        for _wave in range(3):
            gate.opened.clear()
            first = [call(b"", metadata=running.words()) for _ in range(2)]
            await until(lambda: running.server._in_flight.running(Work.EXCHANGE) == 2)
            told = await failure(call(b"", metadata=running.words()))
            assert (told.code, told.reason) == (Code.RESOURCE_EXHAUSTED, Reason.TOO_MANY_REQUESTS)
            assert told.retry_s == 0.5
            reads = exchange_pb2_grpc.ExchangeServiceStub(channel)
            listing = exchange_pb2.ListExchangesRequest()
            assert (await reads.ListExchanges(listing, metadata=running.bearer())).exchanges
            health = health_of(channel)
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
            gate.opened.set()
            assert await asyncio.gather(*first) == [b"echo:", b"echo:"]


async def test_pitfall_16_callers_never_see_each_other(edge: Edge) -> None:
    async def slowly(submission: Submission) -> Finished:
        await asyncio.sleep(0)
        who = submission.party.encode()
        return Finished(str(uuid4()), Outcome.EXECUTED, payload=who)

    edge.path.work = slowly
    async with edge.channel() as one, edge.channel(AUDITOR) as other:
        parties = {WINDOW: one, AUDITOR: other}

        async def ask(party: str) -> bool:
            words = edge.words(edge.material.token(party))
            answer: bytes = await parties[party].unary_unary(QUERY)(b"", metadata=words)
            return answer == party.encode()

        for _ in range(scaled(1)):  # not all at once: a connection has a bound of its own
            assert all(await asyncio.gather(*(ask(p) for p in [WINDOW, AUDITOR] * 40)))


async def test_pitfall_9_a_reader_that_takes_nothing_is_cut_off(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_STALL_S_MAX", 0.2)
    edge.logs.rows = [b"x" * 60_000 for _ in range(400)]
    async with edge.channel(AUDITOR) as channel:
        request = log_pb2.TailEntriesRequest(origin=HOME)
        tail = log_pb2_grpc.LogServiceStub(channel).TailEntries(
            request, metadata=edge.bearer(AUDITOR)
        )
        await tail.read()
        await until(lambda: edge.server._in_flight.running(Work.TAIL) == 0)


@pytest.mark.parametrize("clients", [channels._OPTIONS, channel.OPTIONS], ids=["node", "SDK"])
def test_pitfall_7_our_clients_never_ping_more_often_than_our_servers_bear(
    clients: tuple[tuple[str, Any], ...],
) -> None:
    served, dialled = dict(start._OPTIONS), dict(clients)
    least_ms = served["grpc.http2.min_recv_ping_interval_without_data_ms"]
    assert least_ms * 2 < dialled["grpc.keepalive_time_ms"]
    assert served["grpc.keepalive_permit_without_calls"] == 1
    assert least_ms == PING_INTERVAL_MIN_MS  # the reference agencies bear as much


def test_pitfall_18_and_23_outgoing_channels_are_kept_balanced_and_rebuilt_alone() -> None:
    dialled = dict(channels._OPTIONS)
    assert dialled["grpc.lb_policy_name"] == "round_robin"
    assert dialled["grpc.use_local_subchannel_pool"] == 1


async def test_pitfall_23_one_channel_for_a_target_until_certificates_change(
    material: Material,
) -> None:
    own = material.of("nodes", "zhuhai")
    files = CertificateFiles(own / "tls.crt", own / "tls.key", material.roots, dev=True)
    kept = channels.PeerChannels(files)
    there = channels.Target("localhost:1", "macao.xbg.test", "macao.node.macao.xbg.test")
    first = kept.get(there)
    assert kept.get(there) is first
    assert kept.get(replace(there, address="localhost:2")) is not first
    await kept.renew(0)
    assert kept.get(there) is not first
    await kept.close()


async def test_pitfall_4_concurrency_is_the_loops_and_needs_no_threads(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More calls at once than any pool of threads would have, and not one thread for them."""
    given: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    make = grpc.aio.server

    def listening(*args: Any, **more: Any) -> Any:
        given.append((args, more))
        return make(*args, **more)

    monkeypatch.setattr(grpc.aio, "server", listening)
    async with (
        serving(material, peer_services=[lambda _server: None]) as running,
        running.channel() as open_channel,
    ):
        assert [(args, sorted(more)) for args, more in given] == [
            ((), ["interceptors", "options"])
        ] * 2
        opened, begun = asyncio.Event(), 0

        async def waiting(submission: Submission) -> Finished:
            nonlocal begun
            begun += 1
            await opened.wait()
            return await echo(submission)

        running.path.work = waiting
        await query_health(open_channel)
        threads = threading.active_count()
        call = open_channel.unary_unary(QUERY)
        calls = [call(b"", metadata=running.words()) for _ in range(200)]
        await until(lambda: begun == 200)
        assert threading.active_count() <= threads
        opened.set()
        assert set(await asyncio.gather(*calls)) == {b"echo:"}


async def query_health(channel: Any) -> None:
    assert (await health_of(channel).Check(health_pb2.HealthCheckRequest())).status == 1


def test_pitfall_6_a_second_loop_of_the_process_is_refused(material: Material) -> None:
    """Each loop in a thread of its own; when the first has ended, a second may serve."""
    started, go_on = threading.Event(), threading.Event()

    async def first() -> None:
        async with serving(material):
            started.set()
            await asyncio.to_thread(go_on.wait, 10)

    async def second() -> None:
        async with serving(material):
            pass

    one = threading.Thread(target=asyncio.run, args=(first(),))
    one.start()
    assert started.wait(10)
    with pytest.raises(Fatal, match="another event loop") as error:
        asyncio.run(second())
    assert error.value.reason is Reason.INTERNAL
    go_on.set()
    one.join(10)
    asyncio.run(second())


# ---- starting and stopping -------------------------------------------------------------------


async def test_pitfall_1_a_second_server_on_the_port_fails_loudly(edge: Edge) -> None:
    with pytest.raises(Fatal, match="another process") as error:
        async with serving(edge.material, clients_address=f"127.0.0.1:{edge.ports.clients}"):
            pass
    assert error.value.reason is Reason.CONFIG_INVALID
    async with edge.channel() as channel:
        assert await query(edge, channel) == b"echo:ask"


async def to_the_end(tail: Any) -> None:
    while await tail.read() is not grpc.aio.EOF:
        pass


async def test_pitfall_17_draining_ends_in_order_and_waits_for_no_watcher(edge: Edge) -> None:
    gate = Gate(edge)
    edge.path.work = gate.waiting
    loop = asyncio.get_running_loop()
    async with edge.channel() as channel, edge.channel(AUDITOR) as audit:
        watch = health_of(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        tail = log_pb2_grpc.LogServiceStub(audit).TailEntries(
            log_pb2.TailEntriesRequest(origin=HOME), metadata=edge.bearer(AUDITOR)
        )
        await tail.read()
        running = channel.unary_unary(QUERY)(b"last", metadata=edge.words())
        await asyncio.wait_for(gate.begun.wait(), 5)
        begun = loop.time()
        draining = asyncio.create_task(edge.server.drain(15))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await failure(to_the_end(tail))).reason == Reason.DRAINING
        await asyncio.sleep(0.05)
        told = await failure(query(edge, channel))
        assert (told.code, told.reason) == (Code.UNAVAILABLE, Reason.DRAINING)
        assert told.retry_s
        gate.opened.set()
        assert await running == b"echo:last"
        await asyncio.wait_for(draining, 5)
        assert loop.time() - begun < 5
    await edge.server.drain(0)  # again: nothing left, nothing wrong


async def test_pitfall_17_many_drains_at_once_are_one(edge: Edge) -> None:
    gate = Gate(edge)
    edge.path.work = gate.waiting
    async with edge.channel() as channel:
        running = channel.unary_unary(QUERY)(b"last", metadata=edge.words())
        await asyncio.wait_for(gate.begun.wait(), 5)
        drains = [asyncio.create_task(edge.server.drain(grace)) for grace in (10, 0, 5)]
        await asyncio.sleep(0.05)
        drains[0].cancel()
        gate.opened.set()
        assert await running == b"echo:last"
        await asyncio.gather(*drains[1:])


async def test_pitfall_17_grace_has_an_end(edge: Edge) -> None:
    gate = Gate(edge)
    edge.path.work = gate.accepting
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)(b"", metadata=edge.words())
        await asyncio.wait_for(gate.begun.wait(), 5)
        async with asyncio.timeout(5):
            await edge.server.drain(0.2)
        told = await failure(call)
        assert (told.code, told.reason) == (Code.UNAVAILABLE, Reason.INTERRUPTED)
    gate.opened.set()
    await until(lambda: len(edge.path.finished) == 1)
