"""A real server on loopback with mutual TLS, and in place of the path a small one in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import yaml
from cryptography import x509
from google.protobuf import descriptor_pb2
from tests.unit.server.fakes import (
    API,
    AUDITOR,
    FUND,
    WINDOW,
    FakeDuties,
    FakeLogs,
    FakePath,
    FakeRegisters,
    View,
    placed,
    state,
)

from xbgateway.core import Core
from xbgateway.demo.register import ZHUHAI, NodeKeys, demo_register
from xbgateway.identity import (
    CertificateFiles,
    TokenKey,
    TokenVerifier,
    TrustStore,
    load_ed25519,
    mint_token,
    thumbprint_of,
)
from xbgateway.identity.certs import DevJurisdiction, DevPlan, kid_of, make_dev_certificates
from xbgateway.model.clock import SystemClock, instant
from xbgateway.model.errors import GatewayError
from xbgateway.model.outcome import Outcome
from xbgateway.observe import Metrics
from xbgateway.register import Catalogue, Register, load_register
from xbgateway.server import Credentials, Identities, Ports, Refusals, Server, ServerOptions

NODE = "spiffe://zhuhai.xbg.test/node/zhuhai"
QUERY = f"/{API}.ContributionService/QueryContributions"
WATCH = "/test.stream.v1.StreamService/Watch"
PAGE_KEY = bytes(range(32))


@dataclass(frozen=True)
class Material:
    """Certificates and keys of two sides, in files."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Material":
        plan = DevPlan(
            (
                DevJurisdiction(
                    "zhuhai", "zhuhai.xbg.test", ("zhuhai",), (WINDOW, AUDITOR, FUND, ZHUHAI)
                ),
                DevJurisdiction("macao", "macao.xbg.test", ("macao",), (FUND, WINDOW)),
            )
        )
        make_dev_certificates(folder, plan, lambda: datetime.now(UTC))
        return cls(folder)

    def of(self, kind: str, name: str, side: str = "zhuhai") -> Path:
        return self.folder / side / kind / name

    @property
    def roots(self) -> dict[str, Path]:
        return {
            f"{side}.xbg.test": self.folder / "trust" / f"{side}.xbg.test.pem"
            for side in ("zhuhai", "macao")
        }

    def token(
        self,
        party: str = WINDOW,
        *,
        audience: str = NODE,
        bound_to: Path | None = None,
        key: Any = None,
        now: datetime | None = None,
        roles: Sequence[str] = (),
        subject: str = "desk-7",
    ) -> str:
        home = self.of("parties", party)
        own = load_ed25519(home / "token.key")
        leaf = x509.load_pem_x509_certificate(((bound_to or home) / "tls.crt").read_bytes())
        return mint_token(
            key or own,
            kid_of(own.public_key()),
            party=party,
            subject=subject,
            audience=audience,
            thumbprint=thumbprint_of(leaf),
            now=now or datetime.now(UTC),
            roles=roles,
        )


def register() -> Register:
    nodes = [
        NodeKeys(one, f"{one}.xbg.test", "localhost:1", f"{number:064x}", f"{number + 9:064x}")
        for number, one in enumerate(("zhuhai", "macao"), start=1)
    ]
    return load_register(yaml.safe_dump(demo_register(nodes, date(2026, 11, 1))).encode(), None)


def catalogue(known: Register) -> Catalogue:
    """The register's services, and one that streams."""
    stream = descriptor_pb2.FileDescriptorProto(
        name="test/stream.proto", package="test.stream.v1", syntax="proto3"
    )
    stream.message_type.add(name="Nothing")
    method = stream.service.add(name="StreamService").method.add(name="Watch")
    method.input_type = method.output_type = ".test.stream.v1.Nothing"
    method.server_streaming = True
    files = descriptor_pb2.FileDescriptorSet(file=[stream])
    return Catalogue(
        [*known.descriptor_sets.values(), files.SerializeToString()],
        [*(offer.service for offer in known.document.services), "test.stream.v1.StreamService"],
    )


@dataclass
class Edge:
    """A running server and what stands behind it."""

    material: Material
    server: Server
    ports: Ports
    path: FakePath
    logs: FakeLogs
    duties: FakeDuties
    refusals: Refusals
    metrics: Metrics
    credentials: Credentials
    trust: TrustStore
    troubles: list[GatewayError] = field(default_factory=list)

    @asynccontextmanager
    async def channel(
        self,
        party: str = WINDOW,
        *,
        side: str = "zhuhai",
        kind: str = "parties",
        home: Path | None = None,
        port: int | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> AsyncIterator[Any]:
        home = home or self.material.of(kind, party, side)
        credentials = grpc.ssl_channel_credentials(
            (self.material.folder / "trust" / "zhuhai.xbg.test.pem").read_bytes(),
            (home / "tls.key").read_bytes(),
            (home / "tls.crt").read_bytes(),
        )
        # No name: of several addresses gRPC would tell the last one's error, whichever that is.
        address = f"127.0.0.1:{port or self.ports.clients}"
        settings = [("grpc.use_local_subchannel_pool", 1), *options]
        async with grpc.aio.secure_channel(address, credentials, options=settings) as channel:
            yield channel

    def words(self, token: str | None = None, **changed: str | None) -> grpc.aio.Metadata:
        """The metadata of a good call, with ``changed`` words; None leaves one out."""
        said: dict[str, str | None] = {
            "authorization": f"Bearer {token or self.material.token()}",
            "xb-request-id": str(uuid4()),
            "xb-purpose": "CONTRIB_QUERY",
            "xb-scenario": "SC-CQ",
            "xb-sent-at": instant(datetime.now(UTC)),
        }
        said |= {
            key if key == "authorization" else f"xb-{key.replace('_', '-')}": value
            for key, value in changed.items()
        }
        return grpc.aio.Metadata(*((k, v) for k, v in said.items() if v is not None))

    def bearer(
        self, party: str = WINDOW, *roles: str, subject: str = "desk-7"
    ) -> grpc.aio.Metadata:
        token = self.material.token(party, roles=roles, subject=subject)
        return grpc.aio.Metadata(("authorization", f"Bearer {token}"))


@asynccontextmanager
async def serving(
    material: Material,
    *,
    files: CertificateFiles | None = None,
    token_required: bool = True,
    peer_services: Sequence[Callable[[grpc.aio.Server], None]] = (),
    core: Core | None = None,
    **options: Any,
) -> AsyncIterator[Edge]:
    """A server of node ``zhuhai``, drained at the end; before ``core``'s path, if one is given."""
    node = material.of("nodes", "zhuhai")
    files = files or CertificateFiles(
        node / "tls.crt",
        node / "tls.key",
        material.roots,
        {"zhuhai.xbg.test": [material.folder / "zhuhai" / "crl.pem"]},
        dev=True,
    )
    metrics, known = Metrics(), register()
    trust = TrustStore(files.current.roots, files.current.crls)
    credentials = Credentials(files, trust, metrics)
    refusals, path = Refusals(metrics), FakePath()
    exchange = str(uuid4())
    logs, duties = FakeLogs(exchange), FakeDuties()
    path.views[exchange] = View(exchange, state(Outcome.REFUSED, (placed(logs.rows[0]),)))
    services, book = catalogue(known), FakeRegisters()
    troubles: list[GatewayError] = []
    peers = {"peers_address": "127.0.0.1:0"} if peer_services else {}
    desk: Any = core.gateway.desk if core else None  # without one nobody here is an officer
    inbox: Any = core.inbox if core else None  # and nobody a provider
    attention: Any = core.attention if core else None
    streams: Any = core.attachments if core else None
    cases: Any = core.cases.desk if core else None
    server = Server(
        ServerOptions(**{"clients_address": "127.0.0.1:0", **peers, **options}),
        credentials=credentials,
        identities=identities(material, trust, known, token_required=token_required),
        path=core.gateway if core else path,
        desk=desk,
        inbox=inbox,
        attention=attention,
        streams=streams,
        cases=cases,
        logs=logs,
        duties=duties,
        registers=book,
        changes=book,
        revisions=core.revisions if core else desk,
        catalogue=lambda: services,
        refusals=refusals,
        ready=lambda: troubles[0] if troubles else None,
        page_key=PAGE_KEY,
        peer_services=peer_services,
    )
    ports = await server.start()
    edge = Edge(
        material, server, ports, path, logs, duties, refusals, metrics, credentials, trust, troubles
    )
    try:
        yield edge
    finally:
        await server.close()


def identities(
    material: Material, trust: TrustStore, known: Register, *, token_required: bool = True
) -> Identities:
    issuers = {}
    for home in (material.folder / "zhuhai" / "parties").iterdir():
        public = load_ed25519(home / "token.key").public_key()
        issuers[home.name] = [TokenKey(kid_of(public), public)]
    return Identities(
        node="zhuhai",
        trust_domains=("zhuhai.xbg.test",),
        trust=trust,
        tokens=TokenVerifier(issuers, NODE),
        register=lambda: known,
        clock=SystemClock(),
        token_required=token_required,
    )
