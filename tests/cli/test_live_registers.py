"""Officers change registers from the command line, on two real nodes."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cli.live import Live, command, prepared, serving

from xbgateway.cli.connection import Connection
from xbgateway.client import Gateway

CONSENT = ("consent", "CNS-2026-0000000001")
OFFICE, FUND, AUDITOR = "cn.zhuhai.hrss", "mo.fss", "mo.dspdp"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    made = prepared(tmp_path_factory.mktemp("registers"))
    with serving(made):
        yield made


def asked(
    live: Live, *words: object, who: str = OFFICE, roles: str = ""
) -> subprocess.CompletedProcess[str]:
    offices = ("--roles", roles) if roles else ()
    return command("register", *words, "--profile", live.profile(who), *offices, "-o", "json")


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_consent_is_withdrawn_on_one_side_and_gone_on_both(live: Live) -> None:
    before = told(asked(live, "show", *CONSENT, roles="case_officer"))
    assert (before["state"], before["owner"], before["since"]) == ("given", "zhuhai", "")
    withdraw = ("apply", *CONSENT, "withdraw", "--etag", before["etag"])
    would = told(asked(live, *withdraw, "--dry-run", roles="case_officer"))
    assert would["state"] == "withdrawn"
    assert told(asked(live, "show", *CONSENT, roles="case_officer")) == before

    done = told(asked(live, *withdraw, "--yes", roles="case_officer"))
    assert done["state"] == "withdrawn"
    end = time.monotonic() + 10
    while (there := told(asked(live, "show", *CONSENT, who=FUND)))["state"] != "withdrawn":
        assert time.monotonic() < end, "the change did not reach the other side"
        time.sleep(0.05)
    assert there["etag"] == done["etag"]

    [own] = told(asked(live, "history", *CONSENT, roles="cdo"))
    [mirrored] = told(asked(live, "history", *CONSENT, who=FUND, roles="fss_data_officer"))
    assert own["event"] == mirrored["event"] == "withdraw"
    assert own["officer"]
    assert not mirrored["officer"], "who it was stays on the officer's side"
    assert own["version"] == mirrored["version"]

    just_before = own["at"][:10] + "T00:00:00Z"
    unknown = asked(live, "show", *CONSENT, "--as-of", just_before, roles="cdo")
    assert "RECORD_UNKNOWN" in unknown.stderr, "the node did not run yet"
    assert told(asked(live, "show", *CONSENT, "--as-of", own["at"], roles="cdo"))["state"] == (
        "withdrawn"
    )


@pytest.mark.parametrize(
    ("words", "who", "roles", "reason"),
    [
        (("apply", *CONSENT, "withdraw", "--etag", "0" * 64), OFFICE, "cdo", "ROLE_REQUIRED"),
        (("apply", *CONSENT, "withdraw", "--etag", "0" * 64), OFFICE, "", "ROLE_REQUIRED"),
        (
            ("apply", *CONSENT, "narrow", "--etag", "0" * 64),
            *(OFFICE, "case_officer", "ETAG_MISMATCH"),
        ),
        (
            ("apply", "notice", "N-7", "withdraw"),
            *(FUND, "mo_data_controller", "NOT_OWNER"),
        ),
        (("apply", "notice", "N-7", "vanish"), OFFICE, "cdo", "TRANSITION_ILLEGAL"),
        (
            ("apply", "consent", "C-2", "give", "--set", "purposes=CONTRIB_QUERY"),
            *(OFFICE, "case_officer", "ARGUMENT_INVALID"),
        ),
        (("show", "consent", "C-NONE"), OFFICE, "cdo", "RECORD_UNKNOWN"),
        (("show", "notice", "N-7"), FUND, "", "RECORD_UNKNOWN"),
        (("list", "wish"), OFFICE, "cdo", "ARGUMENT_INVALID"),
        (("history",), FUND, "", "ROLE_REQUIRED"),
        (("due",), FUND, "", "ROLE_REQUIRED"),
    ],
)
def test_each_refusal_has_its_reason(
    live: Live, words: tuple[str, ...], who: str, roles: str, reason: str
) -> None:
    yes = ("--yes",) if words[0] == "apply" else ()
    done = asked(live, *words, *yes, who=who, roles=roles)
    assert done.returncode == 1, done.stdout
    assert f"error: {reason}" in done.stderr


def test_lists_events_and_what_is_due(live: Live) -> None:
    found = told(asked(live, "list", "party", roles="cdo"))
    assert [one["id"] for one in found] == sorted(one["id"] for one in found)
    assert {one["owner"] for one in found} == {"zhuhai", "macao"}
    own = told(asked(live, "list", "party", who=FUND))
    assert [one["id"] for one in own] == [FUND], "a party sees what names it"
    due = told(asked(live, "due", who=AUDITOR))
    days = [one["due_on"] for one in due]
    assert days == sorted(days)
    assert len(days) > 1

    async def by_ones(gateway: Gateway) -> list[str]:
        return [one.what async for one in gateway.registers.due(page_size=1)]

    connection = Connection.of({"profile": str(live.profile(AUDITOR))})
    assert connection.run(by_ones) == [one["what"] for one in due], "a page ends where one begins"
    events = told(command("register", "events", "consent", "-o", "json"))
    assert {one["event"] for one in events} >= {"give", "withdraw"}
