"""Two nodes on PostgreSQL: ``kill -9`` of a node, the server's death, then a copy in files."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.harness.agreement import agree
from tests.harness.callers import NOTICE, QUERY, callers
from tests.harness.cluster import Processes, cluster, eventually
from tests.harness.postgres import Server

from xbgateway.store.migration import migrate

_SIZES = "SELECT origin, size FROM logs"
_WAITING = "SELECT count(*) FROM pending WHERE step <> 'held'"


def _rows(url: str, sql: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def _settled(urls: dict[str, str]) -> bool:
    sizes = [dict(_rows(url, _SIZES)) for url in urls.values()]
    shared = set(sizes[0]) & set(sizes[1])
    return all(sizes[0][o] == sizes[1][o] for o in shared) and not any(
        _rows(url, _WAITING)[0][0] for url in urls.values()
    )


def _on(urls: dict[str, str]) -> Callable[[Processes], None]:
    """Prepare a cluster whose nodes have their stores there."""

    def prepare(nodes: Processes) -> None:
        for name, url in urls.items():
            config = nodes.config(name)
            text = config.read_text()
            line = f'store = "{name}/store.db"\n'
            assert line in text
            text = text.replace(line, f'segments = "{name}/attachments"\n')
            text = text.replace("[listen]", f'[store]\nurl = "{url}"\n\n[listen]')
            config.write_text(text)

    return prepare


async def _stopped_settled(nodes: Processes, urls: dict[str, str]) -> None:
    """Stop both nodes with complete mirrors. One may write a last anchor once the other is gone."""
    for _ in range(5):
        await eventually(lambda: _settled(urls), 30)
        assert await asyncio.gather(*map(nodes.terminate, urls)) == [0, 0]
        if _settled(urls):
            return
        await asyncio.gather(*map(nodes.restart, urls))
    raise AssertionError("the nodes never stopped with complete mirrors")


@pytest.mark.timeout(180)
async def test_nothing_told_is_lost_and_both_sides_agree(tmp_path: Path, postgres: Server) -> None:
    urls = {name: postgres.fresh() for name in ("zhuhai", "macao")}
    async with cluster(tmp_path, _on(urls)) as nodes, callers(nodes) as people:
        await people.call(QUERY)
        under_way = [asyncio.create_task(people.call(kind)) for kind in (QUERY, NOTICE) * 3]
        await asyncio.sleep(0.2)
        await nodes.kill("macao")
        await nodes.restart("macao")
        await asyncio.gather(*under_way)
        under_way = [asyncio.create_task(people.call(kind)) for kind in (QUERY, NOTICE) * 3]
        await asyncio.sleep(0.2)
        postgres.stop(signal.SIGQUIT)  # as if the power went: both nodes stop by themselves
        for name in urls:
            assert await asyncio.wait_for(nodes.processes.pop(name).wait(), 40) != 0
        postgres.start()
        await asyncio.gather(*(nodes.restart(name) for name in urls))
        await asyncio.gather(*under_way)
        await people.call(QUERY)
        await _stopped_settled(nodes, urls)
        for name, url in urls.items():
            counts = migrate(url, nodes.store(name))
            assert counts["entries"] == _rows(url, "SELECT sum(size) FROM logs")[0][0]
        report, _ends = await agree(nodes, people)
        assert len(report.outcomes) >= 14
