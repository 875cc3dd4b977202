"""The commands as people use them: real processes, two real nodes, one real agency behind."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.cli.live import CONTRIBUTIONS, Live, command, prepared, process, serving

WINDOW, AUDITOR = "cn.hengqin.window", "cn.zhuhai.data"
OFFICE = "cn.zhuhai.hrss"
LANE = "zhuhai.xbg.test/zhuhai/macao/lane/0"
QUERY = (
    *("call", f"{CONTRIBUTIONS}/QueryContributions"),
    *("--data", '{"pid_token": "pt_aaaaaaaaaaaaaaaaaaaaaaaaaa", "fss_no": "SYN000001"}'),
    *("--purpose", "CONTRIB_QUERY", "-o", "json"),
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Two nodes that know each other's sealing keys."""
    made = prepared(tmp_path_factory.mktemp("live"))
    with serving(made):
        end = time.monotonic() + 20
        while asked(made, *QUERY, "--scenario", "SC-CQ").returncode:
            assert time.monotonic() < end, (made.folder / "1.log").read_text()
            time.sleep(0.2)
        yield made


def asked(live: Live, *words: object, who: str = WINDOW) -> subprocess.CompletedProcess[str]:
    return command(*words, "--profile", live.profile(who))


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_call_its_exchange_and_its_receipt(live: Live, tmp_path: Path) -> None:
    made = told(asked(live, *QUERY, "--scenario", "SC-CQ", "--receipt", tmp_path / "receipt"))
    assert made["outcome"] == "executed"
    assert made["answer"]["pid_token"] == "pt_" + "a" * 26
    assert "answer:records.start_on" in made["dropped_fields"]
    proofs = [one for one in made["receipt"] if one.endswith(".tlog-proof")]
    assert len(proofs) * 2 == len(made["receipt"]) >= 6
    words = ("log", "verify", tmp_path / "receipt", "--register", live.register, "-o", "json")
    report = told(command(*words))
    assert report["receipts"] == {made["exchange_id"]: "executed"}
    shown = told(asked(live, "exchange", "show", made["exchange_id"], "-o", "json"))
    assert shown["outcome"] == "executed"
    listed = told(asked(live, "exchange", "list", "-o", "json", "--limit", "5"))
    assert made["exchange_id"] in {one["exchange_id"] for one in listed}


def test_handed_over_followed_to_its_end_and_its_answer_fetched(live: Live) -> None:
    words = ("submit", *QUERY[1:], "--scenario", "SC-CQ", "--request-id", str(uuid4()))
    made = told(asked(live, *words, "--time-to-live-s", "3600"))
    assert told(asked(live, *words))["exchange_id"] == made["exchange_id"]
    followed = asked(live, "exchange", "watch", made["exchange_id"], "-o", "json")
    states = [json.loads(line) for line in followed.stdout.splitlines()]
    assert states[-1]["outcome"] == "executed"
    ladder = ["submitted", "held_by_peer", "accepted", "answered", "confirmed"]
    assert [rung.split()[0] for rung in states[-1]["rungs"]] == ladder
    assert states[-1]["expire_time"] == made["expire_time"]
    fetched = told(asked(live, "exchange", "answer", made["exchange_id"], "-o", "json"))
    assert fetched["answer"]["pid_token"] == "pt_" + "a" * 26
    refused = ("submit", *QUERY[1:], "--scenario", "SC-POL")
    assert "xbgateway: rule: " in asked(live, *refused).stderr
    held = told(asked(live, "submit", *QUERY[1:], "--scenario", "SC-CQ-HELD"))
    assert held["outcome"] == "held"
    answer = ("exchange", "answer", held["exchange_id"])
    assert "EXCHANGE_PENDING" in asked(live, *answer).stderr
    officer = ("--roles", "cdo", "--system", "officer-9", "--reason", "not this one")
    assert not asked(live, "hold", "reject", answer[2], *officer, who=OFFICE).returncode
    ended = asked(live, "exchange", "watch", held["exchange_id"])
    assert ended.stdout.splitlines()[-1].startswith("refused HOLD_REJECTED refused ")
    assert "HOLD_REJECTED" in asked(live, *answer).stderr


def test_an_officer_decides_on_a_hold(live: Live) -> None:
    """Held, listed, shown, approved; the same request id then gets its answer, or is told why."""
    again = {word: str(uuid4()) for word in ("approve", "reject")}
    held = {}
    for word, request_id in again.items():
        ask = (*QUERY, "--scenario", "SC-CQ-HELD", "--request-id", request_id)
        done = asked(live, *ask)
        assert done.returncode == 1
        assert "POLICY_HOLD" in done.stderr
        assert "role: cdo" in done.stderr
        held[word] = re.search(r"operations/(\S+)", done.stderr).group(1)  # type: ignore[union-attr]
    officer = ("--roles", "cdo", "--system", "officer-9")
    listed = told(asked(live, "hold", "list", *officer, "-o", "json", who=OFFICE))
    assert {one["exchange_id"] for one in listed} == set(held.values())
    shown = told(asked(live, "hold", "show", held["approve"], *officer, "-o", "json", who=OFFICE))
    assert shown["rules"][0].startswith("ZH-CAT-2")
    assert len(shown["texts"]) == 4
    nobody = asked(live, "hold", "list", who=OFFICE)
    assert "ROLE_REQUIRED" in nobody.stderr
    for word, why in (("approve", "--note"), ("reject", "--reason")):
        yes = asked(live, "hold", word, held[word], why, "seen", *officer, "-o", "json", who=OFFICE)
        assert told(yes)["officer"] == f"{OFFICE}/officer-9"
    late = asked(live, "hold", "approve", held["reject"], *officer, who=OFFICE)
    assert "HOLD_ANSWERED" in late.stderr
    same = (*QUERY, "--scenario", "SC-CQ-HELD", "--request-id")
    made = told(asked(live, *same, again["approve"]))
    assert (made["exchange_id"], made["outcome"]) == (held["approve"], "executed")
    assert "HOLD_REJECTED" in asked(live, *same, again["reject"]).stderr


def test_what_law_refuses_ends_with_1_and_says_why(live: Live) -> None:
    life = "xbgateway.api.socialsecurity.v1.ProofOfLifeService/SubmitProofOfLife"
    done = asked(live, *QUERY, "--scenario", "SC-POL")
    assert done.returncode == 1
    assert "xbgateway: error: " in done.stderr
    assert "xbgateway: rule: " in done.stderr
    assert "xbgateway: hint: " in done.stderr
    assert not done.stdout
    asking = told_validation(asked(live, *QUERY, "--scenario", "SC-POL", "--validate-only"))
    assert asking["verdict"] == "deny"
    assert all(one["rule"] and one["text"]["en"] for one in asking["findings"])
    allowed = told(asked(live, *QUERY, "--scenario", "SC-CQ", "--validate-only"))
    assert allowed["verdict"] == "allow"
    words = ("policy", "ask", QUERY[1], "--purpose", "CONTRIB_QUERY", "--scenario", "SC-POL")
    said = asked(live, *words, "--data", QUERY[3], "--language", "zh-Hant")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[0] == "deny"
    assert asked(live, "call", f"{life}X", "--purpose", "A", "--scenario", "B").returncode == 1


def told_validation(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)


def test_an_auditor_reads_follows_and_proves(live: Live, tmp_path: Path) -> None:
    logs = told(asked(live, "log", "list", "-o", "json", who=AUDITOR))
    assert {one["role"] for one in logs} == {"own", "mirror", "home"}
    entries = told(asked(live, "log", "show", LANE, "-o", "json", "--limit", "1", who=AUDITOR))
    assert [one["kind"] for one in entries] == ["request"]
    tail = asked(live, "log", "tail", LANE, "--limit", "2", "-o", "json", who=AUDITOR)
    assert [json.loads(line)["index"] for line in tail.stdout.splitlines()] == [0, 1]
    proven = told(
        asked(live, "log", "prove", LANE, "0", "--out", tmp_path, "-o", "json", who=AUDITOR)
    )
    assert proven["leaf"] == entries[0]["leaf"]
    assert command("log", "verify", tmp_path, "--register", live.register).returncode == 0
    # A party is no auditor.
    done = asked(live, "log", "list")
    assert (done.returncode, "AUDITOR_ONLY" in done.stderr) == (1, True)


def test_an_officer_confirms_what_a_decision_left_to_people(live: Live) -> None:
    made = told(asked(live, *QUERY, "--scenario", "SC-CQ"))
    owed = told(asked(live, "duty", "list", "-o", "json", "--limit", "500"))
    [one] = [duty for duty in owed if duty["exchange_id"] == made["exchange_id"]]
    assert (one["verb"], one["state"], one["party"]) == ("delete_confirm", "open", WINDOW)
    assert one["due_at"].endswith("T15:59:59.999Z")
    confirm = ("duty", "confirm", one["duty_id"], "--evidence", "M-12", "-o", "json")
    done = asked(live, *confirm)
    assert (done.returncode, "ROLE_REQUIRED" in done.stderr) == (1, True)
    for _ in range(2):  # the same word again is no second one
        [confirmed] = told(asked(live, *confirm, "--roles", "data_officer"))
        assert (confirmed["state"], confirmed["evidence_ref"]) == ("confirmed", "M-12")
    done = asked(live, *confirm, "--roles", "data_officer", "--note", "otherwise")
    assert (done.returncode, "DUTY_CONFIRMED" in done.stderr) == (1, True)
    shown = asked(live, "duty", "show", one["duty_id"], who=AUDITOR)
    assert "CN-PIPL-19-1" in shown.stdout
    closed = told(asked(live, "duty", "list", "--state", "confirmed", "-o", "json", who=AUDITOR))
    assert one["duty_id"] in {duty["duty_id"] for duty in closed}


def test_a_running_nodes_store_verifies_and_its_sealing_key_rolls(live: Live) -> None:
    stores = (live.store("zhuhai"), live.store("macao"))
    report = told(process("log", "verify", *stores, "--register", live.register, "-o", "json"))
    assert report["ok"]
    assert report["exchanges"] > 0
    rolled = command("keys", "rotate-sealing", live.folder / "macao" / "keys")
    assert rolled.returncode == 0, rolled.stderr
    new = rolled.stdout.splitlines()[1].split()[1]
    end = time.monotonic() + 20
    while True:
        made = told(asked(live, *QUERY, "--scenario", "SC-CQ"))
        show = ("log", "show", LANE, "--exchange", made["exchange_id"], "-o", "json")
        (request, *_) = told(asked(live, *show, who=AUDITOR))
        if request["entry"]["key_id"] == new:
            break
        assert time.monotonic() < end, "the new key is not used"


def test_a_token_is_minted_bound_and_short(live: Live) -> None:
    where = live.folder / "certs/zhuhai/parties" / WINDOW
    done = command(
        "token", "mint", "--key", where / "token.key", "--cert", where / "tls.crt",
        "--party", WINDOW, "--node", "spiffe://zhuhai.xbg.test/node/zhuhai",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".") == 2


def test_nobody_there_ends_with_4(live: Live) -> None:
    done = process(
        "exchange", "list", "--profile", live.profile(WINDOW), "--address", "127.0.0.1:1"
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("xbgateway: error: UNAVAILABLE: ")


def test_check_config_tells_every_problem_and_the_origin_of_settings(
    live: Live, tmp_path: Path
) -> None:
    good = told(process("check-config", live.config("zhuhai"), "-o", "json"))
    assert good["ok"]
    origins = {one["key"]: one["origin"] for one in good["settings"]}
    assert (origins["node"], origins["lanes"]) == ("file", "default")
    folder = tmp_path / "copy"
    shutil.copytree(live.folder, folder, ignore=shutil.ignore_patterns("*.db*"))
    keys = folder / "zhuhai" / "keys"
    shutil.copyfile(keys / "cosign.key", keys / "log.key")
    shutil.copyfile(folder / "certs/macao/nodes/macao/tls.crt", folder / "other.crt")
    shutil.copyfile(folder / "certs/macao/nodes/macao/tls.key", folder / "other.key")
    (folder / "other.key").chmod(0o600)
    config = folder / "zhuhai.toml"
    text = config.read_text()
    for name in ("crt", "key"):
        text = text.replace(f"certs/zhuhai/nodes/zhuhai/tls.{name}", f"other.{name}")
    config.write_text(text)
    done = command("check-config", config, "-o", "json")
    assert done.returncode == 5
    problems = json.loads(done.stdout)["problems"]
    assert [one.partition(":")[0] for one in problems] == ["files.keys", "tls"]
    assert done.stderr.count("xbgateway: error: CONFIG_INVALID: ") == 2


def test_a_revoked_certificate_is_replaced_by_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    assert command("certs", "dev", folder, "--party", "macao=mo.fss").returncode == 0
    leaf = folder / "macao/parties/mo.fss/tls.crt"
    first, log_key = leaf.read_bytes(), (folder / "macao/nodes/macao/log.key").read_bytes()
    again = told(command("certs", "dev", folder, "--party", "macao=mo.fss", "-o", "json"))
    assert again["written"] == []
    assert command("certs", "revoke", folder, leaf).returncode == 0
    renewed = told(command("certs", "dev", folder, "--party", "macao=mo.fss", "-o", "json"))
    assert sorted(renewed["written"]) == [f"macao/parties/mo.fss/tls.{e}" for e in ("crt", "key")]
    assert leaf.read_bytes() != first
    assert (folder / "macao/nodes/macao/log.key").read_bytes() == log_key
