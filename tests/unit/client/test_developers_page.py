"""The examples of docs/developers.md run as printed, against a server at a node's place."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.client.authority import Authority
from tests.unit.client.node import EXCHANGE, NODE, Seen, running

import xbgateway

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "developers.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
AUTHORITY = Authority()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def environment(seen: Seen, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    party = AUTHORITY.issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window")
    certificate, key = party.write(tmp_path, "party")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(AUTHORITY.roots)
    async with running(AUTHORITY, seen, AUTHORITY.issue(NODE)) as address:
        yield {
            **os.environ,
            "PYTHONPATH": str(Path(xbgateway.__file__).parent.parent),
            "NODE": address,
            "CERT": str(certificate),
            "KEY": str(key),
            "ROOTS": str(roots),
            "TOKEN": "token",
            "EXCHANGE": EXCHANGE,
        }


async def run(environment: dict[str, str], *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_python_example_runs(environment: dict[str, str], seen: Seen) -> None:
    (script,) = PYTHON
    out = await run(environment, sys.executable, "-c", script)
    assert EXCHANGE in out
    assert "answer:person.bir_no" in out
    assert seen.of("QueryContributions")[0]["xb-scenario"] == "SC-CQ"


@pytest.mark.tool("grpcurl")
async def test_the_shell_examples_run(environment: dict[str, str], seen: Seen) -> None:
    out = [await run(environment, "bash", "-c", example) for example in SHELL]
    assert [name for name, _ in seen.calls] == ["QueryContributions", "Call", "GetReceipt"]
    sent = seen.of("QueryContributions")[0]
    assert sent["authorization"] == "Bearer token"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sent["xb-sent-at"])
    assert seen.submitted[0].validate_only
    assert b"SYN000001" in seen.submitted[0].payload
    assert "CN-PIPL-36-1" in out[1]
    assert EXCHANGE in out[2]
