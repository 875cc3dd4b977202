"""The whole path between two nodes, as their users see it. Read this after the two paths.

Registers, rules, keys, stores and both paths are the real ones; only the wires are in memory.
"""

from pathlib import Path

from tests.harness.simulator import submission, world
from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.model.outcome import Outcome


def query() -> bytes:
    return c.QueryContributionsRequest(
        pid_token="pt_" + "a" * 26, fss_no="SYN000123"
    ).SerializeToString()


def answer(_path: str, _payload: bytes) -> bytes:
    return c.QueryContributionsResponse(pid_token="pt_" + "a" * 26).SerializeToString()


async def test_a_window_clerk_queries_a_macao_record(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": answer}) as w:
        finished = await w.submit("zhuhai", submission(query()))
        assert finished.outcome is Outcome.EXECUTED, finished
        assert finished.payload is not None
        assert c.QueryContributionsResponse.FromString(finished.payload).pid_token.startswith("pt_")
        await w.settle()
        report = w.agree()
        assert report.outcomes[finished.exchange].outcome is Outcome.EXECUTED
        assert report.outcomes[finished.exchange].finished
