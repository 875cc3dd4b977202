"""The demo's processes as tests use them, and callers who do what ``docs/developers.md`` says.

A caller asks again under the same request id for as long as it is told ``UNAVAILABLE`` or hears
nothing; whatever else it hears is the end.
"""

import asyncio
import os
import random
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message
from tests.harness.shim import Shim
from tests.harness.verify import sizes, waiting

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import contribution_pb2_grpc as c_grpc
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import life_pb2_grpc as life_grpc
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as op
from xbgateway.api.socialsecurity.v1 import overpayment_pb2_grpc as op_grpc
from xbgateway.client import Gateway, GatewayCallError
from xbgateway.client.channel import submission
from xbgateway.demo.cluster import PARTIES, Cluster, Ports
from xbgateway.demo.people import Person
from xbgateway.demo.population import cached
from xbgateway.demo.register import FUND, HENGQIN, ZHUHAI

ROOT = Path(__file__).resolve().parents[2]
AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]], timeout_s: float, every_s: float = 0.05
) -> None:
    """Wait until something outside this process holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(every_s)


@dataclass
class Processes(Cluster):
    """A cluster whose processes may have an environment of their own, or another way to start."""

    environment: dict[str, dict[str, str]] = field(default_factory=dict)  # by process
    instead: dict[str, tuple[str, ...]] = field(default_factory=dict)  # arguments, by node
    more: dict[str, tuple[str, ...]] = field(default_factory=dict)  # arguments besides, by process

    async def start_node(self, name: str) -> None:
        given = self.instead.get(name, ("-m", "xbgateway", "serve"))
        await self._spawn(name, *given, str(self.config(name)))

    async def _spawn(self, name: str, *arguments: str) -> None:
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.extra = {"PYTHONPATH": paths, **self.environment.get(name, {})}
        await Cluster._spawn(self, name, *arguments, *self.more.get(name, ()))

    def lower(self, name: str, synchronous: str) -> None:
        """Start this node with a store that does not sync as it should."""
        script = ROOT / "tests" / "process" / "lowered_store.py"
        self.instead[name] = (str(script), synchronous)

    def shim(self, name: str, *, shadow: bool = True) -> Shim:
        """Watch the syncs of this node from its next start on; see :meth:`Shim.environment`."""
        made = Shim.of(self.store(name))
        self.environment[name] = made.environment(shadow=shadow)
        return made

    def stores(self) -> dict[str, Path]:
        return {name: self.store(name) for name in PARTIES}

    async def terminate(self, name: str) -> int:
        """SIGTERM one process; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), 40)

    async def slow_agency(self, node: str, delay_s: float) -> None:
        """Start a node's agency again; it answers that much after it acted."""
        self.more[f"{node}-agency"] = ("--answer-delay", str(delay_s)) if delay_s else ()
        await self.kill(f"{node}-agency")
        await self.start_agency(node)

    async def restart(self, name: str) -> None:
        await self.start_node(name)
        await self.ready(name)

    async def settle(self, timeout_s: float = 30.0) -> None:
        """Until both mirrors are complete and nothing waits at either node."""
        await eventually(self._settled, timeout_s)

    def _settled(self) -> bool:
        seen = [sizes(path) for path in self.stores().values()]
        shared = set(seen[0]) & set(seen[1])
        return all(seen[0][o] == seen[1][o] for o in shared) and not any(
            waiting(path) for path in self.stores().values()
        )

    def effects(self, node: str) -> dict[str, tuple[str, int, int]]:
        """Of an agency: by exchange the method, how often it was asked, how often it acted."""
        path = self.folder / node / "agency.db"
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            rows = connection.execute(
                "SELECT exchange_id, method, count_asked, count_done FROM effects"
            ).fetchall()
        found = {exchange: (method, asked, done) for exchange, method, asked, done in rows}
        assert len(found) == len(rows)
        return found


def quiet_ports(count: int) -> list[int]:
    """Ports below the range that outgoing connections take theirs from.

    A node that is down for a second would else now and then find its port taken by a client that
    tried to reach it.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def watched(nodes: Processes) -> None:
    """Prepare a cluster whose nodes all have their shim."""
    for node in nodes.stores():
        nodes.shim(node)


@asynccontextmanager
async def cluster(
    folder: Path, prepare: Callable[[Processes], None] | None = None
) -> AsyncIterator[Processes]:
    """A running cluster in ``folder``; its processes end with the block."""
    made = Processes(folder / "cluster", folder / "certs")
    made.ports = {name: Ports(*quiet_ports(4)) for name in PARTIES}
    made.prepare()
    if prepare is not None:
        prepare(made)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


# ---- calls -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call of the load: who asks what, and where it has its effect."""

    name: str
    party: str
    purpose: str
    scenario: str
    agency: str  # node whose agency acts
    stub: Callable[[grpc.aio.Channel], Any]
    request: Callable[[int], Message]
    honours: bool = True


@dataclass(slots=True)
class Asked:
    """One request and what became of it."""

    kind: Kind
    request: Message
    request_id: str = field(default_factory=lambda: str(uuid4()))
    exchange: str = ""
    answer: Message | None = None
    error: GatewayCallError | None = None
    attempts: int = 0
    attachment: str = ""

    @property
    def unreached(self) -> bool:
        """Its caller was told that the service was down for too long, and nothing was done."""
        return self.error is not None and self.error.reason == "SERVICE_UNAVAILABLE"


@cache
def _people() -> tuple[list[Person], list[Person]]:
    """Contributors, and pensioners who live on the other side."""
    people = cached(1)
    return [p for p in people.contributors() if p.periods], list(people.macao_pensioners())


def _contributor(number: int) -> Person:
    return _people()[0][number % len(_people()[0])]


def query(number: int) -> c.QueryContributionsRequest:
    person = _contributor(number)
    return c.QueryContributionsRequest(pid_token=person.pid_token, fss_no=person.fss_no or "")


def attestation(number: int) -> life.SubmitAttestationRequest:
    pensioners, today = _people()[1], datetime.now(UTC).date()
    person = pensioners[number % len(pensioners)]
    return life.SubmitAttestationRequest(
        attestation=life.ProofOfLifeAttestation(
            pid_token=person.pid_token,
            bir_no=person.bir_no or "",
            fss_no=person.fss_no or "",
            name_hant=person.names.hant,
            name_hans=person.names.hans,
            name_latin=person.names.latin,
            birth_date=person.birth_on.isoformat(),
            year=today.year,
            alive_on=today.isoformat(),
            method=life.ATTESTATION_METHOD_COUNTER,
            result=life.ATTESTATION_RESULT_ALIVE,
            officer_id="ZH000412",
            office="ZH000001",
            mobile=person.mobile,
        )
    )


def notice(number: int) -> op.RecordNoticeRequest:
    return op.RecordNoticeRequest(
        pid_token=_contributor(number).pid_token,
        decision_ref=f"FSS-2026-{number % 1_000_000:06d}",
        decision_on="2026-03-02",
        overlap_months=1 + number % 12,
    )


QUERY = Kind(
    "query", HENGQIN, "CONTRIB_QUERY", "SC-CQ", "macao",
    lambda channel: c_grpc.ContributionServiceStub(channel).QueryContributions, query,
)  # fmt: skip
PROOF = Kind(
    "proof of life", ZHUHAI, "PROOF_OF_LIFE", "SC-POL", "macao",
    lambda channel: life_grpc.ProofOfLifeServiceStub(channel).SubmitAttestation, attestation,
)  # fmt: skip
NOTICE = Kind(
    "notice", FUND, "OVERPAY_RECOVERY", "SC-OP", "zhuhai",
    lambda channel: op_grpc.OverpaymentServiceStub(channel).RecordNotice, notice,
    honours=False,
)  # fmt: skip
KINDS = (QUERY, PROOF, NOTICE)


class Callers:
    """Connections of all parties that ask, and the callers on them."""

    def __init__(self, gateways: Mapping[str, Gateway], open_until: AsyncExitStack) -> None:
        self.gateways = gateways
        self._open = open_until
        self._plain: dict[str, Any] = {}  # methods on channels without retries
        self.asked: list[Asked] = []
        self.answers = 0  # how often somebody got one
        self._numbers = count(1)
        self._methods: dict[str, Any] = {}

    def _method(self, kind: Kind) -> Any:
        if kind.name not in self._methods:
            words = {"purpose": kind.purpose, "scenario": kind.scenario}
            self._methods[kind.name] = kind.stub(self.gateways[kind.party].channel(**words))
        return self._methods[kind.name]

    def new(self, kind: Kind) -> Asked:
        made = Asked(kind, kind.request(next(self._numbers)))
        self.asked.append(made)
        return made

    async def once(self, asked: Asked, timeout_s: float = 10.0) -> bool:
        """Ask once; whether this is the end of it."""
        asked.attempts += 1
        try:
            answer, receipt = await self.gateways[asked.kind.party].call(
                self._method(asked.kind),
                asked.request,
                request_id=asked.request_id,
                attachment=asked.attachment,
                timeout_s=timeout_s,
            )
        except GatewayCallError as error:
            if error.exchange_id:
                self._same_exchange(asked, error.exchange_id)
            asked.error = error
            return error.code not in AGAIN
        self._same_exchange(asked, receipt.exchange_id)
        assert asked.answer in (None, answer), f"{asked.request_id} got another answer"
        asked.answer, asked.error = answer, None
        self.answers += 1
        return True

    async def answer(self, asked: Asked) -> Message:
        """The answer alone, without its receipt: one call, as a provider's stub makes it."""
        metadata = grpc.aio.Metadata(("xb-request-id", asked.request_id))
        method = self._method(asked.kind)
        found: Message = await method(asked.request, metadata=metadata, timeout=30)
        return found

    async def impatient(self, asked: Asked, timeout_s: float) -> GatewayCallError:
        """The error of a call that nobody repeats, not even gRPC below the SDK."""
        asked.attempts += 1
        endpoint = self.gateways[asked.kind.party]._endpoint
        assert endpoint.token is not None
        if asked.kind.name not in self._plain:
            channel = grpc.aio.secure_channel(
                endpoint.address,
                grpc.ssl_channel_credentials(endpoint.roots, endpoint.key, endpoint.certificate),
                options=(("grpc.enable_retries", 0),),
            )
            self._plain[asked.kind.name] = asked.kind.stub(channel)
            self._open.push_async_callback(channel.close)
        metadata = {
            **dict(submission()),
            "xb-request-id": asked.request_id,
            "xb-purpose": asked.kind.purpose,
            "xb-scenario": asked.kind.scenario,
            "authorization": f"Bearer {endpoint.token()}",
        }
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await self._plain[asked.kind.name](
                asked.request, metadata=tuple(metadata.items()), timeout=timeout_s
            )
        return GatewayCallError.of(told.value, asked.request_id)

    @staticmethod
    def _same_exchange(asked: Asked, exchange: str) -> None:
        assert asked.exchange in ("", exchange), f"{asked.request_id} opened a second exchange"
        asked.exchange = exchange

    async def done(self, asked: Asked, timeout_s: float = 120.0) -> Asked:
        """Ask until the end. A channel may wait 15 s before it dials a killed node again."""
        await eventually(lambda: self.once(asked), timeout_s, every_s=0.1)
        return asked

    async def call(self, kind: Kind, timeout_s: float = 120.0) -> Asked:
        return await self.done(self.new(kind), timeout_s)

    async def more_answers(self, count: int, timeout_s: float) -> None:
        """Until so many more callers of a load got theirs; a busy machine takes longer for it."""
        wanted = self.answers + count
        await eventually(lambda: self.answers >= wanted, timeout_s, every_s=0.02)

    @asynccontextmanager
    async def load(
        self, kinds: Sequence[Kind], pause_s: float, timeout_s: float = 120.0
    ) -> AsyncIterator[None]:
        """One caller for each of ``kinds``, for as long as the block runs and until all is done."""
        stop = asyncio.Event()

        async def run(kind: Kind) -> None:
            while not stop.is_set():
                await self.call(kind, timeout_s)
                await asyncio.sleep(random.random() * 2 * pause_s)

        async with asyncio.TaskGroup() as tasks:
            for kind in kinds:
                tasks.create_task(run(kind))
            try:
                yield
            finally:
                stop.set()


@asynccontextmanager
async def callers(of: Cluster) -> AsyncIterator[Callers]:
    """Connected callers."""
    async with AsyncExitStack() as open_until:
        parties = {kind.party for kind in KINDS}
        opened = {p: await open_until.enter_async_context(of.connect(p)) for p in parties}
        yield Callers(opened, open_until)
