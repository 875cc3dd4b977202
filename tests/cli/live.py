"""Two nodes as real processes, set up by the command line alone, with the fund's agency behind."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from tests.harness.officers import answers_applied_for
from typer.testing import CliRunner

from xbgateway.cli import app
from xbgateway.demo.register import NodeKeys, demo_register

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTIONS = "xbgateway.api.socialsecurity.v1.ContributionService"
SIDES = {
    "zhuhai": ("cn.hengqin.window", "cn.zhuhai.data", "cn.zhuhai.hrss"),
    "macao": ("mo.fss", "mo.dspdp"),
}


@dataclass(frozen=True)
class Live:
    folder: Path

    def profile(self, party: str) -> Path:
        return self.folder / f"{party}.toml"

    def config(self, node: str) -> Path:
        return self.folder / f"{node}.toml"

    @property
    def register(self) -> Path:
        return self.folder / "register.yaml"

    def store(self, node: str) -> Path:
        return self.folder / node / "store.db"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "xbgateway", *(str(one) for one in arguments)]


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """One command as a real process."""
    return subprocess.run(
        program(*arguments), capture_output=True, text=True, env=environment(), timeout=60,
        check=False,
    )  # fmt: skip


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which is quicker."""
    words = [str(one) for one in arguments]
    result = CliRunner().invoke(app, words)
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)


def prepared(folder: Path) -> Live:
    """Certificates, register, settings and profiles of two nodes; nothing runs yet."""
    parties = [f"--party={side}={party}" for side, names in SIDES.items() for party in names]
    made = command("certs", "dev", folder / "certs", *parties)
    assert made.returncode == 0, made.stderr
    public = json.loads((folder / "certs" / "public.json").read_text())["nodes"]
    ports = {name: [_free() for _ in range(4)] for name in SIDES}
    nodes = [
        NodeKeys(
            name, f"{name}.xbg.test", f"127.0.0.1:{ports[name][1]}",
            public[name]["log_public_key"], public[name]["cosign_public_key"],
        )
        for name in SIDES
    ]  # fmt: skip
    document = demo_register(nodes, datetime.now(UTC).date())
    # A scenario like SC-CQ for which nobody in Macao applied: an officer decides on requests.
    like = next(one for one in document["scenarios"] if one["id"] == "SC-CQ")
    document["scenarios"].append({**like, "id": "SC-CQ-HELD"})
    document["instruments"].append(answers_applied_for(document, "SC-CQ", "SC-CQ-HELD"))
    # The fund fetches proofs of life itself.
    proofs = next(one for one in document["services"] if "ProofOfLife" in one["service"])
    proofs["delivery"] = {"mode": "pull", "visibility_s": 1, "attempts_max": 1}
    (folder / "register.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    for name, names in SIDES.items():
        (folder / name).mkdir()
        _settings(folder, name, names, ports)
        for party in names:
            _profile(folder, name, party, ports[name][0])
    return Live(folder)


def _settings(
    folder: Path, name: str, parties: tuple[str, ...], ports: dict[str, list[int]]
) -> None:
    certs = f"certs/{name}/nodes/{name}"
    keys = folder / name / "keys"
    keys.mkdir(mode=0o700)
    for one in ("log.key", "cosign.key", "seal.key", "rest.key"):
        (folder / certs / one).rename(keys / one)
    client, peer, metrics, backend = ports[name]
    tokens = "\n".join(
        f'"{party}" = ["certs/{name}/parties/{party}/token.pub"]' for party in parties
    )
    text = f"""
node = "{name}"
[files]
store = "{name}/store.db"
keys = "{name}/keys"
register_file = "register.yaml"
roots = "certs/trust"
[tls]
cert = "{certs}/tls.crt"
key = "{certs}/tls.key"
[listen]
client = "127.0.0.1:{client}"
peer = "127.0.0.1:{peer}"
metrics = "127.0.0.1:{metrics}"
[tokens]
{tokens}
"""
    provided = {
        "macao": ("ContributionService", "ProofOfLifeService"),
        "zhuhai": ("PensionVerificationService", "OverpaymentService"),
    }
    for service in provided[name]:
        text += f"""
[backends."xbgateway.api.socialsecurity.v1.{service}"]
address = "127.0.0.1:{backend}"
server_name = "localhost"
"""
    (folder / f"{name}.toml").write_text(text)


def _profile(folder: Path, side: str, party: str, port: int) -> None:
    where = f"certs/{side}/parties/{party}"
    (folder / f"{party}.toml").write_text(
        f'address = "127.0.0.1:{port}"\n'
        f'cert = "{where}/tls.crt"\nkey = "{where}/tls.key"\n'
        f'roots = "certs/trust/{side}.xbg.test.pem"\n'
        f'party = "{party}"\nnode = "spiffe://{side}.xbg.test/node/{side}"\n'
        f'token_key = "{where}/token.key"\n'
    )


@contextmanager
def serving(live: Live) -> Iterator[None]:
    """Both nodes and the fund's agency, until the end of the block; then SIGTERM."""
    settings = live.config("macao").read_text()
    backend = settings.rpartition('address = "127.0.0.1:')[2].partition('"')[0]
    fund = live.folder / "certs/macao/parties/mo.fss"
    agency = [
        *(sys.executable, "-m", "xbgateway.demo.agencies", "--agency", "mo.fss"),
        *("--register", str(live.folder / "fund.db"), "--port", backend, "--count", "60"),
        *("--cert", str(fund / "tls.crt"), "--key", str(fund / "tls.key")),
        *("--roots", str(live.folder / "certs/trust/macao.xbg.test.pem")),
        *("--gateway", "spiffe://macao.xbg.test/node/macao"),
    ]
    commands = [agency, *(program("serve", live.config(name)) for name in SIDES)]
    with contextlib.ExitStack() as stack:
        running = []
        for number, command in enumerate(commands):
            errors = stack.enter_context((live.folder / f"{number}.log").open("wb"))
            started = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment())
            running.append(started)
            stack.callback(_stopped, started)
        for name in SIDES:
            _ready(live.config(name))
        yield


def _stopped(started: subprocess.Popen[bytes]) -> None:
    started.terminate()
    try:
        code = started.wait(20)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
        raise
    assert code == 0, started.args


def _ready(config: Path) -> None:
    port = config.read_text().partition('metrics = "127.0.0.1:')[2].partition('"')[0]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{config.stem} is not ready: {(config.parent / '1.log').read_text()}")


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
