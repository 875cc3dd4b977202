"""Log and cosigning keys are rolled as the runbook says, under load, with a node that dies."""

import asyncio
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.harness.agreement import agree
from tests.harness.callers import KINDS, QUERY, callers
from tests.harness.cluster import Processes, cluster, command, eventually

from xbgateway.demo.cluster import PARTIES

pytestmark = pytest.mark.timeout(180)
HOME = "zhuhai.xbg.test/zhuhai/home"
LANE = "zhuhai.xbg.test/zhuhai/macao/lane/0"


async def _verified(nodes: Processes, register: Path, *more: Path) -> dict[str, list[str]]:
    """What `log verify` finds (REQ-LOG-21) in both stores and more, by log or file."""
    paths = [*map(nodes.store, PARTIES), *more]
    code, out = await command("log", "verify", *paths, "--register", register, "--output", "json")
    found: dict[str, list[str]] = {}
    said = json.loads(out)
    for verdict in (*said["stores"], *said["logs"]):
        if verdict["findings"]:
            name = verdict.get("origin", verdict["source"])
            found[name] = [one["reason"] for one in verdict["findings"]]
    assert code == (3 if found else 0)
    return found


def _turns(store: Path) -> dict[str, int]:
    """How often the keys of each log in a store have changed."""
    sql = "SELECT origin, count(*) - 1 FROM turns t JOIN logs l ON l.id = t.log GROUP BY origin"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as rows:
        return dict(rows.execute(sql).fetchall())


async def test_keys_are_rolled_under_load_and_old_signatures_stay_good(tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes, callers(nodes) as people:
        folders = {node: nodes.keys(node) for node in PARTIES}
        old: dict[str, Any] = {
            one["id"]: one for one in yaml.safe_load(nodes.register.read_text())["nodes"]
        }
        await people.call(QUERY)
        await nodes.settle()
        store = nodes.store("zhuhai")
        exports = {one: tmp_path / one.replace("/", "-") for one in (LANE, HOME)}
        exporting = (command("log", "export", store, one, to) for one, to in exports.items())
        assert [code for code, _ in await asyncio.gather(*exporting)] == [0, 0]
        replaced: dict[str, dict[str, str]] = {node: {} for node in PARTIES}
        async with people.load((*KINDS, *KINDS), pause_s=0.02):
            await people.more_answers(10, 30)
            for node, folder in folders.items():
                for use, more in (("log", ["--compromised"]), ("cosign", [])):
                    verb = "rotate-log" if use == "log" else "rotate-cosigning"
                    code, out = await command("keys", verb, folder, *more)
                    assert code == 0
                    replaced[node][use] = re.findall(rf"{use}-(\d+T\d+Z)\S*\.key", out)[0]
                if node == "macao":  # it may die at any moment of it
                    await asyncio.sleep(1.0)
                    await nodes.kill(node)
                    await nodes.restart(node)
            await eventually(lambda: all(min(_turns(nodes.store(n)).values()) for n in PARTIES), 30)
            await people.more_answers(20, 30)
        await nodes.settle()
        retiring = (
            command("keys", "retire", folders[node], time, "--use", use, "--early", "--yes")
            for node, times in replaced.items()
            for use, time in times.items()
        )
        assert [code for code, _ in await asyncio.gather(*retiring)] == [0] * 4
        for node in PARTIES:
            assert await nodes.terminate(node) == 0
        assert {path.name for path in folders["macao"].glob("*-*.key")} == set()
        for node in PARTIES:
            await nodes.restart(node)
        await people.call(QUERY)
        await agree(nodes, people)

        # The register of before knows none of the new keys, and thinks well of the old ones.
        told = await _verified(nodes, nodes.register, *exports.values())
        assert set(told) >= {HOME, "macao.xbg.test/macao/home", LANE}
        _register_of_after(nodes, old)
        assert await _verified(nodes, nodes.register, exports[LANE]) == {}
        # What one side alone signed with a key that somebody else may have proves nothing.
        told = await _verified(nodes, nodes.register, *exports.values())
        assert told == {HOME: ["CHECKPOINT_SIGNATURE"]}


def _register_of_after(nodes: Processes, old: dict[str, Any]) -> None:
    """The register with the new keys, the old ones among those of before."""
    shutil.rmtree(nodes.folder / "crls")
    public = {node: old[node] for node in PARTIES}
    nodes.prepare()
    document = yaml.safe_load(nodes.register.read_text())
    for node in document["nodes"]:
        was = public[node["id"]]
        assert node["log_key"] != was["log_key"]
        node["former_log_keys"] = [was["log_key"]]
        node["former_cosign_keys"] = [was["cosign_key"]]
        node["compromised_keys"] = [was["log_key"]]
    nodes.register.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
