"""Both sides as real processes on loopback: two nodes, two relays, one backend for both.

Product: load, node A, link, node B, backend. Peer: load, relay 1, relay 2, backend. Every hop is
mTLS with the same kind of keys; relays use the nodes' certificates.
"""

import asyncio
import json
import os
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.messages import METHOD, PARTY, PURPOSE, SCENARIO, SERVICE, request
from xbgateway.api.socialsecurity.v1.contribution_pb2 import (
    QueryContributionsRequest,
    QueryContributionsResponse,
)
from xbgateway.client.errors import GatewayCallError
from xbgateway.client.tokens import LIFETIME_S_MAX, TokenMint
from xbgateway.demo.cluster import AGENCIES, Cluster, free_ports

NODES = ("zhuhai", "macao")
SUBMITTED = "submitted"  # the product, by callers who do not wait
BACKEND = "macao-agency"  # the name that the cluster gives to the process behind node B
_METRICS_EVERY_S = 1.2  # a node carries its counts into /metrics once a second
_LISTENING_WAIT_S = 20.0


class GhzMissing(Exception):
    """The load generator is not installed; sections that need it are skipped and say so."""

    def __init__(self) -> None:
        super().__init__("ghz is not installed (go install github.com/bojand/ghz/cmd/ghz@latest)")


def ghz() -> str:
    """Path of the load generator. Raises ``GhzMissing``."""
    found = shutil.which("ghz") or shutil.which("ghz", path=Path.home() / "go" / "bin")
    if found is None:
        raise GhzMissing
    return found


@dataclass(slots=True)
class Pair(Cluster):
    """The demo's cluster with the bench backend in place of the reference agencies."""

    relays: tuple[int, int] = (0, 0)
    descriptors: Path = field(default_factory=Path)

    async def start_all(self) -> None:
        """Backend, relays, nodes; returns when all of them answer."""
        self.prepare()
        first, second = free_ports(2)
        self.relays = (first, second)
        await self._backend()
        await self._relay(1, "zhuhai", first, f"localhost:{second}", "macao.node.macao.xbg.test")
        backend = f"localhost:{self.ports['macao'].agency}"
        await self._relay(2, "macao", second, backend, f"{AGENCIES['macao']}.party.macao.xbg.test")
        for name, port in (
            (BACKEND, self.ports["macao"].agency), ("relay-1", first), ("relay-2", second)
        ):  # fmt: skip
            await self._listening(name, port)
        for node in NODES:
            await self.start_node(node)
        for node in NODES:
            await self.ready(node)
        await self._linked()

    async def start_node(self, name: str) -> None:
        """Start a gateway node."""
        await self._spawn(name, "-m", "bench.node", str(self.config(name)))

    async def _backend(self) -> None:
        home = self.certificates / "macao" / "parties" / AGENCIES["macao"]
        await self._spawn(
            BACKEND,
            *("-m", "bench.backend", "--port", str(self.ports["macao"].agency)),
            *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
            *("--roots", str(self._root("macao"))),
        )

    async def _relay(self, number: int, node: str, port: int, target: str, name: str) -> None:
        """A relay with the certificate of a node; both relays are called from Zhuhai's domain."""
        home = self.certificates / node / "nodes" / node
        await self._spawn(
            f"relay-{number}",
            *("-m", "bench.relay", "--port", str(port)),
            *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
            *("--roots", str(self._root("zhuhai")), "--target", target),
            *("--target-roots", str(self._root("macao")), "--target-name", name),
        )

    async def sink(self, port: int) -> None:
        """A bare server of streams, with the certificate of Macao's node."""
        home = self.certificates / "macao" / "nodes" / "macao"
        await self._spawn(
            "sink",
            *("-m", "bench.sink", "--port", str(port)),
            *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
            *("--roots", str(self._root("zhuhai"))),
        )
        await self._listening("sink", port)

    async def _linked(self) -> None:
        """Wait until each node holds the other's control lane, and with it the sealing key."""
        deadline = asyncio.get_running_loop().time() + _LISTENING_WAIT_S
        async with self.connect(PARTY) as gateway:
            path = f"{SERVICE}/{METHOD}"
            asked = QueryContributionsRequest.FromString(request())
            while True:
                try:
                    await gateway.call_method(
                        path, asked, QueryContributionsResponse, purpose=PURPOSE, scenario=SCENARIO
                    )
                except GatewayCallError as error:
                    if asyncio.get_running_loop().time() > deadline:
                        raise RuntimeError("the nodes did not link") from error
                    await asyncio.sleep(0.2)
                else:
                    return

    async def _listening(self, name: str, port: int) -> None:
        """Wait until a process accepts connections. Raises ``RuntimeError`` with its log."""
        deadline = asyncio.get_running_loop().time() + _LISTENING_WAIT_S
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                late = asyncio.get_running_loop().time() > deadline
                if late or self.processes[name].returncode is not None:
                    log = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{name} did not come up:\n{log}") from error
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    def _root(self, domain: str) -> Path:
        return self.certificates / "trust" / f"{domain}.xbg.test.pem"

    @property
    def sides(self) -> dict[str, tuple[str, ...]]:
        """The processes of each side, in the order of the call."""
        return {"peer": ("relay-1", "relay-2"), "product": NODES}

    def address(self, side: str) -> str:
        """Where the load goes."""
        port = self.relays[0] if side == "peer" else self.ports["zhuhai"].client
        return f"localhost:{port}"

    def pid(self, name: str) -> int:
        """Process id of a running process."""
        return self.processes[name].pid

    def open_exchanges(self) -> int:
        """Exchanges of callers at node A that have not ended, as its store has them."""
        count = "SELECT count(DISTINCT exchange) FROM beside WHERE exchange NOT NULL"
        with closing(sqlite3.connect(self.store("zhuhai"), timeout=10)) as store:
            return int(store.execute(count).fetchone()[0])

    def cpu_s(self, name: str) -> float:
        """Processor seconds that a process has used."""
        times = psutil.Process(self.pid(name)).cpu_times()
        return times.user + times.system

    def rss(self, name: str) -> int:
        """Resident bytes of a process."""
        return int(psutil.Process(self.pid(name)).memory_info().rss)

    def load(self, side: str, output: Path) -> list[str]:
        """The load generator's command, but for how much and how long: the same for both sides."""
        home = self.certificates / "zhuhai" / "parties" / PARTY
        (self.folder / "request.bin").write_bytes(request())
        mint = TokenMint(
            key=(home / "token.key").read_bytes(),
            certificate=(home / "tls.crt").read_bytes(),
            party=PARTY,
            system="bench",
            node="spiffe://zhuhai.xbg.test/node/zhuhai",
            kid="token",
            lifetime_s=LIFETIME_S_MAX,
        )
        token = f"Bearer {mint()}"
        metadata = {
            "authorization": token,
            "xb-purpose": PURPOSE,
            "xb-scenario": SCENARIO,
            "xb-request-id": "{{newUUID}}",
            "xb-sent-at": "{{.Timestamp}}",
        }
        asked = ("-B", str(self.folder / "request.bin"), "-m", json.dumps(metadata))
        called = f"{SERVICE}/{METHOD}"
        if side == SUBMITTED:
            asked = (
                "-d",
                json.dumps({"call": _call()}),
                "-m",
                json.dumps({"authorization": token}),
            )
            called = "xbgateway.api.exchange.v1.ExchangeService/Submit"
        return [
            ghz(),
            *("--protoset", str(self.descriptors), "--call", called),
            *("--cacert", str(self._root("zhuhai"))),
            *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
            *asked,
            *("--duration-stop", "wait", "-O", "json", "-o", str(output), self.address(side)),
        ]

    async def counts(self, node: str) -> dict[str, float]:
        """What a node has done so far: durable commits and entries, memo hits and misses."""
        await asyncio.sleep(_METRICS_EVERY_S)
        url = f"http://127.0.0.1:{self.ports[node].metrics}/metrics"
        text = await asyncio.to_thread(_fetched, url)
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("xbgateway_").removesuffix("_total")
                sums[name] = sums.get(name, 0.0) + sample.value
        kept = ("fsyncs", "log_entries", "decision_memo_hits", "decision_memo_misses")
        return {name: sums.get(name, 0.0) for name in kept}


def _call() -> dict[str, str]:
    """A call to be submitted, as the load generator's template."""
    return {
        "request_id": "{{newUUID}}",
        "service": SERVICE,
        "method": METHOD,
        "payload": b64encode(request()).decode(),
        "purpose": PURPOSE,
        "scenario": SCENARIO,
        "sent_at": "{{.Timestamp}}",
    }


def _fetched(url: str) -> str:
    with urlopen(url, timeout=5) as answer:  # noqa: S310 - a loopback address of our own
        text: str = answer.read().decode()
    return text


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Everything running, with empty stores; ended and its stores deleted afterwards."""
    ghz()
    shutil.rmtree(folder, ignore_errors=True)
    descriptors = Path(__file__).parent.parent / "src/xbgateway/api/descriptors.binpb"
    paths = os.pathsep.join([*(p for p in (os.environ.get("PYTHONPATH"),) if p), str(Path.cwd())])
    made = Pair(
        folder,
        folder / "certificates",
        descriptors=descriptors,
        extra={"PYTHONPATH": paths, "XBGATEWAY_LOG__LEVEL": "warning"},
    )
    try:
        await made.start_all()
        yield made
    finally:
        await made.stop()
        shutil.rmtree(folder, ignore_errors=True)
