"""Starts, watches and drains the node's two ports: one for callers, one for peers.

TLS 1.3 only: gRPC for Python cannot switch 1.2 off, so every call over it is refused by the edge.
A process that sets :data:`TLS13_ONLY` in its environment *before it imports grpc* leaves TLS 1.2 no
cipher suite that works with our ECDSA certificates, and refuses it in the handshake already.

Stopping is never automatic (pitfall 17): ``drain`` says NOT_SERVING, lets balancers notice, takes
no new calls, lets running ones end, and only then lets go of the peers, without whom exchanges
cannot end. What the path still runs then is the path's to drain. The clients' port goes on saying
``DRAINING`` until the process has ended.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import structlog
from google.longrunning import operations_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from xbgateway.api.cases.v1 import cases_pb2, cases_pb2_grpc
from xbgateway.api.duties.v1 import duties_pb2, duties_pb2_grpc
from xbgateway.api.exchange.v1 import exchange_pb2, exchange_pb2_grpc
from xbgateway.api.holds.v1 import holds_pb2, holds_pb2_grpc
from xbgateway.api.inbox.v1 import inbox_pb2, inbox_pb2_grpc
from xbgateway.api.log.v1 import log_pb2, log_pb2_grpc
from xbgateway.api.policy.v1 import policy_pb2, policy_pb2_grpc
from xbgateway.api.register.v1 import register_pb2, register_pb2_grpc
from xbgateway.api.stream.v1 import stream_pb2, stream_pb2_grpc
from xbgateway.casework import CaseDesk
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, GatewayError, Reason
from xbgateway.register import Catalogue

from .case_service import CaseService
from .credentials import Credentials
from .dead_letter_service import DeadLetterService
from .duty_service import DutyService
from .exchange_service import ExchangeService
from .hold_service import HoldService
from .identity import Identities
from .inbox_service import InboxService
from .inflight import LIMITS, InFlight, Work
from .interceptors import Edge
from .log_service import LogService
from .loop import only_loop
from .operations import Operations, add_operations
from .pages import PageTokens
from .policy_service import PolicyService
from .ports import (
    Attention,
    Changes,
    Desk,
    DutyPath,
    Inbox,
    Logs,
    Path,
    PolicyDesk,
    Registers,
    Streams,
)
from .proxy import Proxy
from .reflection import Reflection
from .refusals import Refusals
from .register_service import RegisterService
from .stream_service import StreamService

_log = structlog.get_logger("xbgateway.server")

TLS13_ONLY = ("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
# What ended in time still has to be written out.
_FLUSH_S = 0.25
_CUT_OFF_S = 5.0  # a busy loop needs a moment to tell everybody; mostly it takes none
Registrar = Callable[[grpc.aio.Server], None]

_CASES = cases_pb2.DESCRIPTOR.services_by_name["CaseService"]
_EXCHANGE = exchange_pb2.DESCRIPTOR.services_by_name["ExchangeService"]
_DUTY = duties_pb2.DESCRIPTOR.services_by_name["DutyService"]
_LOG = log_pb2.DESCRIPTOR.services_by_name["LogService"]
_REGISTER = register_pb2.DESCRIPTOR.services_by_name["RegisterService"]
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
_POLICY = policy_pb2.DESCRIPTOR.services_by_name["PolicyService"]
_HOLDS = holds_pb2.DESCRIPTOR.services_by_name["HoldService"]
_INBOX = inbox_pb2.DESCRIPTOR.services_by_name["InboxService"]
_DEAD_LETTERS = inbox_pb2.DESCRIPTOR.services_by_name["DeadLetterService"]
_STREAMS = stream_pb2.DESCRIPTOR.services_by_name["StreamService"]
_OPERATIONS = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
_OWN = (
    *(_EXCHANGE, _LOG, _DUTY, _REGISTER, _HOLDS, _INBOX, _DEAD_LETTERS, _POLICY, _OPERATIONS),
    *(_STREAMS, _CASES),
)
_SERVICES = tuple(service.full_name for service in _OWN)
_OPTIONS = (
    # A second process on the same port fails loudly instead of taking half the calls (pitfall 1).
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", limits.STREAMS_PER_CONNECTION_MAX),
    ("grpc.max_connection_age_ms", limits.CONNECTION_AGE_S_MAX * 1000),
    ("grpc.max_connection_age_grace_ms", limits.CONNECTION_AGE_GRACE_S * 1000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", limits.KEEPALIVE_SERVER_MIN_MS),
    ("grpc.keepalive_permit_without_calls", 1),
)


def leave(code: int) -> NoReturn:
    """End this process at once, without Python's own end, which would stop the servers left open.

    To the last, the clients' port says ``DRAINING``; then the connection breaks. A caller takes
    both for UNAVAILABLE, and asks again.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _paths(service: Any, work: Work) -> dict[str, Work]:
    return {f"/{service.full_name}/{method.name}": work for method in service.methods}


def _works() -> dict[str, Work]:
    """The class of every method that the node itself has; all others are exchanges."""
    works = {
        **{path: work for service in _OWN for path, work in _paths(service, Work.READ).items()},
        **_paths(_HEALTH, Work.FREE),
        **_paths(_REFLECTION, Work.FREE),
    }
    works[f"/{_EXCHANGE.full_name}/Call"] = Work.EXCHANGE
    works[f"/{_EXCHANGE.full_name}/Submit"] = Work.EXCHANGE
    works[f"/{_EXCHANGE.full_name}/WatchExchange"] = Work.WATCH
    works[f"/{_CASES.full_name}/WatchCase"] = Work.WATCH
    works[f"/{_LOG.full_name}/TailEntries"] = Work.TAIL
    works[f"/{_INBOX.full_name}/Pull"] = Work.PULL
    for name in ("Upload", "Download"):
        works[f"/{_STREAMS.full_name}/{name}"] = Work.STREAM
    return works


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where to listen and how to behave. Addresses are ``host:port``; port 0 takes a free one."""

    clients_address: str
    peers_address: str | None = None
    errors_page: str = "docs/errors.md"  # where Help links lead
    exchanges_in_flight: int = limits.EXCHANGES_IN_FLIGHT_MAX
    balancer_wait_s: float = 0.0  # between NOT_SERVING and taking no more calls
    readiness_poll_s: float = 1.0
    credentials_poll_s: float = 2.0
    reflection: bool = True


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that are listened on."""

    clients: int
    peers: int | None


class Server:
    """Both ports of one node. Make it on the event loop that it is to run on (pitfall 6).

    Raises ``Fatal(INTERNAL)`` where another loop of the process serves already.
    ``ready`` says why the node cannot serve, or None; ``page_key`` is 32 secret bytes that every
    process of the node shares; ``peer_services`` add what is served to peers.
    """

    def __init__(
        self,
        options: ServerOptions,
        *,
        credentials: Credentials,
        identities: Identities,
        path: Path,
        desk: Desk,
        inbox: Inbox,
        attention: Attention,
        streams: Streams,
        cases: CaseDesk,
        logs: Logs,
        duties: DutyPath,
        registers: Registers,
        changes: Changes,
        revisions: PolicyDesk,
        catalogue: Callable[[], Catalogue],
        refusals: Refusals,
        ready: Callable[[], GatewayError | None],
        page_key: bytes,
        peer_services: Sequence[Registrar] = (),
    ) -> None:
        only_loop()
        self._options = options
        self._credentials = credentials
        self._catalogue = catalogue
        self._ready = ready
        self._health = health.aio.HealthServicer()
        self._draining = asyncio.Event()
        self._in_flight = InFlight({**LIMITS, Work.EXCHANGE: options.exchanges_in_flight})
        self._drained: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []
        self._clients = self._server(
            _works(), Work.EXCHANGE, refusals, Reason.MESSAGE_UNDECODABLE, limits.RECEIVE_BYTES_MAX
        )
        pages = PageTokens(page_key)
        exchanges = ExchangeService(identities, path, pages, self._draining)
        exchange_pb2_grpc.add_ExchangeServiceServicer_to_server(exchanges, self._clients)
        holds = HoldService(identities, desk, pages)
        holds_pb2_grpc.add_HoldServiceServicer_to_server(holds, self._clients)
        messages = InboxService(identities, inbox, self._draining)
        inbox_pb2_grpc.add_InboxServiceServicer_to_server(messages, self._clients)
        letters = DeadLetterService(identities, attention, pages)
        inbox_pb2_grpc.add_DeadLetterServiceServicer_to_server(letters, self._clients)
        attachments = StreamService(identities, streams, self._draining)
        stream_pb2_grpc.add_StreamServiceServicer_to_server(attachments, self._clients)
        one_stop = CaseService(identities, cases, pages, self._draining)
        cases_pb2_grpc.add_CaseServiceServicer_to_server(one_stop, self._clients)
        operations = Operations(identities, path, pages, options.errors_page)
        add_operations(operations, self._clients)
        entries = LogService(identities, path, logs, self._draining)
        log_pb2_grpc.add_LogServiceServicer_to_server(entries, self._clients)
        duty_service = DutyService(identities, duties, pages)
        duties_pb2_grpc.add_DutyServiceServicer_to_server(duty_service, self._clients)
        records = RegisterService(identities, registers, changes, pages)
        register_pb2_grpc.add_RegisterServiceServicer_to_server(records, self._clients)
        policies = PolicyService(identities, revisions, pages)
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(policies, self._clients)
        self._reflect()
        # Last, since it takes whatever is left.
        self._clients.add_generic_rpc_handlers((Proxy(identities, path, catalogue),))
        self._peers: grpc.aio.Server | None = None
        if options.peers_address is not None:
            # The link bounds itself: one stream for each log of each registered peer.
            self._peers = self._server(
                {}, Work.FREE, refusals, Reason.LINK_PROTOCOL, limits.MESSAGE_BYTES_MAX
            )
            for register in peer_services:
                register(self._peers)

    def _reflect(self) -> None:
        if not self._options.reflection:
            return
        names = (*_SERVICES, _HEALTH.full_name, _REFLECTION.full_name)
        add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add(Reflection(names, self._catalogue), self._clients)

    def _server(
        self,
        works: dict[str, Work],
        otherwise: Work,
        refusals: Refusals,
        undecodable: Reason,
        receive_bytes: int,
    ) -> grpc.aio.Server:
        edge = Edge(
            works=works,
            otherwise=otherwise,
            in_flight=self._in_flight,
            refusals=refusals,
            page=self._options.errors_page,
            undecodable=undecodable,
        )
        # No thread pool: every handler is a coroutine, and the bound on calls is ours (pitfall 4).
        options = (*_OPTIONS, ("grpc.max_receive_message_length", receive_bytes))
        server = grpc.aio.server(interceptors=(edge,), options=options)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server

    async def start(self) -> Ports:
        """Listen and serve. Raises ``Fatal(CONFIG_INVALID)`` where an address is not to be had."""
        clients = self._bind(self._clients, self._options.clients_address)
        peers = None
        if self._peers is not None and self._options.peers_address is not None:
            peers = self._bind(self._peers, self._options.peers_address)
        await self._tell_health()
        await self._clients.start()
        if self._peers is not None:
            await self._peers.start()
        loop = asyncio.get_running_loop()
        self._watching = [
            loop.create_task(self._watch(self._tell_health, self._options.readiness_poll_s)),
            loop.create_task(self._watch(self._renew, self._options.credentials_poll_s)),
        ]
        return Ports(clients, peers)

    def _bind(self, server: grpc.aio.Server, address: str) -> int:
        try:
            return server.add_secure_port(address, self._credentials.for_server())
        except RuntimeError as error:
            raise Fatal(
                Reason.CONFIG_INVALID,
                f"The address {address} cannot be listened on; does another process hold it?",
                address=address,
            ) from error

    async def drain(self, grace_s: float) -> None:
        """Stop in order; calls under way get ``grace_s`` seconds. Again: the first one's end."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_task(self._drain(grace_s))
        await asyncio.shield(self._drained)

    async def _drain(self, grace_s: float) -> None:
        self._draining.set()
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._options.balancer_wait_s)
        # We count for ourselves: gRPC would wait the whole grace for watchers of health, who never
        # end, and a second, sooner stop beside the first one crashes the process (1.85.1).
        self._in_flight.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._in_flight.idle(), grace_s)
        # gRPC would tell whoever still waits CANCELLED, which is no word of what may yet stand.
        self._in_flight.cut_off()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._in_flight.idle(), _CUT_OFF_S)
        await asyncio.sleep(_FLUSH_S)
        if self._peers is not None:
            await self._peers.stop(_FLUSH_S)
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def close(self) -> None:
        """Drain and let go of the clients' port, in a process that goes on.

        gRPC says CANCELLED to whoever calls in that moment (all but 2 of 40 callers that ask again
        at once), so no node does it: see :func:`leave`.
        """
        await self.drain(0.0)
        await self._clients.stop(_FLUSH_S)

    async def _watch(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await look()

    async def _renew(self) -> None:
        await self._credentials.poll()

    async def _tell_health(self) -> None:
        """Say of each service, and of the node as a whole, whether it serves."""
        status = health_pb2.HealthCheckResponse
        told = status.NOT_SERVING if self._ready() is not None else status.SERVING
        for name in ("", *_SERVICES, *self._catalogue().services):
            await self._health.set(name, told)
