"""A provider that pulls, and the officers of what it leaves lying: at the command line."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from tests.cli.live import Live, command, prepared, process, serving
from tests.harness.simulator import today

FUND, OFFICE = "mo.fss", "cn.zhuhai.hrss"
METHOD = "xbgateway.api.socialsecurity.v1.ProofOfLifeService/SubmitAttestation"
OFFICER = ("--roles", "fss_data_officer", "--system", "officer-3", "-o", "json")
RECEIPT = '{"receipt_no": "FSS-2026-000001", "received_on": "2026-03-02"}'


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    made = prepared(tmp_path_factory.mktemp("inbox"))
    with serving(made):
        yield made


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_fund(live: Live, *words: object) -> subprocess.CompletedProcess[str]:
    return command(*words, "--profile", live.profile(FUND))


def _handing_in() -> tuple[str, ...]:
    """The words of a proof of life that the office hands in."""
    day = today()
    proof = {
        "pid_token": "pt_" + "a" * 26, "bir_no": "9000001(6)", "year": day.year,
        "alive_on": day.isoformat(), "method": 1, "result": 1,
    }  # fmt: skip
    return (
        *(METHOD, "--data", json.dumps({"attestation": proof}), "-o", "json"),
        *("--purpose", "PROOF_OF_LIFE", "--scenario", "SC-POL", "--request-id", str(uuid4())),
    )


def handing_in(live: Live, pool: ThreadPoolExecutor) -> Future[subprocess.CompletedProcess[str]]:
    """The office hands it in and waits, asking again while it is told to."""
    words = ("call", *_handing_in())

    def ask() -> subprocess.CompletedProcess[str]:
        end = time.monotonic() + 40
        while True:
            done = process(*words, "--profile", live.profile(OFFICE))
            if done.returncode != 4 or time.monotonic() > end:
                return done
            time.sleep(0.2)

    return pool.submit(ask)


def pulled(live: Live) -> dict[str, Any]:
    [one] = told(as_fund(live, "inbox", "pull", "--wait", "20", "-o", "json"))
    return dict(one)


def test_pulled_and_answered_then_left_lying_and_requeued(live: Live) -> None:
    answer = ("--method", METHOD, "--data", RECEIPT)
    with ThreadPoolExecutor(1) as pool:
        waiting = handing_in(live, pool)
        one = pulled(live)
        assert one["sender"] == OFFICE
        assert one["request"]["attestation"]["bir_no"] == "9000001(6)"
        ack = ("inbox", "ack", one["exchange_id"], one["lease"])
        assert told(as_fund(live, *ack, *answer, "-o", "json"))["acknowledged"]
        assert told(waiting.result())["answer"]["receipt_no"] == "FSS-2026-000001"
        assert as_fund(live, *ack, *answer).returncode == 0
        other = as_fund(live, *ack, "--error", "5", "--message", "no such person")
        assert "ANSWERED_OTHERWISE" in other.stderr

        waiting = handing_in(live, pool)
        left = pulled(live)["exchange_id"]
        end = time.monotonic() + 15
        while not (listed := told(as_fund(live, "dead-letter", "list", *OFFICER))):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert [(one["exchange_id"], one["reason"]) for one in listed] == [
            (left, "ATTEMPTS_EXHAUSTED")
        ]
        assert "ROLE_REQUIRED" in as_fund(live, "dead-letter", "list").stderr
        told(as_fund(live, "dead-letter", "requeue", left, *OFFICER))
        again = pulled(live)
        assert again["exchange_id"] == left
        told(as_fund(live, "inbox", "ack", left, again["lease"], *answer, "-o", "json"))
        assert told(waiting.result())["exchange_id"] == left


def test_what_nobody_has_pulled_is_taken_back(live: Live) -> None:
    """By its sender at the command line, once it waits over there; then the inbox is empty."""
    words = (*_handing_in(), "--profile", live.profile(OFFICE))
    exchange = told(command("submit", *words))["exchange_id"]
    asked = ("exchange", "cancel", exchange, "--wait", "--profile", live.profile(OFFICE))
    ended = told(command(*asked, "-o", "json"))
    assert (ended["outcome"], ended["reason"]) == ("not_executed", "EXCHANGE_CANCELLED")
    assert any(rung.startswith("cancel_asked") for rung in ended["rungs"])
    assert told(as_fund(live, "inbox", "pull", "--wait", "0", "-o", "json")) == []
    assert told(command(*asked, "-o", "json")) == ended
    theirs = as_fund(live, "exchange", "cancel", exchange)
    assert "EXCHANGE_UNKNOWN" in theirs.stderr
