"""A node's life as its operators and callers see it: stopping, renewing, waiting, telling."""

import asyncio
import random
import shutil
import socket
import sqlite3
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import grpc
import orjson
import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families
from tests.harness.callers import KINDS, PROOF, QUERY, Asked, Callers
from tests.harness.cluster import Processes, command, eventually
from tests.harness.scale import scaled
from tests.harness.verify import sizes

from xbgateway.api.exchange.v1 import exchange_pb2
from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.client import GatewayCallError
from xbgateway.demo.cluster import PARTIES
from xbgateway.demo.register import HENGQIN
from xbgateway.identity import load_rest_key
from xbgateway.identity.certs import revoke
from xbgateway.model.entry import Request, decode
from xbgateway.seal import RestKey, open_at_rest
from xbgateway.store.reader import Reader

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("whole"),
]
AUDITOR = "cn.zhuhai.data"
LANE = "zhuhai.xbg.test/zhuhai/macao/lane/0"
BEHIND = scaled(1000, most=10)


# ---- renewing ----------------------------------------------------------------------------------


def _renew(nodes: Processes, leaf: Path) -> None:
    """A new certificate in the place of this one, and the lists as the authorities have them."""
    leaf.unlink()
    nodes.prepare()


def _serial(nodes: Processes, port: int) -> int:
    """Serial number of what a node shows to a new connection."""
    home = nodes.certificates / "zhuhai" / "parties" / HENGQIN
    context = ssl.create_default_context(
        cafile=nodes.certificates / "trust" / "zhuhai.xbg.test.pem"
    )
    context.load_cert_chain(home / "tls.crt", home / "tls.key")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


async def test_certificates_are_renewed_while_it_serves(nodes: Processes, people: Callers) -> None:
    leaf = nodes.certificates / "zhuhai" / "nodes" / "zhuhai" / "tls.crt"
    port = nodes.ports["zhuhai"].client
    before, pid = await asyncio.to_thread(_serial, nodes, port), nodes.processes["zhuhai"].pid
    asked = len(people.asked)
    async with people.load(KINDS, pause_s=0.05):
        _renew(nodes, leaf)
        wanted = x509.load_pem_x509_certificate(leaf.read_bytes()).serial_number
        assert wanted != before

        async def shown() -> bool:
            return await asyncio.to_thread(_serial, nodes, port) == wanted

        await eventually(shown, 10, every_s=0.2)
        await asyncio.sleep(1.0)  # the channels to the peer and to the agency are renewed too
    # Also lanes that had nothing to send: the next key or register would wait for them.
    await nodes.settle()
    await _linked(nodes, "zhuhai")
    assert nodes.processes["zhuhai"].pid == pid
    assert all(one.answer is not None for one in people.asked[asked:])


async def test_a_revoked_caller_is_refused_within_seconds(nodes: Processes) -> None:
    leaf = nodes.certificates / "zhuhai" / "parties" / AUDITOR / "tls.crt"
    listed = nodes.certificates / "zhuhai" / "crl.pem"
    in_use = nodes.folder / "crls" / "zhuhai.xbg.test.pem"
    async with nodes.connect(AUDITOR) as auditor:
        await anext(auditor.list_exchanges(page_size=1), None)
        revoke(nodes.certificates, leaf, datetime.now(UTC))
        shutil.copyfile(listed, in_use)
        refused: GatewayCallError | None = None
        async with asyncio.timeout(10):
            while refused is None:
                await asyncio.sleep(0.1)
                try:
                    await anext(auditor.list_exchanges(page_size=1), None)
                except GatewayCallError as error:
                    refused = error
        assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    _renew(nodes, leaf)
    async with nodes.connect(AUDITOR) as auditor:
        await anext(auditor.list_exchanges(page_size=1), None)


def _sealing_keys(nodes: Processes) -> Iterator[str]:
    for raw in Reader(nodes.store("macao")).entries(LANE, 0, 1 << 20):
        entry = decode(raw)
        if isinstance(entry, Request):
            yield entry.sealed.key_id


async def test_sealing_keys_rotate_under_load(nodes: Processes, people: Callers) -> None:
    first = len(people.asked)
    async with people.load((*KINDS, *KINDS), pause_s=0.02):
        await asyncio.sleep(0.5)
        known = set(_sealing_keys(nodes))
        for node in PARTIES:
            assert (await command("keys", "rotate-sealing", nodes.keys(node)))[0] == 0
        await eventually(lambda: len(set(_sealing_keys(nodes)) - known) == 1, 15)
        await asyncio.sleep(0.5)
    mine = people.asked[first:]
    assert len(mine) > 20
    assert all(one.answer is not None and one.attempts == 1 for one in mine)


# ---- waiting -----------------------------------------------------------------------------------


@pytest.mark.timeout(60 + BEHIND // 10)
async def test_a_peer_that_is_away_gets_everything_later(nodes: Processes, people: Callers) -> None:
    """Thousands of accepted exchanges behind: callers are told, and ask again for answers."""
    await nodes.settle()
    await nodes.kill("macao")
    waiting = [people.new(QUERY) for _ in range(BEHIND)]
    before, acted = sizes(nodes.store("zhuhai"))[LANE], len(nodes.effects("macao"))
    bound = asyncio.Semaphore(150)

    async def ask(one: Asked) -> None:
        async with bound:
            while not one.exchange:  # on a busy machine a caller's time may end before acceptance
                # Spread out: what is told in the last moment of so many at once comes too late.
                one.error = await people.impatient(one, timeout_s=0.5 + random.random())
                one.exchange = one.error.exchange_id or ""

    await asyncio.gather(*(ask(one) for one in waiting))
    behind = sizes(nodes.store("zhuhai"))[LANE] - before
    assert behind == len(waiting)
    told = waiting
    said = {(one.error.reason, one.error.outcome) for one in told if one.error}
    assert said == {("EXCHANGE_PENDING", "pending")}
    known = await people.gateways[HENGQIN].get_exchange(told[0].exchange)
    assert known.outcome == exchange_pb2.OUTCOME_PENDING
    await nodes.restart("macao")
    all_of_it = acted + behind
    await eventually(lambda: len(nodes.effects("macao")) >= all_of_it, 20 + behind / 20, 0.2)
    await nodes.settle(60)
    for one in told[:: max(1, len(told) // 50)]:
        await people.done(one)
        assert one.answer is not None, str(one.error)
    assert len(nodes.effects("macao")) == all_of_it


# ---- telling -----------------------------------------------------------------------------------


def _get(nodes: Processes, node: str, path: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{nodes.ports[node].metrics}{path}"
    with urllib.request.urlopen(address, timeout=5) as answer:
        return answer.status, answer.read().decode()


async def test_metrics_and_readiness(nodes: Processes, people: Callers) -> None:
    await people.call(QUERY)
    await asyncio.sleep(1.2)  # plain counts reach the metrics once a second
    for node in PARTIES:
        assert (await asyncio.to_thread(_get, nodes, node, "/readyz"))[0] == 200
        assert (await asyncio.to_thread(_get, nodes, node, "/healthz"))[0] == 200
        status, text = await asyncio.to_thread(_get, nodes, node, "/metrics")
        assert status == 200
        found = _samples(text)
        assert found["xbgateway_fsyncs_total",] >= 2
        ended = sum(
            value for name, value in found.items() if name[0] == "xbgateway_exchanges_total"
        )
        assert ended >= 1
        await _linked(nodes, node)
        stopped = [value for name, value in found.items() if name[0] == "xbgateway_lane_stopped"]
        assert len(stopped) == 5
        assert not any(stopped)
        logged = sizes(nodes.store(node))
        for origin, size in logged.items():
            assert found["xbgateway_log_entries", origin] <= size


def _samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def _linked(nodes: Processes, node: str) -> None:
    """Until every stream of a node to its peer is up."""

    async def up() -> bool:
        found = _samples((await asyncio.to_thread(_get, nodes, node, "/metrics"))[1])
        links = [value for name, value in found.items() if name[0] == "xbgateway_link_connected"]
        return links == [1.0, 1.0]

    await eventually(up, 10)


def _canaries(nodes: Processes, proof: life.ProofOfLifeAttestation) -> dict[str, bytes]:
    with closing(sqlite3.connect(nodes.folder / "macao" / "agency.db")) as connection:
        names = connection.execute(
            "SELECT name_hant, name_hans, name_latin FROM insured WHERE bir_no = ?",
            (proof.bir_no,),
        ).fetchone()
    found = {
        "pid_token": proof.pid_token, "bir_no": proof.bir_no, "fss_no": proof.fss_no,
        "mobile": proof.mobile, "officer": proof.officer_id, "latin": names[2],
        "hant": names[0], "hans": names[1],
    }  # fmt: skip
    return {name: value.encode() for name, value in found.items() if value}


async def test_nobody_is_named_in_logs_stores_or_messages(
    nodes: Processes, people: Callers
) -> None:
    while True:
        proof = people.new(PROOF)
        assert isinstance(proof.request, life.SubmitAttestationRequest)
        about = proof.request.attestation
        if about.name_hant:  # not everybody has a Chinese name
            break
        people.asked.remove(proof)
    full = people.new(QUERY)
    assert isinstance(full.request, c.QueryContributionsRequest)
    full.request.fss_no, full.request.pid_token = about.fss_no, about.pid_token
    full.request.detail = c.CONTRIBUTION_DETAIL_FULL
    await people.done(proof)
    await people.done(full)
    assert proof.answer is not None
    assert full.answer is not None
    bad = people.new(QUERY)
    assert isinstance(bad.request, c.QueryContributionsRequest)
    bad.request.fss_no, bad.request.pid_token = about.fss_no, about.mobile  # refused, and logged
    with pytest.raises(GatewayCallError):
        await people.gateways[HENGQIN].call_method(
            "xbgateway.api.socialsecurity.v1.ContributionService/QueryContributions",
            bad.request, c.QueryContributionsResponse, purpose="PENSION_CLAIM", scenario="SC-CQ",
        )  # fmt: skip
    people.asked.remove(bad)
    await nodes.settle()
    canaries = _canaries(nodes, about)
    assert len(canaries) == 8
    looked = 0
    for path in (*nodes.folder.glob("*.log"), *nodes.folder.glob("*/store.db*")):
        raw = path.read_bytes()
        looked += len(raw)
        for name, value in canaries.items():
            assert value not in raw, f"{path.name} has {name}"
    assert looked > 100_000
    for node in PARTIES:
        for line in (nodes.folder / f"{node}.log").read_bytes().splitlines():
            assert orjson.loads(line)["node"] == node
    payload = _at_rest(nodes, "macao", proof.exchange)
    assert canaries["pid_token"] in payload
    assert canaries["mobile"] not in payload, "a dropped field reached the other side"


def _at_rest(nodes: Processes, node: str, exchange: str) -> bytes:
    """The request as the receiving node keeps it, opened with that node's own key."""
    reader = Reader(nodes.store(node))
    home = nodes.certificates / node / "nodes" / node
    row, part = reader.exchange_row(exchange), reader.part(exchange, "request")
    assert row is not None
    assert row[2] is not None
    assert part is not None
    key = RestKey(load_rest_key(home / "rest.key", dev=True)).unwrap(row[2])
    return open_at_rest(key, b"request", part)
