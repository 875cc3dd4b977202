"""A node as a process: settings in, a serving gateway out. The only place that names sockets.

Start: settings → certificates → core (registers, policy, keys, store, paths) → link and edge →
recover → serve. Stop: health NOT_SERVING → no new calls → paths to their next durable step → link
→ store. Background work is a handful of loops in one task group; each keeps its own pace.
"""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop

from xbgateway.casework import case_types
from xbgateway.core import Core, Place, compose
from xbgateway.exchange import Mirrored
from xbgateway.identity import CertificateFiles, TokenVerifier, TrustStore
from xbgateway.link import Backends, LinkPeers, Mirrors, PeerChannels, Segments, Writers
from xbgateway.link.backends import targets
from xbgateway.link.channels import Target
from xbgateway.link.writer import Outlet
from xbgateway.model.clock import SystemClock
from xbgateway.model.errors import GatewayError, Reason, Refused, Unavailable
from xbgateway.model.limits import DEADLINE_S_MAX
from xbgateway.node_keys import NodeKeys
from xbgateway.observe import Exposition, Metrics, configure_logging
from xbgateway.policy.engine.chosen import engine_of
from xbgateway.policy.revision import load_directory
from xbgateway.register import Register, load_register
from xbgateway.seal import keyed_hash
from xbgateway.server import Credentials, Identities, Refusals, Server, ServerOptions
from xbgateway.settings import Settings, load_settings
from xbgateway.settings_check import check
from xbgateway.upkeep import Upkeep

_log = structlog.get_logger("node")
_CERTIFICATES_EVERY_S = 2.0


def node_server_name(node: str, trust_domain: str) -> str:
    """The DNS name that only this node's certificate carries; peers pin it."""
    return f"{node}.node.{trust_domain}"


class Node:
    """One running node."""

    def __init__(
        self, settings: Settings, *, dev: bool = False, clock_corrected: bool = False
    ) -> None:
        """Compose everything; nothing listens yet. Raises ``Refused`` or ``Fatal``."""
        self.settings = settings
        self.dev = dev
        self._clock_corrected = clock_corrected
        self.clock = SystemClock()
        self.metrics = Metrics()
        register_file = settings.files.register_file
        register = load_register(register_file.read_bytes(), register_file.parent)
        me = register.node(settings.node)
        self.certificates = _certificates(settings, register, dev=dev)
        self.trust = TrustStore(self.certificates.current.roots, self.certificates.current.crls)
        self.channels = PeerChannels(self.certificates)
        peers = LinkPeers()
        self.core = self._core(register, me.trust_domain, peers)
        self.identities = Identities(
            node=settings.node,
            trust_domains=settings.clients.trust_domains or (me.trust_domain,),
            trust=self.trust,
            tokens=TokenVerifier.of_files(
                settings.tokens, f"spiffe://{me.trust_domain}/node/{settings.node}"
            ),
            register=lambda: self.core.register,
            clock=self.clock,
        )
        self.writers = Writers(
            self.core.store, self.channels, _outlets(self.core), settings.node, self._linked
        )
        self.mirrors = Mirrors(
            self.core.store,
            {o: self.core.topology.peer_of(o) for o in self.core.topology.mirrored()},
            self.core.signing.cosigner,
            self.identities.node,
        )
        self.segments = peers.segments = Segments(
            self.channels,
            _peer_targets(register, settings.node),
            self.identities.node,
            self.core.attachments.uploads.served,
        )
        peers.mirrors, peers.control_in = self.mirrors, self.core.topology.control_in
        self.refusals = Refusals(self.metrics)
        self.server = self._server()
        self._renewed = asyncio.Event()
        self.ending = asyncio.Event()  # set: it is time to stop
        self.upkeep = Upkeep(
            self.core,
            settings,
            self.clock,
            metrics=self.metrics,
            writers=self.writers,
            refusals=self.refusals,
            ending=self.ending,
            dev=dev,
        )
        self._exposition: Exposition | None = None
        self._loops: list[asyncio.Task[None]] = []

    def _core(self, register: Register, trust_domain: str, peers: LinkPeers) -> Core:
        settings = self.settings
        return compose(
            register,
            settings.node,
            load_directory(settings.files.policies),
            engine_of(settings.engine),
            NodeKeys.load(settings.files.keys, trust_domain, settings.node, dev=self.dev),
            _place(settings),
            Backends(self.channels, targets(settings.backends, trust_domain)),
            peers,
            self.clock,
            lanes=settings.lanes,
            group_wait_s=settings.limits.group_wait_ms / 1000,
            timeout_ms=settings.engine.timeout_ms,
            meter=self.metrics,
            quota=settings.quota,
            case_types=case_types(settings.files.cases),
        )

    def _server(self) -> Server:
        credentials = Credentials(self.certificates, self.trust, self.metrics)
        credentials.on_change.append(lambda _set: self._renewed.set())
        return Server(
            ServerOptions(
                clients_address=self.settings.listen.client,
                peers_address=self.settings.listen.peer,
                exchanges_in_flight=self.settings.limits.exchanges_in_flight,
                credentials_poll_s=_CERTIFICATES_EVERY_S,
            ),
            credentials=credentials,
            identities=self.identities,
            path=self.core.gateway,
            desk=self.core.gateway.desk,
            inbox=self.core.inbox,
            attention=self.core.attention,
            streams=self.core.attachments,
            cases=self.core.cases.desk,
            logs=self.core.logbook,
            duties=self.core.gateway.duties,
            registers=self.core.book,
            changes=self.core.registrar,
            revisions=self.core.revisions,
            catalogue=lambda: self.core.catalogue,
            refusals=self.refusals,
            ready=self.why_not_ready,
            page_key=keyed_hash(self.core.keys.counting, b"pages"),
            peer_services=(self.mirrors.attach, self.segments.attach),
        )

    async def start(self) -> None:
        """Recover, then listen and link. Raises ``Unavailable`` where the clock has gone back."""
        self.core.compare_clock(self.clock, corrected=self._clock_corrected)
        self.core.store.start(self.writers.grown, self._mirrored)
        await self.core.recover()
        self.ports = await self.server.start()
        host, _, port = self.settings.listen.metrics.rpartition(":")
        self._exposition = Exposition(
            self.metrics.registry, self._not_ready, host=host, port=int(port)
        )
        for loop in (
            self.writers.run(), self.core.gateway.run(), self._renew_channels(),
            self.core.attachments.run(), self.core.cases.runner.run(), *self.upkeep.loops(),
        ):  # fmt: skip
            self._loops.append(asyncio.create_task(_kept(loop)))
        _log.info("serving", revision=self.core.revision.id, version=self.core.register.version)

    async def stop(self) -> None:
        """Drain in the order of the module's docstring."""
        # Nothing under way comes to a durable step any more where the store does not write.
        grace_s = 0.0 if self.core.store.broken else self.settings.drain_s
        await self.server.drain(grace_s)
        self.core.cases.runner.close()
        await self.core.gateway.drain(grace_s)
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.channels.close()
        await self.core.store.stop()
        self.core.snapshot.close()
        if self._exposition is not None:
            self._exposition.close()
        _log.info("stopped")

    def why_not_ready(self) -> GatewayError | None:
        """``None`` while the node can take calls, else why it cannot."""
        if self.core.store.broken is not None:
            return self.core.store.broken
        if self.upkeep.engine_error is not None:
            return self.upkeep.engine_error
        stopped = [h.origin for h in self.core.store.heads.values() if h.stopped]
        if stopped:
            return Unavailable(
                Reason.LOG_FORK, f"logs stopped and wait for a person: {', '.join(stopped)}"
            )
        return None

    def _not_ready(self) -> str | None:
        error = self.why_not_ready()
        return error.sentence if error else None

    # ---- loops -----------------------------------------------------------------------------

    async def _renew_channels(self) -> None:
        """New certificates reach the outgoing channels too; the server takes them by itself."""
        while True:
            await self._renewed.wait()
            self._renewed.clear()
            closing = asyncio.create_task(self.channels.renew(grace_s=DEADLINE_S_MAX))
            await asyncio.sleep(0)  # until the old channels are given up
            self.writers.renewed()
            await closing

    def _mirrored(self, group: Mirrored) -> None:
        self.core.gateway.mirrored(group)
        self.mirrors.grown()

    def _linked(self, node: str, origin: str, up: bool) -> None:
        self.metrics.link_connected.labels(node, origin).set(1 if up else 0)


async def _kept(loop: Coroutine[Any, Any, None]) -> None:
    """A loop that fails is told once, loudly; the node keeps serving what it can."""
    try:
        await loop
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("loop_failed")
        raise


def _certificates(settings: Settings, register: Register, *, dev: bool) -> CertificateFiles:
    domains = {node.trust_domain for node in register.nodes} | set(settings.clients.trust_domains)
    crls = settings.files.crls
    return CertificateFiles(
        settings.tls.cert,
        settings.tls.key,
        {domain: settings.files.roots / f"{domain}.pem" for domain in domains},
        {d: [crls / f"{d}.pem"] for d in domains if (crls / f"{d}.pem").exists()} if crls else None,
        dev=dev,
    )


def _place(settings: Settings) -> Place:
    files, url = settings.files, settings.store.url
    if files.store is not None:
        return Place.file(files.store, files.segments)
    assert url is not None, "the settings have one of both"
    assert files.segments is not None, "and a folder beside a URL"
    return Place(url, files.segments)


def _peer_targets(register: Register, node: str) -> dict[str, Target]:
    return {
        peer.id: Target(
            peer.address, peer.trust_domain, node_server_name(peer.id, peer.trust_domain)
        )
        for peer in register.nodes
        if peer.id != node
    }


def _outlets(core: Core) -> list[Outlet]:
    peers = _peer_targets(core.register, core.node)
    return [
        Outlet(origin, peer, peers[peer], partial(core.signing.cosigned_by, peer))
        for origin in core.topology.own()
        if origin != core.topology.home and (peer := origin.split("/")[2])
    ]


async def run(settings: Settings, *, dev: bool = False, clock_corrected: bool = False) -> None:
    """Serve until a signal or a failed sync, then drain. Raises what broke the store, if so."""
    node = Node(settings, dev=dev, clock_corrected=clock_corrected)
    # What was made up to here lives as long as the process; a cycle of garbage is rare on the
    # paths, and looking for one at the default pace cost a sixth of the throughput (bench).
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # Threads here wait for disk, network or engine and hold the interpreter for moments only: the
    # loop need not be interrupted for them every 5 ms. Worth a tenth of the throughput (bench).
    sys.setswitchinterval(0.02)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, node.ending.set)
    try:
        await node.start()
        await node.ending.wait()
    finally:
        await node.stop()
    if node.core.store.broken is not None:
        raise node.core.store.broken


def ready(config_path: Path) -> Settings:
    """The checked settings of a node, with its log set up. Raises ``GatewayError``."""
    settings = load_settings(config_path)
    configure_logging(settings.log.level, settings.log.format, node=settings.node)
    problems = check(settings)
    if problems:
        raise Refused(Reason.CONFIG_INVALID, problems[0])
    return settings


def serve(settings: Settings, *, dev: bool = False, clock_corrected: bool = False) -> int:
    """``xbgateway serve``: returns the exit code; raises ``GatewayError`` where it cannot go on.

    The clients' port is still open on the loop then: :func:`xbgateway.server.leave` comes next.
    """
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with contextlib.suppress(KeyboardInterrupt):
        runner.run(run(settings, dev=dev, clock_corrected=clock_corrected))
    return 0
