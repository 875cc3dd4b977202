"""``xbgateway store migrate``: a stopped node's store into PostgreSQL and back."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.pair import Pair
from tests.harness.postgres import Server
from typer.testing import Result

Run = Callable[..., Result]


def test_a_store_that_was_there_and_back_verifies(
    tmp_path: Path, run: Run, pair: Pair, postgres: Server
) -> None:
    url, back = postgres.fresh(), tmp_path / "back.db"
    done = run("store", "migrate", str(pair.store("zhuhai")), url, "--output", "json")
    assert done.exit_code == 0, done.stderr
    there = {row["table"]: row["rows"] for row in json.loads(done.stdout)}
    assert there["entries"] > 0
    assert run("store", "migrate", url, str(back)).exit_code == 0
    verified = run("log", "verify", str(back), "--register", str(pair.register))
    assert verified.exit_code == 0, verified.stdout
    again = run("store", "migrate", str(pair.store("zhuhai")), url)
    assert again.exit_code != 0
    assert "a store already" in again.stderr
