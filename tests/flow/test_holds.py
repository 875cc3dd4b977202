"""What a rule holds waits for an officer: at home, over there, or where it arrives.

What makes a rule hold is in ``tests/harness/holds.py``.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.harness.corridors import fund, proof_of_life
from tests.harness.holds import (
    PLACES,
    Alter,
    Moving,
    Place,
    ask,
    both,
    decide,
    held_world,
    nobody_applied,
    sweep,
)
from tests.harness.simulator import world

from xbgateway.exchange import Officer
from xbgateway.model import limits
from xbgateway.model.clock import LOCAL, parse_instant
from xbgateway.model.entry import Approval, Hold, Refused_, Request, leaf_hex
from xbgateway.model.errors import Refused
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Record
from xbgateway.seal import open_at_rest

by_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


async def test_an_institution_answers_for_what_is_its_own(tmp_path: Path) -> None:
    """The sender's officer cannot release what the provider answers with."""
    place = Place({"zhuhai": nobody_applied, "macao": nobody_applied}, "zhuhai", "cdo", "/home")
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w)
        assert held.hold is not None
        assert held.hold.role == "cdo"
        await decide(w, place, held.exchange)
        again = await w.submit("zhuhai", asked)
        await w.settle()
        assert again.outcome is Outcome.HELD
        assert not w.nodes["macao"].service.asked
        provider = Officer("mo.fss", "officer-2", frozenset({"cdo"}))
        await decide(w, replace(place, node="macao"), held.exchange, officer=provider)
        finished = await w.submit("zhuhai", asked)
        assert finished.outcome is Outcome.EXECUTED, finished


@by_place
async def test_an_approved_transfer_goes_on(tmp_path: Path, place: Place) -> None:
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        assert held.outcome is Outcome.HELD, held
        assert held.reason == "POLICY_HOLD"
        assert held.hold is not None
        assert held.hold.role == place.role
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.HELD  # the same again
        desk = w.nodes[place.node].core.gateway.desk
        [view] = await desk.listed(place.officer, False, None, 10)
        assert (view.row.exchange, view.open) == (held.exchange, True)
        assert view.findings
        assert view.sender == asked.party
        assert not w.nodes["macao"].service.asked
        await decide(w, place, held.exchange)
        finished = await w.submit("zhuhai", asked)
        assert finished.outcome is Outcome.EXECUTED, finished
        assert finished.exchange == held.exchange
        await w.settle()
        assert w.agree().outcomes[held.exchange].outcome is Outcome.EXECUTED
        [yes] = w.nodes["zhuhai"].core.gateway.holds.state(held.exchange).approvals
        assert isinstance(yes.entry, Approval)
        [kept] = await desk.listed(place.officer, True, None, 10)
        assert kept.decision is not None
        assert (kept.decision.officer, kept.decision.note) == (place.officer.id, "a reason")
        assert not await desk.listed(place.officer, False, None, 10)
        for node in w.nodes.values():  # who decided stands in no log
            for origin in node.core.store.heads:
                entries = node.core.store.reader.entries(origin, 0, 10**6)
                assert not any(b"officer-1" in entry for entry in entries)


@by_place
async def test_a_rejected_transfer_ends(tmp_path: Path, place: Place) -> None:
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        await decide(w, place, held.exchange, yes=False)
        finished = await w.submit("zhuhai", asked)
        end = Outcome.NOT_EXECUTED if place is PLACES["where it arrives"] else Outcome.REFUSED
        await w.settle()
        finished = await w.submit("zhuhai", asked)
        assert (finished.outcome, finished.reason) == (end, "HOLD_REJECTED")
        assert not w.nodes["macao"].service.asked
        assert w.agree().outcomes[held.exchange].outcome is end
        with pytest.raises(Refused, match="not open any more"):
            await decide(w, place, held.exchange)


@by_place
async def test_nobody_answers_for_eight_working_days(tmp_path: Path, place: Place) -> None:
    clock = Moving()
    async with held_world(tmp_path, place, clock=clock) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        assert held.hold is not None
        deadline = parse_instant(held.hold.deadline)
        assert f"{deadline.astimezone(LOCAL):%H:%M:%S}" == "23:59:59"
        assert timedelta(days=8) <= deadline - clock.now() <= timedelta(days=25)
        clock.ahead = deadline - clock.now() - timedelta(minutes=1)
        sweep(w)
        await w.settle()
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.HELD
        clock.ahead += timedelta(minutes=2)
        with pytest.raises(Refused) as refused:
            await decide(w, place, held.exchange)
        assert refused.value.reason == "HOLD_EXPIRED"
        sweep(w)
        await w.settle()
        finished = await w.submit("zhuhai", asked)
        if place is PLACES["where it arrives"]:
            assert (finished.outcome, finished.reason) == (Outcome.EXPIRED, "EXCHANGE_EXPIRED")
        else:
            assert (finished.outcome, finished.reason) == (Outcome.REFUSED, "HOLD_EXPIRED")
        w.agree()
        assert not w.nodes["macao"].service.asked


@by_place
async def test_holds_and_answers_survive_a_crash_of_both_nodes(
    tmp_path: Path, place: Place
) -> None:
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        for name in w.nodes:
            await w.crash(name)
        for name in w.nodes:
            await w.start(name)
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.HELD
        await decide(w, place, held.exchange)
        for name in w.nodes:  # whatever the answer started ends here
            await w.crash(name)
        for name in w.nodes:
            await w.start(name)
        finished = await w.submit("zhuhai", asked)
        assert finished.outcome is Outcome.EXECUTED, finished
        await w.settle()
        w.agree()


async def test_two_offices_decide_one_after_the_other(tmp_path: Path) -> None:
    registers: dict[str, Alter] = {"zhuhai": both, "macao": both}
    async with world(tmp_path, {"macao": fund}, registers=registers) as w:
        asked, held = await ask(w, alive_on="2020-01-01")
        first, second = PLACES["at home"], PLACES["over there"]
        assert held.hold is not None
        assert held.hold.role == "cdo"
        # Our own side comes first: the other does not hear of it before.
        assert not w.nodes["macao"].core.store.reader.placed(held.exchange)
        await decide(w, first, held.exchange)
        await w.settle()
        again = await w.submit("zhuhai", asked)
        assert again.hold is not None
        assert again.hold.role == "mo_data_controller"
        assert not w.nodes["macao"].service.asked
        await decide(w, second, held.exchange)
        finished = await w.submit("zhuhai", asked)
        assert finished.outcome is Outcome.EXECUTED, finished
        await w.settle()
        w.agree()
        state = w.nodes["zhuhai"].core.gateway.holds.state(held.exchange)
        roles = [p.entry.role for p in state.approvals if isinstance(p.entry, Approval)]
        assert roles == ["cdo", "mo_data_controller"]


@by_place
async def test_law_is_asked_again_on_the_facts_of_the_approval(
    tmp_path: Path, place: Place
) -> None:
    """What was over meanwhile is denied, though an officer said yes."""
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)

        def over(document: dict[str, Any]) -> None:
            place.registers[place.node](document)
            for scenario in document["scenarios"]:
                scenario["request"]["state_assessment"] = "SA-ZH-02"

        decides = "macao" if place is PLACES["where it arrives"] else "zhuhai"
        await w.crash(decides)
        w.registers[decides] = w._register(over)
        await w.start(decides)
        await decide(w, place, held.exchange)
        finished = await w.submit("zhuhai", asked)
        assert finished.reason == "POLICY_DENIED", finished
        assert "CN-PIPL-36-1" in [f.rule for f in finished.findings]
        await w.settle()
        end = Outcome.NOT_EXECUTED if decides == "macao" else Outcome.REFUSED
        assert w.agree().outcomes[held.exchange].outcome is end
        assert not w.nodes["macao"].service.asked


async def test_a_decision_names_who_and_when_it_came(tmp_path: Path) -> None:
    place, clock = PLACES["at home"], Moving()
    async with held_world(tmp_path, place, clock=clock) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        clock.ahead = timedelta(days=2)  # long past the five minutes of freshness
        await decide(w, place, held.exchange)
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.EXECUTED
        core = w.nodes["zhuhai"].core
        state = core.gateway.holds.state(held.exchange)
        assert state.request is not None
        assert isinstance(state.request.entry, Request)
        verdict = state.request.entry.verdict
        key = core.gateway.holds.key(held.exchange)
        kept = core.store.reader.facts(held.exchange, verdict.facts)
        assert key is not None
        assert kept is not None
        raw = open_at_rest(key, b"facts", kept)
        assert b'"cdo=cn.zhuhai.hrss/officer-1"' in raw
        assert b'"approvals":["cdo"]' in raw
        assert b'"admitted_at":"' in raw
        assert core.store.reader.part(held.exchange, "submission") is None
        await w.settle()
        w.agree()


async def test_who_may_not_answer(tmp_path: Path) -> None:
    place = PLACES["at home"]
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        me = Officer(asked.party, asked.subject, frozenset({place.role}))
        others = {
            "SELF_APPROVAL": me,
            "ROLE_REQUIRED": replace(me, subject="other", roles=frozenset({"compliance"})),
        }
        for reason, officer in others.items():
            with pytest.raises(Refused) as refused:
                await decide(w, place, held.exchange, officer=officer)
            assert refused.value.reason == reason
        with pytest.raises(Refused) as refused:
            await decide(w, place, "01890000-0000-7000-8000-000000000000")
        assert refused.value.reason == "EXCHANGE_UNKNOWN"
        nobody = replace(me, roles=frozenset())
        with pytest.raises(Refused) as refused:
            await decide(w, place, held.exchange, officer=nobody)
        assert refused.value.reason == "ROLE_REQUIRED"
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.HELD
        await decide(w, place, held.exchange)
        with pytest.raises(Refused) as refused:
            await decide(w, place, held.exchange, yes=False)
        assert refused.value.reason == "HOLD_ANSWERED"


async def test_its_caller_withdraws_a_hold(tmp_path: Path) -> None:
    for name, place in list(PLACES.items())[:2]:
        async with held_world(tmp_path / name, place) as w:
            asked, held = await ask(w, alive_on=place.alive_on)
            await w.nodes["zhuhai"].core.gateway.cancel(asked.party, held.exchange)
            await w.settle()
            finished = await w.submit("zhuhai", asked)
            assert (finished.outcome, finished.reason) == (Outcome.REFUSED, "HOLD_WITHDRAWN")
            with pytest.raises(Refused) as refused:
                await decide(w, place, held.exchange)
            assert refused.value.reason == "HOLD_ANSWERED"
            w.agree()


async def test_a_peer_forges_approvals(tmp_path: Path) -> None:
    """It writes what it likes into its own lane: nothing of it moves a hold of ours."""
    for name, place in list(PLACES.items())[:2]:
        async with held_world(tmp_path / name, place) as w:
            asked, held = await ask(w, alive_on=place.alive_on)
            mine = w.nodes["zhuhai"].core
            [hold] = mine.store.reader.placed(held.exchange)
            assert isinstance(hold.entry, Hold)
            assert hold.position.origin.endswith(place.log)
            evil = w.nodes["macao"].core
            lane = evil.topology.data_out("zhuhai", 0)
            forged = [(leaf_hex(b"another"), place.role), (hold.leaf, "compliance")]
            if place.log == "/home":
                forged.append((hold.leaf, place.role))
            for leaf, role in forged:
                entry = Approval(hold.entry.at, held.exchange, leaf, "yes", role)
                append = Append(lane, entry.encode(), held.exchange)
                await evil.store.record(Record((append,)))
            await w.settle()
            assert (await w.submit("zhuhai", asked)).outcome is Outcome.HELD
            assert not w.nodes["macao"].service.asked
            state = mine.gateway.holds.state(held.exchange)
            assert len(state.anomalies) == len(forged)
            await decide(w, place, held.exchange)
            assert (await w.submit("zhuhai", asked)).outcome is Outcome.EXECUTED
            await w.settle()
            w.agree(strange={held.exchange})


async def test_a_hold_for_a_role_that_is_not_ours_is_answered_no(tmp_path: Path) -> None:
    """A peer asks what nobody here decides: it need not wait eight days to hear so."""
    place = PLACES["at home"]
    async with held_world(tmp_path, place) as w:
        asked, held = await ask(w, alive_on=place.alive_on)
        mine = w.nodes["zhuhai"].core
        [hold] = mine.store.reader.placed(held.exchange)
        assert isinstance(hold.entry, Hold)
        entry = replace(hold.entry, exchange=held.exchange[:-12] + "0123456789" + "00")
        lane = mine.topology.data_out("macao", 0)
        await mine.store.record(Record((Append(lane, entry.encode(), entry.exchange),)))
        await w.settle()
        said = [p.entry for p in mine.store.reader.placed(entry.exchange)]
        assert [e.approved for e in said if isinstance(e, Approval)] == ["no"]
        assert not any(isinstance(e, Refused_) for e in said)
        assert asked.party


@pytest.mark.parametrize("name", ["over there", "where it arrives"])
async def test_a_peer_fills_no_more_than_its_part_of_the_desk(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HOLDS_OF_PEER_OPEN_MAX", 2)
    place = PLACES[name]
    async with held_world(tmp_path, place) as w:
        asked = [proof_of_life(alive_on=place.alive_on) for _ in range(5)]
        await asyncio.gather(*(w.submit("zhuhai", one) for one in asked))
        await w.settle()
        ends = [await w.submit("zhuhai", one) for one in asked]
        over = [end for end in ends if end.outcome is not Outcome.HELD]
        reason = "DESK_FULL" if name == "where it arrives" else "HOLD_REJECTED"
        assert [end.reason for end in over] == [reason] * 3
        desk = w.nodes["macao"].core.gateway.desk
        waits = await desk.listed(place.officer, False, None, 10)
        assert len(waits) == 2
        # One that is decided makes room for another.
        await decide(w, place, waits[0].row.exchange)
        await w.settle()
        more, finished = await ask(w, alive_on=place.alive_on)
        assert (await w.submit("zhuhai", more)).outcome is Outcome.HELD, finished
        w.agree()
