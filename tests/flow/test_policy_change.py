"""Officers put another revision into use while nodes run: two of them, at once, and told."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from tests.harness.corridors import fund, query
from tests.harness.simulator import revision, world

from xbgateway.core import Core
from xbgateway.exchange import Officer, ProposalView
from xbgateway.model import limits
from xbgateway.model.entry import Activation, Request, decode
from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.policy.rehearsal import Rehearsed

OTHER = {"pi_contract_from": 90_000}
FIRST, SECOND = revision().id, revision(**OTHER).id
COMPLIANCE = frozenset({"compliance"})
ONE = Officer("cn.zhuhai.data", "officer-1", COMPLIANCE)
TWO = Officer("cn.zhuhai.data", "officer-2", COMPLIANCE)
CLERK = Officer("cn.hengqin.window", "clerk", frozenset({"case_officer"}))


def passed(core: Core) -> None:
    """What is checked and how is for tests/cli; here every folder passes at once."""
    core.revisions._rehearse = lambda _files: Rehearsed(("all",), ())


async def propose(core: Core, /, *who: Officer, **thresholds: int) -> ProposalView:
    files = revision(**thresholds).files
    return await core.revisions.propose((*who, ONE)[0], str(uuid4()), files, "because")


async def change(core: Core, **thresholds: int) -> None:
    view = await propose(core, **thresholds)
    await core.revisions.approve(TWO, view.proposal.id, "read it")


def activations(core: Core, origin: str) -> list[tuple[str, str | None]]:
    entries = core.store.reader.entries(origin, 0, core.store.size(origin))
    return [(e.revision, e.previous) for e in map(decode, entries) if isinstance(e, Activation)]


def decided_by(core: Core) -> list[str]:
    [lane] = [o for o in core.topology.own() if "/lane/" in o]
    entries = core.store.reader.entries(lane, 0, core.store.size(lane))
    return [e.verdict.revision for e in map(decode, entries) if isinstance(e, Request)]


async def refused(work: Any) -> Reason:
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.reason


async def test_a_second_officer_puts_it_into_use_and_both_sides_are_told(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here, there = w.nodes["zhuhai"].core, w.nodes["macao"].core
        passed(here)
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        view = await propose(here, **OTHER)
        assert view.changes == ("~ tables/thresholds.yaml",)
        assert (view.proposal.revision, view.proposal.previous) == (SECOND, FIRST)
        name = view.proposal.id
        assert await refused(here.revisions.approve(ONE, name, "")) is Reason.SELF_APPROVAL
        assert await refused(here.revisions.approve(CLERK, name, "")) is Reason.ROLE_REQUIRED
        assert here.revision.id == FIRST
        with capture_logs() as logs:
            done = await here.revisions.approve(TWO, name, "read it")
            await w.settle()
        assert (done.proposal.state, done.proposal.decided_by) == ("approved", TWO.id)
        assert not done.rollback
        assert here.revision.id == SECOND
        assert there.revision.id == FIRST, "each side decides by its own"
        assert await refused(here.revisions.approve(TWO, name, "")) is Reason.PROPOSAL_ANSWERED
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert decided_by(here) == [FIRST, SECOND]

        back = await propose(here)
        assert back.rollback
        with capture_logs() as later:
            await here.revisions.approve(TWO, back.proposal.id, "")
            await w.settle()
        told = [sorted(e["event"] for e in each if "previous" in e) for each in (logs, later)]
        assert told == [
            ["peer_policy_changed", "policy_replaced"],
            ["peer_policy_changed", "policy_rolled_back"],
        ]
        said = [(FIRST, None), (SECOND, FIRST), (FIRST, SECOND)]
        assert activations(here, here.topology.home) == said
        assert activations(there, there.topology.control_in("zhuhai")) == said
        entries = here.store.reader.entries(here.topology.home, 0, 99)
        assert not any(b"officer" in one for one in entries), "the log names nobody"
        await w.settle()
        w.agree()


async def test_what_cannot_be_put_into_use_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        files = dict(revision(**OTHER).files)
        name = str(uuid4())
        one = await here.revisions.propose(ONE, name, files, "because")
        assert await here.revisions.propose(ONE, name, files, "because") == one
        reused = here.revisions.propose(ONE, name, revision().files, "because")
        assert await refused(reused) is Reason.REQUEST_ID_REUSED
        assert await refused(propose(here)) is Reason.ARGUMENT_INVALID, "in use already"
        assert await refused(propose(here, CLERK, **OTHER)) is Reason.ROLE_REQUIRED
        unknown = here.revisions.approve(TWO, str(uuid4()), "")
        assert await refused(unknown) is Reason.PROPOSAL_UNKNOWN

        broken = {**files, "decision.rego": b"package xb\nimport rego.v1\ndecision := {"}
        uncompiled = await here.revisions.propose(ONE, str(uuid4()), broken, "")
        again = here.revisions.approve(TWO, uncompiled.proposal.id, "")
        assert await refused(again) is Reason.POLICY_INVALID, "the engine has the last word"

        other = await propose(here, pi_contract_from=80_000)
        await here.revisions.approve(TWO, other.proposal.id, "")
        assert await refused(here.revisions.approve(TWO, name, "")) is Reason.PROPOSAL_STALE
        gone = await here.revisions.reject(ONE, name, "withdrawn")
        assert gone.proposal.state == "rejected"
        assert await refused(here.revisions.reject(TWO, name, "no")) is Reason.PROPOSAL_ANSWERED
        listed = await here.revisions.list(TWO, None, 10)
        assert [p.state for p in listed] == ["approved", "open", "rejected"]
        assert here.revision.id == other.proposal.revision

        monkeypatch.setattr(limits, "PROPOSALS_OPEN_MAX", 1)
        assert await refused(propose(here, pi_contract_from=60_000)) is Reason.DESK_FULL


async def test_a_decision_that_races_the_change_is_made_again(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}, memo=False) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        view = await propose(here, **OTHER)
        loop, decider = asyncio.get_running_loop(), here.active.now.decider
        evaluate, answers = decider.evaluate, []

        def overtaken(projected: Any) -> Any:
            made = evaluate(projected)
            approving = here.revisions.approve(TWO, view.proposal.id, "")
            answers.append(asyncio.run_coroutine_threadsafe(approving, loop).result(10))
            return made

        decider.evaluate = overtaken  # type: ignore[method-assign]
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert len(answers) == 1
        assert decided_by(here) == [SECOND], "nothing is recorded that the old one decided"
        await w.settle()
        w.agree()


async def test_under_load_every_exchange_is_decided_by_one_or_the_other(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        load = [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(40)]
        for thresholds in (OTHER, {}, OTHER):
            await change(here, **thresholds)
            load += [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(10)]
        ends = await asyncio.gather(*load)
        assert {end.outcome for end in ends} == {Outcome.EXECUTED}
        assert decided_by(here)[-1] == SECOND
        assert set(decided_by(here)) <= {FIRST, SECOND}
        await w.settle()
        w.agree()


async def test_a_start_goes_on_with_what_officers_put_into_use(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        await change(here, **OTHER)
        waiting = await propose(here)
        await w.crash("zhuhai")
        with capture_logs() as logs:
            here = await w.start("zhuhai")
        [told] = [one for one in logs if one["event"] == "policy_folder_differs"]
        assert (told["folder"], told["active"]) == (FIRST, SECOND)
        assert here.revision.id == SECOND
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert decided_by(here) == [SECOND]
        await here.revisions.approve(TWO, waiting.proposal.id, "")
        assert here.revision.id == FIRST
        said = [(FIRST, None), (SECOND, FIRST), (FIRST, SECOND)]
        assert activations(here, here.topology.home) == said
        await w.settle()
        w.agree()


async def test_an_officer_who_hangs_up_leaves_nothing_half_done(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        view = await propose(here, **OTHER)
        record, recording = here.store.record, asyncio.Event()

        async def seen(asked: Any) -> Any:
            recording.set()
            return await record(asked)

        here.store.record = seen  # type: ignore[assignment,method-assign]
        approving = asyncio.create_task(here.revisions.approve(TWO, view.proposal.id, ""))
        await recording.wait()
        approving.cancel()
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert decided_by(here) == [SECOND] == [here.revision.id]
        await w.settle()
        w.agree()


@pytest.mark.parametrize("committed", [False, True])
async def test_a_kill_leaves_the_one_or_the_other_whole(tmp_path: Path, committed: bool) -> None:
    """Before the commit, and after it but before anybody heard."""
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        view = await propose(here, **OTHER)
        record = here.store.record

        async def cut(asked: Any) -> Any:
            if committed:
                await record(asked)
            raise Fatal(Reason.INTERNAL, "the node was killed")

        here.store.record = cut  # type: ignore[assignment,method-assign]
        with pytest.raises(Fatal):
            await here.revisions.approve(TWO, view.proposal.id, "")
        await w.crash("zhuhai")
        here = await w.start("zhuhai")
        passed(here)
        assert here.revision.id == (SECOND if committed else FIRST)
        found = await here.revisions.get(TWO, view.proposal.id)
        assert found.proposal.state == ("approved" if committed else "open")
        assert len(activations(here, here.topology.home)) == (2 if committed else 1)
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert decided_by(here) == [here.revision.id]
        await w.settle()
        w.agree()


async def test_an_engine_that_does_not_take_it_leaves_the_running_one(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core
        passed(here)
        view = await propose(here, **OTHER)

        def down(_bundle: Any) -> Any:
            raise Unavailable(Reason.POLICY_UNAVAILABLE, "the engine does not answer")

        engine, here.active._engine = here.active._engine, SimpleNamespace(load=down)
        with pytest.raises(Unavailable):
            await here.revisions.approve(TWO, view.proposal.id, "")
        here.active._engine = engine
        assert here.revision.id == FIRST
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        assert (
            await here.revisions.approve(TWO, view.proposal.id, "")
        ).proposal.state == "approved"
