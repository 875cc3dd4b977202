"""Callers who do what ``docs/developers.md`` says, one by one and as a load.

A caller asks again under the same request id for as long as it is told ``UNAVAILABLE`` or hears
nothing; whatever else it hears is the end.
"""

import asyncio
import random
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from itertools import count
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message
from tests.harness.cluster import eventually
from tests.harness.verify import on_record

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import contribution_pb2_grpc as c_grpc
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import life_pb2_grpc as life_grpc
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as op
from xbgateway.api.socialsecurity.v1 import overpayment_pb2_grpc as op_grpc
from xbgateway.client import Gateway, GatewayCallError
from xbgateway.client.channel import submission
from xbgateway.demo.cluster import PARTIES, Cluster
from xbgateway.demo.people import Person
from xbgateway.demo.population import cached
from xbgateway.demo.register import FUND, HENGQIN, ZHUHAI

AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


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

    def __init__(
        self, of: Cluster, gateways: Mapping[str, Gateway], open_until: AsyncExitStack
    ) -> None:
        self.gateways = gateways
        self._of, self._open = of, open_until
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

    async def done(self, asked: Asked, timeout_s: float | None = 120.0) -> Asked:
        """Ask until the end. A channel may wait 15 s before it dials a killed node again."""
        await eventually(lambda: self.once(asked), timeout_s, every_s=0.1)
        return asked

    async def call(self, kind: Kind, timeout_s: float | None = 120.0) -> Asked:
        return await self.done(self.new(kind), timeout_s)

    async def more_answers(self, count: int, timeout_s: float) -> None:
        """Until so many more callers of a load got theirs; a busy machine takes longer for it."""
        wanted = self.answers + count
        await eventually(lambda: self.answers >= wanted, timeout_s, every_s=0.02)

    @asynccontextmanager
    async def load(
        self, kinds: Sequence[Kind], pause_s: float, timeout_s: float = 120.0
    ) -> AsyncIterator[None]:
        """One caller for each of ``kinds``; see :func:`at_work` for the time they have."""

        async def run(stop: asyncio.Event, kind: Kind) -> None:
            while not stop.is_set():
                await self.call(kind, None)
                await asyncio.sleep(random.random() * 2 * pause_s)

        try:
            async with at_work([partial(run, kind=kind) for kind in kinds], timeout_s):
                yield
        except TimeoutError as error:
            error.add_note("\n".join(self._unfinished()))
            raise

    def _unfinished(self) -> Iterator[str]:
        for one in self.asked:
            if one.answer is None and (one.error is None or one.error.code in AGAIN):
                yield f"{one.kind.name} {one.request_id}: asked {one.attempts}x, {one.error}"
                for node in PARTIES:
                    yield f"  {node}: {on_record(self._of.store(node), one.exchange)}"


@asynccontextmanager
async def at_work(
    workers: Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]], timeout_s: float
) -> AsyncIterator[None]:
    """Each of them works for as long as the block runs, and then comes to an end.

    The more goes wrong meanwhile, the longer one call may take; how long is bounded from the end of
    the block on, when all is well again. Raises ``TimeoutError``.
    """
    stop = asyncio.Event()
    async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker(stop))
        try:
            yield
        finally:
            stop.set()
            patience.reschedule(asyncio.get_running_loop().time() + timeout_s)


@asynccontextmanager
async def callers(of: Cluster) -> AsyncIterator[Callers]:
    """Connected callers."""
    async with AsyncExitStack() as open_until:
        parties = {kind.party for kind in KINDS}
        opened = {p: await open_until.enter_async_context(of.connect(p)) for p in parties}
        yield Callers(of, opened, open_until)
