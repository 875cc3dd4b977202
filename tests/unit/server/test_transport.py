"""The peer port, connections and certificates; TLS 1.3 and nothing older."""

import asyncio
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2
from tests.unit.server.asking import health_of, leaf, query
from tests.unit.server.edge import NODE, QUERY, Edge, Material, identities, register, serving
from tests.unit.server.fakes import WINDOW
from tests.unit.server.told import failure

from xbgateway.client import Gateway, GatewayCallError
from xbgateway.identity import CertificateFiles
from xbgateway.identity.issuing import pem_of
from xbgateway.model.errors import Reason
from xbgateway.server import start

Code = grpc.StatusCode
Context = grpc.aio.ServicerContext[Any, Any]


# ---- peers, connections, certificates --------------------------------------------------------


class Who:
    """A service on the peer port that tells who calls and over which connection."""

    def __init__(self) -> None:
        self.edge: Edge | None = None

    def register(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, Any] = {"Who": grpc.unary_unary_rpc_method_handler(self.who)}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Peer", handlers),)
        )

    async def who(self, _: bytes, context: Context) -> bytes:
        assert self.edge is not None
        known = identities(self.edge.material, self.edge.trust, register())
        return f"{known.node(context)} {context.peer()}".encode()


async def test_peers_have_a_port_of_their_own_and_only_nodes_link(material: Material) -> None:
    who = Who()
    async with serving(material, peer_services=[who.register]) as running:
        who.edge = running
        port = running.ports.peers
        assert port not in {None, running.ports.clients}
        async with running.channel("macao", side="macao", kind="nodes", port=port) as channel:
            answer: bytes = await channel.unary_unary("/test.Peer/Who")(b"")
            assert answer.split()[0] == b"macao"
            # What is for callers is not there.
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await channel.unary_unary(QUERY)(b"", metadata=running.words())
            assert error.value.code() is Code.UNIMPLEMENTED
        async with running.channel(port=port) as channel:
            told = await failure(channel.unary_unary("/test.Peer/Who")(b""))
        assert told.reason == Reason.PEER_UNKNOWN


async def test_pitfall_18_connections_are_renewed_without_failing_a_call(
    material: Material,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = {"grpc.max_connection_age_ms": 300, "grpc.max_connection_age_grace_ms": 5000}
    monkeypatch.setattr(start, "_OPTIONS", tuple({**dict(start._OPTIONS), **short}.items()))
    who = Who()
    async with serving(material, peer_services=[who.register]) as running:
        who.edge = running
        peer = running.channel("macao", side="macao", kind="nodes", port=running.ports.peers)
        async with peer as channel:
            seen = set()
            for _ in range(60):
                seen.add(await channel.unary_unary("/test.Peer/Who")(b"", wait_for_ready=True))
                await asyncio.sleep(0.02)
                if len(seen) > 2:
                    break
    assert len(seen) > 1


async def test_pitfall_19_new_certificates_are_taken_and_bad_ones_are_not(
    material: Material,
    tmp_path: Path,
) -> None:
    home = shutil.copytree(material.of("nodes", "zhuhai"), tmp_path / "node")
    files = CertificateFiles(home / "tls.crt", home / "tls.key", material.roots, dev=True)
    async with serving(material, files=files, credentials_poll_s=60) as running:
        first = await presented(running)
        assert not await running.credentials.poll()
        (home / "tls.crt").write_text("half a certificate")
        assert not await running.credentials.poll()
        assert files.error is not None
        assert await presented(running) == first
        renewed = leaf(material, tmp_path / "renewed", NODE)
        shutil.copy(renewed / "tls.key", home / "tls.key")
        shutil.copy(renewed / "tls.crt", home / "tls.crt")
        assert await running.credentials.poll()
        second = await presented(running)
        assert second != first
        assert pem_of(x509.load_der_x509_certificate(second)) in (home / "tls.crt").read_bytes()
        gauge = running.metrics.certificate_expiry_seconds.labels("transport")
        ends = x509.load_der_x509_certificate(second).not_valid_after_utc.timestamp()
        assert gauge._value.get() == ends
        async with running.channel() as channel:
            assert await query(running, channel) == b"echo:ask"


def client_context(made: Material) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cadata=(made.folder / "trust" / "zhuhai.xbg.test.pem").read_text()
    )
    own = made.of("parties", WINDOW)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    context.set_alpn_protocols(["h2"])
    return context


async def presented(running: Edge) -> bytes:
    """The leaf that the server shows to a new connection (DER)."""
    _, writer = await asyncio.open_connection(
        "localhost", running.ports.clients, ssl=client_context(running.material)
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await closed(writer)
    return bytes(shown)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def through_tls12(running: Edge) -> AsyncIterator[grpc.aio.Channel]:
    """A channel through a relay that speaks TLS 1.2 to the server, as a legacy box would."""
    context = client_context(running.material)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    relays: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            "localhost", running.ports.clients, ssl=context
        )
        writers.update((writer, far_writer))
        relays.update(
            asyncio.create_task(pump(*ends))
            for ends in ((reader, far_writer), (far_reader, writer))
        )

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.close()
    for one in relays:
        one.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
    await asyncio.gather(*map(closed, writers))


async def test_tls_1_2_is_refused_for_calls_and_for_health(edge: Edge) -> None:
    async with through_tls12(edge) as channel:
        told = await failure(query(edge, channel))
        assert (told.code, told.reason) == (Code.UNAUTHENTICATED, Reason.TLS_TOO_OLD)
        assert told.metadata["tls_version"] == "TLSv1.2"
        health = health_of(channel)
        told = await failure(health.Check(health_pb2.HealthCheckRequest()))
        assert told.reason == Reason.TLS_TOO_OLD
    assert edge.path.seen == []


_SERVE = """
import asyncio, sys
from pathlib import Path
from tests.unit.server.edge import Material, serving
async def main():
    async with serving(Material(Path(sys.argv[1]))) as running:
        print(running.ports.clients, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


async def test_what_tls_refuses_is_seen_on_standard_error_with_its_cause(
    material: Material, tmp_path: Path
) -> None:
    """gRPC has no hook for it, so neither a metric nor our log can have it; its own line does."""
    served = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVE, str(material.folder)),
        env={k: v for k, v in os.environ.items() if not k.startswith("GRPC_")}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert served.stdout is not None
    port = int(await served.stdout.readline())
    own = f"spiffe://zhuhai.xbg.test/party/{WINDOW}"
    expired = leaf(material, tmp_path / "old", own, days=1, age_days=2)
    stranger = Material.make(tmp_path / "elsewhere").of("parties", WINDOW)
    for home in (expired, stranger):
        gateway = Gateway.connect(
            f"127.0.0.1:{port}",
            certificate=home / "tls.crt",
            key=home / "tls.key",
            roots=material.roots["zhuhai.xbg.test"],
        )
        async with gateway:
            with pytest.raises(GatewayCallError) as caught:
                await gateway.list_logs()
        assert caught.value.reason == Reason.HANDSHAKE_FAILED
    _, said = await served.communicate(b"")
    for cause in (b"certificate has expired", b"unable to get local issuer certificate"):
        assert any(b"Handshake failed" in one and cause in one for one in said.splitlines()), said


async def test_tls_1_2_ends_in_the_handshake_where_the_environment_says_so(
    material: Material,
) -> None:
    name, value = start.TLS13_ONLY
    served = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVE, str(material.folder)),
        env={**os.environ, name: value, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert served.stdout is not None
    port = int(await served.stdout.readline())
    context = client_context(material)
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    await closed(writer)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", port, ssl=context)
    await served.communicate(b"")
    assert served.returncode == 0
