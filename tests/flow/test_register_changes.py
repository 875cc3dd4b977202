"""Officers change registers while nodes run: what one side decides on, the other learns of."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.harness.corridors import fund, query
from tests.harness.registers import CONSENT, open_incident, withdrawal
from tests.harness.simulator import World, world

from xbgateway.core import Core
from xbgateway.model.entry import Register, decode
from xbgateway.model.errors import GatewayError, Reason
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import KeepChange, Record


async def agreed(w: World, timeout_s: float = 5.0) -> str:
    """The register version of every node, once it is one and the same."""
    async with asyncio.timeout(timeout_s):
        while len(found := {n.core.register.version for n in w.nodes.values()}) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return found.pop()


def registered(core: Core, origin: str) -> list[Register]:
    entries = core.store.reader.entries(origin, 0, core.store.size(origin))
    return [e for e in map(decode, entries) if isinstance(e, Register)]


async def test_a_withdrawal_reaches_the_peer_and_the_logs_name_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        before = await agreed(w)
        here, there = w.nodes["zhuhai"].core, w.nodes["macao"].core
        change = await here.registrar.apply(withdrawal(here))
        after = await agreed(w)
        assert after not in (before, "")
        for core in (here, there):
            record = core.register.record("consent", CONSENT)
            assert record == change.record
            said = registered(core, core.topology.home)[-1]
            assert (said.version, said.previous, said.record) == (after, before, "consent")
            assert said.change == change.digest()
        [mirrored] = [e for e in registered(there, there.topology.control_in("zhuhai")) if e.change]
        assert CONSENT not in mirrored.encode().decode()
        assert "officer-1" not in change.encode().decode()
        await w.settle()
        w.agree()


@pytest.mark.parametrize("who", ["zhuhai", "macao"])
async def test_under_load_nothing_is_recorded_that_was_decided_on_the_older_version(
    tmp_path: Path, who: str
) -> None:
    """An incident opens on one side: both refuse from then on, the other within a bounded time."""
    async with world(tmp_path, {"macao": fund}) as w:
        old = await agreed(w)
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        written = {name: record_order(node.core) for name, node in w.nodes.items()}
        load = [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(60)]
        while sum(len(each) for each in written.values()) < 20:  # noqa: ASYNC110 - tests only
            await asyncio.sleep(0.002)
        core = w.nodes[who].core
        dataset = core.register.scenario("SC-CQ").datasets[0]
        await core.registrar.apply(open_incident(core, dataset))
        load += [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(20)]
        new = await agreed(w)
        late = await w.submit("zhuhai", query())
        assert late.outcome is Outcome.REFUSED
        told = await asyncio.gather(*load)
        assert {t.outcome for t in told} <= {
            Outcome.EXECUTED,
            Outcome.REFUSED,
            Outcome.NOT_EXECUTED,
            Outcome.EXECUTED_ANSWER_WITHHELD,
        }
        await w.settle()
        w.agree()
        for order in written.values():
            changed_at = order.index("changed")
            assert set(order[:changed_at]) <= {old, None}
            assert set(order[changed_at + 1 :]) <= {new, None}


def record_order(core: Core) -> list[str | None]:
    """The register version of each record, in the order in which they became durable."""
    store: Any = core.store
    record, order = core.store.record, list[str | None]()

    async def recording(wanted: Record) -> Any:
        done = await record(wanted)
        changes = any(isinstance(effect, KeepChange) for effect in wanted.effects)
        order.append("changed" if changes else wanted.register_version)
        return done

    store.record = recording
    return order


@pytest.mark.parametrize("same_record", [True, False])
async def test_of_64_changes_with_one_etag_exactly_one_wins(
    tmp_path: Path, same_record: bool
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        core = w.nodes["zhuhai"].core
        one = withdrawal(core)
        if same_record:
            many = [replace(one, request_id=str(uuid4())) for _ in range(64)]
        else:
            many = [one] * 64
        told = await asyncio.gather(
            *(core.registrar.apply(each) for each in many), return_exceptions=True
        )
        won = [t for t in told if not isinstance(t, BaseException)]
        lost = {t.reason for t in told if isinstance(t, GatewayError)}
        if same_record:
            assert len(won) == 1
            assert lost == {Reason.ETAG_MISMATCH}
        else:
            assert len({c.digest() for c in won}) == 1
            assert not lost
        await agreed(w)
        assert len(core.store.reader.changes(None, None, None, 99)) == 1
