"""Officers change the policies of a running node from the command line."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.live import Live, command, prepared, serving

from xbgateway.policy.source import default_policy_directory

OFFICE, CLERK = "cn.zhuhai.hrss", "cn.hengqin.window"

TEXT = "texts/gw_gateway.yaml"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    made = prepared(tmp_path_factory.mktemp("revisions"))
    with serving(made):
        yield made


def asked(
    live: Live, *words: object, who: str = OFFICE, roles: str = "compliance", person: str = "one"
) -> subprocess.CompletedProcess[str]:
    offices = ("--roles", roles, "--system", person) if roles else ()
    return command("revision", *words, "--profile", live.profile(who), *offices, "-o", "json")


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def changed(folder: Path, name: str, old: str, new: str) -> Path:
    shutil.copytree(default_policy_directory(), folder)
    file = folder / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_a_malformed_table_is_refused_with_its_line_and_the_running_revision_stays(
    live: Live, tmp_path: Path
) -> None:
    before, kept = told(asked(live, "active"))["revision"], told(asked(live, "list"))
    table = "tables/thresholds.yaml"
    folder = changed(tmp_path / "wrong", table, "value: 100000", "value: many")
    line = (folder / table).read_text(encoding="utf-8").split("value: many")[0].count("\n") + 1
    done = asked(live, "propose", folder)
    assert done.returncode == 1
    assert "error: POLICY_INVALID" in done.stderr
    assert f"{table}:{line}: " in done.stderr
    assert told(asked(live, "list")) == kept
    assert told(asked(live, "active"))["revision"] == before


def test_two_officers_put_it_into_use_without_a_restart(live: Live, tmp_path: Path) -> None:
    before = told(asked(live, "active"))["revision"]
    folder = changed(tmp_path / "sound", TEXT, "en: A fact", "en: By law a fact")
    made = told(asked(live, "propose", folder, "--note", "clearer text"))
    assert (made["state"], made["previous"]) == ("open", before)
    assert made["changes"] == [f"~ {TEXT}"]
    assert "fixtures by the engine" in made["checked"]
    own = asked(live, "approve", made["proposal_id"])
    assert "error: SELF_APPROVAL" in own.stderr
    nobody = asked(live, "approve", made["proposal_id"], who=CLERK, roles="")
    assert "error: ROLE_REQUIRED" in nobody.stderr

    second = {"roles": "cdo", "person": "two"}
    seen = told(asked(live, "show", made["proposal_id"], "--save", tmp_path / "seen", **second))
    assert seen["checked"] == made["checked"]
    assert (tmp_path / "seen" / TEXT).read_bytes() == (folder / TEXT).read_bytes()
    done = told(asked(live, "approve", made["proposal_id"], "--reason", "read it", **second))
    assert done["state"] == "approved"
    now = told(asked(live, "active"))
    assert now["revision"] == made["revision"] != before
    assert now["since"]
