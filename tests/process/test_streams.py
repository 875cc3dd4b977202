"""An attachment through real nodes that are killed while it moves, from the command line too."""

import asyncio
import io
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from tests.harness.agreement import agree
from tests.harness.callers import QUERY, callers
from tests.harness.cluster import Processes, cluster, eventually

from xbgateway.client import Gateway, GatewayCallError
from xbgateway.core import segment_folder
from xbgateway.demo.register import FUND, HENGQIN
from xbgateway.model.limits import SEGMENT_BYTES

SEGMENTS = 96
CONTENT = os.urandom(SEGMENTS * SEGMENT_BYTES + 1)


def durable(nodes: Processes, node: str) -> int:
    """Segments that are durable at a node, of all attachments."""
    leaves = segment_folder(nodes.store(node)).glob("*.leaves")
    return sum(path.stat().st_size // 32 for path in leaves)


async def upload(gateway: Gateway, stream_id: str) -> list[int]:
    """Upload until it is whole; what the node said that it holds."""
    told: list[int] = []

    async def once() -> bool:
        try:
            return await gateway.streams.upload(
                stream_id, io.BytesIO(CONTENT), len(CONTENT), lambda done, _all: told.append(done)
            )
        except GatewayCallError as error:
            if not error.retryable:
                raise
            return False

    await eventually(once, 60)
    return told


async def command(nodes: Processes, party: str, node: str, *words: str) -> str:
    """What ``xbgateway`` prints for a party."""
    home = nodes.certificates / node / "parties" / party
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xbgateway", *words, "-o", "json"),
        *("--address", f"localhost:{nodes.ports[node].client}", "--party", party),
        *("--cert", str(home / "tls.crt"), "--key", str(home / "tls.key")),
        *("--token-key", str(home / "token.key"), "--kid", "token"),
        *("--roots", str(nodes.certificates / "trust" / f"{node}.xbg.test.pem")),
        *("--node", f"spiffe://{node}.xbg.test/node/{node}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, error.decode()
    return out.decode()


@pytest.mark.timeout(180)
async def test_an_attachment_survives_kills_on_both_sides(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as nodes,
        callers(nodes) as people,
        nodes.connect(HENGQIN) as window,
    ):
        stream_id = str(uuid4())
        uploading = asyncio.create_task(upload(window, stream_id))
        await eventually(lambda: durable(nodes, "zhuhai") >= 16, 20, every_s=0.002)
        await nodes.kill("zhuhai")
        held = durable(nodes, "zhuhai")
        assert 16 <= held < SEGMENTS
        await nodes.restart("zhuhai")
        told = await uploading
        assert held * SEGMENT_BYTES in told  # it went on from there
        assert told[-1] == len(CONTENT)

        asked = people.new(QUERY)
        asked.attachment = stream_id
        calling = asyncio.create_task(people.done(asked))
        await eventually(lambda: durable(nodes, "macao") >= 16, 20, every_s=0.002)
        await nodes.kill("macao")
        assert 16 <= durable(nodes, "macao") < SEGMENTS
        await nodes.restart("macao")
        await calling
        assert asked.answer is not None, asked.error

        there = tmp_path / "arrived"
        await command(nodes, FUND, "macao", "stream", "download", asked.exchange, str(there))
        assert there.read_bytes() == CONTENT
        shown = await command(nodes, FUND, "macao", "stream", "show", asked.exchange)
        assert '"complete": true' in shown
        small = tmp_path / "small"
        small.write_bytes(b"a few bytes")
        await command(
            nodes, HENGQIN, "zhuhai", "stream", "upload", str(small), "--id", str(uuid4())
        )
        await agree(nodes, people)
