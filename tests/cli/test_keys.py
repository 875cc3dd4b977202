"""A node's keys on disk: rolled at any moment, and deleted only when somebody insists."""

from collections.abc import Callable

import pytest
from tests.cli.pair import Pair
from typer.testing import Result

from xbgateway.node_keys import NodeKeys

Run = Callable[..., Result]
COMMANDS = {"seal": "rotate-sealing", "log": "rotate-log", "cosign": "rotate-cosigning"}


@pytest.mark.parametrize("use", COMMANDS)
def test_an_old_key_is_deleted_only_when_asked_for(pair: Pair, run: Run, use: str) -> None:
    keys = pair.keys("zhuhai")
    first = (keys / f"{use}.key").read_bytes()
    assert run("keys", COMMANDS[use], keys).exit_code == 0
    (kept,) = keys.glob(f"{use}-*.key")
    assert kept.read_bytes() == first != (keys / f"{use}.key").read_bytes()
    assert kept.stat().st_mode & 0o777 == (keys / f"{use}.key").stat().st_mode & 0o777 == 0o600
    time = kept.stem.removeprefix(f"{use}-")
    retire = ("keys", "retire", keys, time, "--use", use)
    assert run(*retire, "--yes").exit_code == 1  # too early
    assert run(*retire, "--early", input="n\n").exit_code == 1
    assert kept.exists()
    assert run(*retire, "--early", "--yes").exit_code == 0
    assert not kept.exists()


@pytest.mark.parametrize("use", COMMANDS)
def test_a_rotation_that_died_half_way_is_finished(pair: Pair, run: Run, use: str) -> None:
    keys = pair.keys("zhuhai")
    (keys / f"{use}-20260101T000000Z.key").hardlink_to(keys / f"{use}.key")
    assert run("keys", COMMANDS[use], keys).exit_code == 0
    assert [path.name for path in keys.glob(f"{use}-*.key")] == [f"{use}-20260101T000000Z.key"]
    assert run("keys", "show", keys).exit_code == 0


@pytest.mark.parametrize("use", COMMANDS)
def test_twice_in_a_second_loses_no_key(pair: Pair, run: Run, use: str) -> None:
    keys = pair.keys("zhuhai")
    codes = [run("keys", COMMANDS[use], keys).exit_code for _ in range(3)]
    assert set(codes) <= {0, 5}
    assert len(list(keys.glob(f"{use}-*.key"))) == codes.count(0)


@pytest.mark.parametrize("use", ["log", "cosign"])
def test_a_compromised_key_is_kept_as_such_also_after_a_run_that_died(
    pair: Pair, run: Run, use: str
) -> None:
    keys = pair.keys("zhuhai")
    (keys / f"{use}-20260101T000000Z.key").hardlink_to(keys / f"{use}.key")
    assert run("keys", COMMANDS[use], keys, "--compromised").exit_code == 0
    (kept,) = keys.glob(f"{use}-*.key")
    assert kept.name == f"{use}-20260101T000000Z.compromised.key"
    told = NodeKeys.load(keys, "zhuhai.xbg.test", "zhuhai")
    assert len(told.compromised) == 1
    assert "20260101T000000Z" in run("keys", "show", keys).stdout
