"""Stores with held exchanges, read offline: every decision is derived again, every log is sound."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from tests.cli.pair import Pair, write_keys
from tests.harness.holds import PLACES, Moving, ask, decide, held_world, sweep
from typer.testing import Result

from xbgateway.model.clock import parse_instant
from xbgateway.model.entry import Approval
from xbgateway.model.record import Append, Record

Run = Callable[..., Result]


async def _stores(folder: Path, *, forged: bool = False) -> tuple[Pair, dict[str, str]]:
    """Three exchanges held at home: approved, rejected and expired."""
    place, clock = PLACES["at home"], Moving()
    async with held_world(folder, place, clock=clock) as w:
        ends = {}
        for end, yes in (("approved", True), ("rejected", False)):
            asked, held = await ask(w)
            await decide(w, place, held.exchange, yes=yes)
            await w.submit("zhuhai", asked)
            ends[end] = held.exchange
        _, late = await ask(w)
        assert late.hold is not None
        clock.ahead = 1.01 * (parse_instant(late.hold.deadline) - clock.now())
        sweep(w)
        await w.settle()
        ends["expired"] = late.exchange
        w.agree()
        if forged:
            evil, exchange = w.nodes["macao"].core, ends["rejected"]
            [hold, *_] = w.nodes["zhuhai"].core.store.reader.placed(exchange)
            entry = Approval(late.hold.deadline, exchange, hold.leaf, "yes", place.role)
            lane = evil.topology.data_out("zhuhai", 0)
            await evil.store.record(Record((Append(lane, entry.encode(), exchange),)))
            await w.settle()
        write_keys(w)
        plain = w.nodes["zhuhai"].core.register.document.model_dump(mode="json", by_alias=True)
    (folder / "register.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True))
    return Pair(folder, ends["approved"]), ends


async def test_held_exchanges_are_verified_and_decided_again(tmp_path: Path, run: Run) -> None:
    pair, ends = await _stores(tmp_path)
    stores = [pair.store("zhuhai"), pair.store("macao")]
    result = run("log", "verify", *stores, "--register", pair.register, "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (0, True), result.output
    for end, exchange in ends.items():
        told = run(
            "decision", "recompute", stores[0], "--keys", pair.keys("zhuhai"),
            "--exchange", exchange, "-o", "json",
        )  # fmt: skip
        assert told.exit_code == 0, told.output
        found = [(one["kind"], one["state"], one["verdict"]) for one in json.loads(told.stdout)]
        assert found[0] == ("hold", "same", "hold"), end
        assert (("request", "same", "allow") in found) is (end == "approved"), end


async def test_a_forged_approval_is_reported(tmp_path: Path, run: Run) -> None:
    """The peer signs a yes to what our own officer rejected."""
    pair, ends = await _stores(tmp_path, forged=True)
    store = pair.store("zhuhai")
    result = run("log", "verify", store, "--register", pair.register, "-o", "json")
    assert result.exit_code == 3
    found = [one for log in json.loads(result.stdout)["logs"] for one in log["findings"]]
    assert [one["path"] for one in found] == ["outcome"]
    assert ends["rejected"] in result.stdout
