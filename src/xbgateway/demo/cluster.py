"""Two nodes and two agencies as real processes on loopback, for the demo and for tests.

Everything a deployment has is made in one folder: certificates, the register, a settings file per
node, empty stores. Processes end with this one; nothing listens beyond loopback.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from xbgateway.client import Gateway
from xbgateway.demo.register import FUND, HENGQIN, ZHUHAI, NodeKeys, demo_register
from xbgateway.identity.certs import DevJurisdiction, DevPlan, make_dev_certificates

READY_WAIT_S = 60.0
PARTIES = {
    "zhuhai": (ZHUHAI, HENGQIN, "cn.zhuhai.data"),
    "macao": (FUND, "mo.dspdp"),
}
AGENCIES = {"zhuhai": ZHUHAI, "macao": FUND}
API = "xbgateway.api.socialsecurity.v1"
SERVES = {
    "zhuhai": ("PensionVerificationService", "OverpaymentService"),
    "macao": ("ContributionService", "ProofOfLifeService", "IdentityService"),
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one node and its agency."""

    client: int
    peer: int
    metrics: int
    agency: int


@dataclass(slots=True)
class Cluster:
    """The demo's processes. ``prepare`` writes files, ``start`` starts, ``stop`` ends them."""

    folder: Path
    certificates: Path
    ports: dict[str, Ports] = field(default_factory=dict)
    lanes: int = 1
    extra: dict[str, str] = field(default_factory=dict)  # settings as environment, by name
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def register(self) -> Path:
        """The register document."""
        return self.folder / "register.yaml"

    def config(self, node: str) -> Path:
        """Settings file of a node."""
        return self.folder / f"{node}.toml"

    def store(self, node: str) -> Path:
        """Store of a node."""
        return self.folder / node / "store.db"

    def prepare(self) -> None:
        """Make whatever is missing: idempotent, and nothing is overwritten that holds data."""
        plan = DevPlan(
            tuple(
                DevJurisdiction(name, f"{name}.xbg.test", (name,), parties)
                for name, parties in PARTIES.items()
            )
        )
        make_dev_certificates(self.certificates, plan, lambda: datetime.now(UTC))
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.ports:
            self.ports = {name: Ports(*free_ports(4)) for name in PARTIES}
        public = json.loads((self.certificates / "public.json").read_text())["nodes"]
        nodes = [
            NodeKeys(
                name,
                f"{name}.xbg.test",
                f"localhost:{self.ports[name].peer}",
                public[name]["log_public_key"],
                public[name]["cosign_public_key"],
            )
            for name in PARTIES
        ]
        document = demo_register(nodes, datetime.now(UTC).date())
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
        self.register.write_text(text, encoding="utf-8")
        (self.folder / "crls").mkdir(exist_ok=True)
        for name in PARTIES:
            (self.folder / name).mkdir(exist_ok=True)
            self.config(name).write_text(self._settings(name), encoding="utf-8")
            listed = (self.certificates / name / "crl.pem").read_bytes()
            (self.folder / "crls" / f"{name}.xbg.test.pem").write_bytes(listed)

    def _settings(self, name: str) -> str:
        ports, home = self.ports[name], self.certificates.absolute() / name
        agency = "\n".join(
            f'[backends."{API}.{service}"]\naddress = "localhost:{ports.agency}"\n'
            f'server_name = "{AGENCIES[name]}.party.{name}.xbg.test"'
            for service in SERVES[name]
        )
        tokens = "\n".join(
            f'"{party}" = ["{home}/parties/{party}/token.pub"]' for party in PARTIES[name]
        )
        return f"""# Written by the demo; see docs/settings.md for every key.
node = "{name}"
lanes = {self.lanes}

[files]
store = "{name}/store.db"
keys = "{home}/nodes/{name}"
register_file = "register.yaml"
roots = "{self.certificates.absolute()}/trust"
crls = "crls"

[listen]
client = "127.0.0.1:{ports.client}"
peer = "127.0.0.1:{ports.peer}"
metrics = "127.0.0.1:{ports.metrics}"

[tls]
cert = "{home}/nodes/{name}/tls.crt"
key = "{home}/nodes/{name}/tls.key"

[tokens]
{tokens}

{agency}
"""

    async def start(self, names: Sequence[str] = tuple(PARTIES), *, stay: bool = False) -> None:
        """Start agencies and nodes and wait until every node is ready."""
        for name in names:
            await self.start_agency(name, stay=stay)
        for name in names:
            await self.start_node(name)
        for name in names:
            await self.ready(name)

    async def start_agency(self, name: str, *, stay: bool = False) -> None:
        """Start the reference agency behind a node."""
        agency = AGENCIES[name]
        home = self.certificates / name / "parties" / agency
        await self._spawn(
            f"{name}-agency",
            *("-m", "xbgateway.demo.agencies", "--agency", agency),
            *("--register", str(self.folder / name / "agency.db")),
            *("--port", str(self.ports[name].agency)),
            *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
            *("--roots", str(self.certificates / "trust" / f"{name}.xbg.test.pem")),
            *("--gateway", f"spiffe://{name}.xbg.test/node/{name}"),
            *(("--stay",) if stay else ()),
        )

    async def start_node(self, name: str) -> None:
        """Start (again) a gateway node."""
        await self._spawn(name, "-m", "xbgateway", "serve", str(self.config(name)))

    async def _spawn(self, name: str, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                env={"GRPC_VERBOSITY": "ERROR", **os.environ, **self.extra},
                start_new_session=True,
            )

    async def ready(self, name: str) -> None:
        """Wait until a node answers its readiness probe. Raises ``RuntimeError`` with its log."""
        deadline = asyncio.get_running_loop().time() + READY_WAIT_S
        while asyncio.get_running_loop().time() < deadline:
            if self.processes[name].returncode is not None:
                break
            if await _probe(self.ports[name].metrics):
                return
            await asyncio.sleep(0.05)
        log = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"node {name} did not come up:\n{log}")

    async def kill(self, name: str) -> None:
        """``kill -9`` one process and wait for its end."""
        process = self.processes.pop(name)
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """SIGTERM to all, nodes first, and wait; what does not end is killed."""
        order = sorted(self.processes, key=lambda name: name.endswith("-agency"))
        for name in order:
            process = self.processes[name]
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()
        self.processes.clear()

    def connect(self, party: str, **options: Any) -> Gateway:
        """A party's connection to its own node."""
        name = next(node for node, parties in PARTIES.items() if party in parties)
        home = self.certificates / name / "parties" / party
        return Gateway.connect(
            f"localhost:{self.ports[name].client}",
            certificate=home / "tls.crt",
            key=home / "tls.key",
            roots=self.certificates / "trust" / f"{name}.xbg.test.pem",
            party=party,
            node=f"spiffe://{name}.xbg.test/node/{name}",
            token_key=home / "token.key",
            kid="token",
            **options,
        )


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


async def _probe(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        await writer.drain()
        line = await reader.readline()
        writer.close()
    except OSError:
        return False
    return b" 200 " in line
