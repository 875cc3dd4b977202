"""Register changes that go wrong: a peer that lies about them, and nodes that die in the middle."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.crashes import Crash, Side, either
from tests.faults.evil import now, once, two, until
from tests.flow.test_register_changes import agreed
from tests.harness.corridors import query
from tests.harness.registers import CONSENT, asked, open_incident, withdrawal
from tests.harness.simulator import World

from xbgateway.core import Core
from xbgateway.model.entry import Register
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Beside, MirrorGroup, Record
from xbgateway.register.changes import Change, made_change, record_of
from xbgateway.register.document import body_of


def own_change(core: Core) -> Change:
    """A change of the Macao side that is in order: an incident opens."""
    given = {"id": "INC-M", "severity": "major"}
    after = core.registrar._machines.advance(
        "incident", None, "open", given, core.registrar._clock.now().date()
    )
    return made_change(core.register, "macao", now(), "open", given, after)


async def forge(core: Core, raw: bytes, of: Change, **entry: str) -> None:
    """Into the evil node's control lane, whatever it is; its own register stays as it was."""
    said = {
        "at": of.at,
        "version": "0" * 64,
        "record": of.kind,
        "change": of.digest(),
        **entry,
    }
    lane = core.topology.control_out("zhuhai")
    append = Append(lane, Register(**said).encode(), beside=Beside(raw, b"", b""))
    await core.store.record(Record((append,)))


def of_zhuhais(core: Core) -> Change:
    """Withdraws a consent that the other side keeps."""
    record = core.register.record("consent", CONSENT)
    assert record is not None
    after = record_of("consent", body_of(record) | {"withdrawn_on": now()[:10]})
    return made_change(core.register, "macao", now(), "withdraw", {}, after)


def unlawful(core: Core) -> Change:
    return replace(own_change(core), event="close")


def other_result(core: Core) -> Change:
    change = own_change(core)
    return replace(change, after={**change.after, "severity": "ordinary"})


def in_anothers_name(core: Core) -> Change:
    return replace(of_zhuhais(core), node="zhuhai")


def of_tomorrow(core: Core) -> Change:
    return replace(own_change(core), at="2999-01-01T00:00:00.000Z")


FORGERIES: dict[str, tuple[Callable[[Core], Change], str]] = {
    "another's record": (of_zhuhais, "NOT_OWNER"),
    "in another's name": (in_anothers_name, "NOT_OWNER"),
    "illegal transition": (unlawful, "TRANSITION_ILLEGAL"),
    "not what the event makes": (other_result, "CHANGE_INVALID"),
    "of a time to come": (of_tomorrow, "CHANGE_INVALID"),
}


async def refused_as(w: World, reason: str, count: int = 1) -> None:
    """The peer's change is refused where operators look; register, lanes and exchanges go on."""
    core = w.nodes["zhuhai"].core

    def rows() -> list[str]:
        found = core.store.reader.changes(None, None, None, 99)
        return [row.refused for _, row in found if row.refused]

    await until(lambda: len(rows()) == count)
    assert rows()[0].startswith(reason), rows()
    assert not any(head.stopped for head in core.store.heads.values())
    assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
    await w.settle()
    w.agree()


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_change_is_refused_by_name(tmp_path: Path, name: str) -> None:
    make, reason = FORGERIES[name]
    async with two(tmp_path) as w:
        before = await agreed(w)
        evil = w.nodes["macao"].core
        change = make(evil)
        await forge(evil, change.encode(), change)
        await refused_as(w, reason)
        assert w.nodes["zhuhai"].core.register.version == before


async def test_bytes_that_are_not_those_of_the_entry(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        evil = w.nodes["macao"].core
        change = own_change(evil)
        await forge(evil, change.encode() + b" ", change)
        await refused_as(w, "PAYLOAD_ALTERED")
        await forge(evil, b"", change)
        await refused_as(w, "PAYLOAD_MISSING", 2)
        await forge(evil, change.encode(), change, record="party")
        await refused_as(w, "CHANGE_INVALID", 3)
        nothing = b"no change at all"
        digest = hashlib.sha256(nothing).hexdigest()
        await forge(evil, nothing, change, change=digest)
        await refused_as(w, "CHANGE_INVALID", 4)


async def test_a_change_said_twice_counts_once(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        evil = w.nodes["macao"].core
        await evil.registrar.apply(asked(evil, "incident", "INC-M", "open", severity="ordinary"))
        version = await agreed(w)
        [(_, row)] = evil.store.reader.changes(None, None, None, 9)
        change = Change.decode(row.change)
        await forge(evil, row.change, change)
        await refused_as(w, "ETAG_MISMATCH")
        assert w.nodes["zhuhai"].core.register.version == version


async def test_bytes_lost_on_the_way_are_asked_for_again(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        wire = w.wire("zhuhai", "macao", None)

        def lose(group: MirrorGroup) -> MirrorGroup:
            items = tuple(replace(item, declaration=b"") for item in group.items)
            return replace(group, items=items)

        once(wire, lose)
        core = w.nodes["zhuhai"].core
        await core.registrar.apply(withdrawal(core))
        await agreed(w)
        assert w.wanted == 1
        await w.settle()
        w.agree()


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_crash_at_every_transaction_of_a_change(tmp_path: Path, side: Side) -> None:
    """The officer asks again with the same request id: one change, one register, on both nodes."""
    async with two(tmp_path) as w:
        for node in ("zhuhai", "macao"):
            for number in (1, 2):
                core = w.nodes["zhuhai"].core
                dataset = core.register.scenario("SC-CQ").datasets[0]
                opened = replace(open_incident(core, dataset), id=f"INC-{node}-{number}")
                crash = Crash(number, side)
                crash.arm(w.nodes[node].core)
                running = asyncio.create_task(core.registrar.apply(opened))
                await either(running, crash)
                await asyncio.sleep(0.1)
                await w.crash(node)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await w.start(node)
                core = w.nodes["zhuhai"].core
                change = await core.registrar.apply(opened)
                assert change.id == opened.id
                version = await agreed(w)
                assert core.register.etags["incident", opened.id]
                for each in w.nodes.values():
                    rows = each.core.store.reader.changes("incident", opened.id, None, 9)
                    assert [row.refused for _, row in rows] == [None]
                await w.settle()
                w.agree()
        for node in ("zhuhai", "macao"):
            await w.crash(node)
            await w.start(node)
            assert w.nodes[node].core.register.version == version, "a restart has the same"
