"""Two nodes' stores as a real exchange leaves them, with register and key files beside them."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.harness.simulator import World, submission, world

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.identity.keyfiles import (
    PRIVATE_MODE,
    REST_LABEL,
    SEAL_LABEL,
    labelled,
    private_pem,
    write_file,
)
from xbgateway.model.errors import GatewayError

# More than one full tile in the busy lane.
EXCHANGES = 140
LANE = "zhuhai.xbg.test/zhuhai/macao/lane/0"
BACK = "macao.xbg.test/macao/zhuhai/lane/0"
HOME = "zhuhai.xbg.test/zhuhai/home"


@dataclass(frozen=True)
class Pair:
    folder: Path
    exchange: str  # one that was executed

    @property
    def register(self) -> Path:
        return self.folder / "register.yaml"

    def store(self, node: str) -> Path:
        return self.folder / node / "store.db"

    def keys(self, node: str) -> Path:
        return self.folder / node / "keys"


def make_pair(folder: Path) -> Pair:
    return asyncio.run(_exchanged(folder))


async def _exchanged(folder: Path) -> Pair:
    async with world(folder, {"macao": _answer}) as running:
        first = await running.submit("zhuhai", submission(_query(0)))
        work = [running.submit("zhuhai", submission(_query(n))) for n in range(1, EXCHANGES)]
        await asyncio.gather(*work)
        with contextlib.suppress(GatewayError):
            await running.submit("zhuhai", submission(_query(0), scenario="SC-POL"))
        for node in running.nodes.values():
            await node.core.gateway.anchor_once()
        await running.settle()
        running.agree()
        write_keys(running)
        document = running.nodes["zhuhai"].core.register.document
        plain = document.model_dump(mode="json", by_alias=True)
    (folder / "register.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True))
    return Pair(folder, first.exchange)


def _query(number: int) -> bytes:
    request = c.QueryContributionsRequest(pid_token=f"pt_{number:026d}", fss_no=f"SYN{number:06d}")
    return request.SerializeToString()


def _answer(_path: str, _payload: bytes) -> bytes:
    return c.QueryContributionsResponse(pid_token="pt_" + "a" * 26).SerializeToString()


def write_keys(running: World) -> None:
    for node in running.nodes.values():
        keys, secrets = node.folder / "keys", node.secrets
        for name, content in (
            ("log.key", private_pem(secrets.logs[-1])),
            ("cosign.key", private_pem(secrets.cosigns[-1])),
            ("seal.key", labelled(SEAL_LABEL, secrets.seals[-1].seed)),
            ("rest.key", labelled(REST_LABEL, secrets.rest)),
        ):
            write_file(keys / name, content, PRIVATE_MODE)
