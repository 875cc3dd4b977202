"""Callers and what they hold: certificates for any identity, calls, and work that waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpc_health.v1 import health_pb2_grpc
from tests.unit.server.edge import QUERY, Edge, Material
from tests.unit.server.fakes import echo

from xbgateway.exchange.stages import Finished, Submission
from xbgateway.identity.issuing import Authority, Hosts, issue_leaf, new_key, pem_of
from xbgateway.identity.keyfiles import private_pem


async def query(edge: Edge, channel: Any, token: str | None = None, **words: Any) -> Any:
    """Ask the provider's method; raises what gRPC raises."""
    return await channel.unary_unary(QUERY)(b"ask", metadata=edge.words(token, **words), timeout=10)


def health_of(channel: Any) -> Any:
    """The health service's stub, whose types are not told."""
    return health_pb2_grpc.HealthStub(channel)


class Gate:
    """Work that is accepted and then waits to be let through."""

    def __init__(self, running: Edge) -> None:
        self.running, self.begun, self.opened = running, asyncio.Event(), asyncio.Event()
        self.exchange = str(uuid4())

    async def accepting(self, submission: Submission) -> Finished:
        self.running.path.accepted[submission.party, submission.request_id] = self.exchange
        return await self.waiting(submission)

    async def waiting(self, submission: Submission) -> Finished:
        self.begun.set()
        await self.opened.wait()
        return await echo(submission)


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what we wait for has no event
            await asyncio.sleep(0.01)


def leaf(made: Material, folder: Path, *uris: str, days: float = 1.0, age_days: float = 0) -> Path:
    """A leaf of Zhuhai's authority for ``uris``, with its key, in a folder."""
    side = made.folder / "zhuhai"
    issuer = Authority(
        x509.load_pem_x509_certificate((side / "intermediate.crt").read_bytes()),
        load_pem_private_key((side / "intermediate.key").read_bytes(), None),  # type: ignore[arg-type]
    )
    key = new_key()
    names = [*(x509.UniformResourceIdentifier(u) for u in uris), *Hosts().general_names()]
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=age_days)
    made_leaf = issue_leaf(issuer, key.public_key(), names, begin, timedelta(days=days))
    folder.mkdir(exist_ok=True)
    (folder / "tls.crt").write_bytes(pem_of(made_leaf) + issuer.pem)
    (folder / "tls.key").write_bytes(private_pem(key))
    return folder
