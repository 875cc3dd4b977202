"""Another revision at a start is told: in the logs of both sides and to both sides' operators."""

from pathlib import Path

from structlog.testing import capture_logs
from tests.harness.corridors import fund
from tests.harness.simulator import revision, world

from xbgateway.core import Core
from xbgateway.model.entry import Activation, decode

OTHER = {"pi_contract_from": 90_000}


def activations(core: Core, origin: str) -> list[tuple[str, str | None]]:
    entries = core.store.reader.entries(origin, 0, core.store.size(origin))
    return [(e.revision, e.previous) for e in map(decode, entries) if isinstance(e, Activation)]


async def test_another_revision_and_the_way_back_are_told_on_both_sides(tmp_path: Path) -> None:
    first, second = revision().id, revision(**OTHER).id
    assert first != second
    async with world(tmp_path, {"macao": fund}) as w:
        told = []
        for limits in (OTHER, OTHER, {}):
            await w.crash("zhuhai")
            w.limits = {"zhuhai": limits}
            with capture_logs() as logs:
                here = await w.start("zhuhai")
                await w.settle()
            told.append([(one["event"], one["previous"]) for one in logs if "previous" in one])
        assert sorted(told[0]) == [("peer_policy_changed", first), ("policy_replaced", first)]
        assert told[1] == [], "the same one again is no change"
        assert sorted(told[2]) == [("peer_policy_changed", second), ("policy_rolled_back", second)]
        there = w.nodes["macao"].core
        said = [(first, None), (second, first), (first, second)]
        assert activations(here, here.topology.home) == said
        assert activations(there, there.topology.control_in("zhuhai")) == said
