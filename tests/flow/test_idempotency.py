"""One submission, one effect, one result: however often, however impatiently it is asked."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness.corridors import Journal, fund, notice, proof_of_life, query
from tests.harness.scale import scaled
from tests.harness.simulator import World, world
from tests.harness.whole import at_rest

from xbgateway.exchange.ports import EffectUnknown
from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.outcome import Outcome


def effects(w: World, node: str) -> int:
    return sum(w.nodes[node].service.count.values())


async def test_the_same_request_id_again_gets_the_same_result(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked = query()
        first = await w.submit("zhuhai", asked)
        again = await w.submit("zhuhai", asked)
        assert first.outcome is Outcome.EXECUTED
        assert again == first
        assert effects(w, "macao") == 1
        await w.settle()
        w.agree()


async def test_the_same_request_id_at_once_joins_the_one_exchange(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked = query()
        results = await asyncio.gather(*(w.submit("zhuhai", asked) for _ in range(8)))
        assert len({r.exchange for r in results}) == 1
        assert all(r.outcome is Outcome.EXECUTED for r in results)
        assert effects(w, "macao") == 1
        await w.settle()
        w.agree()


async def test_the_same_request_id_after_both_nodes_restarted(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked, refused = query(), proof_of_life(scenario="SC-POL-EXPIRED")
        first, denied = await w.submit("zhuhai", asked), await w.submit("zhuhai", refused)
        await w.settle()
        for name in ("zhuhai", "macao"):
            await w.crash(name)
        for name in ("zhuhai", "macao"):
            await w.start(name)
        assert await w.submit("zhuhai", asked) == first
        assert await w.submit("zhuhai", refused) == replace(denied, decision=None)
        assert effects(w, "macao") == 1
        await w.settle()
        w.agree()


async def test_another_body_under_a_used_request_id_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked = query()
        first = await w.submit("zhuhai", asked)
        await w.settle()
        stores = [node.core.store for node in w.nodes.values()]
        before = await at_rest(*stores)
        for other in (
            replace(asked, payload=proof_of_life().payload[:0] + asked.payload + b"\x18\x01"),
            replace(asked, purpose="CONTRIB_CERT"),
            replace(asked, scenario="SC-CC"),
            replace(asked, case_id="another"),
        ):
            with pytest.raises(Refused) as caught:
                await w.submit("zhuhai", other)
            assert caught.value.reason is Reason.REQUEST_ID_REUSED
        await w.settle()
        assert await at_rest(*stores) == before
        assert effects(w, "macao") == 1
        assert await w.submit("zhuhai", asked) == first
        w.agree()


async def test_a_register_that_lost_the_service_takes_no_answer_away(tmp_path: Path) -> None:
    def no_service(document: dict[str, Any]) -> None:
        for kind in ("services", "scenarios"):
            document[kind] = [r for r in document[kind] if "ContributionService" not in str(r)]

    async with world(tmp_path, {"macao": fund}) as w:
        asked = query()
        first = await w.submit("zhuhai", asked)
        await w.settle()
        await w.crash("zhuhai")
        w.registers["zhuhai"] = w._register(no_service)
        await w.start("zhuhai")
        assert await w.submit("zhuhai", asked) == first
        with pytest.raises(Refused) as caught:
            await w.submit("zhuhai", replace(asked, payload=b""))
        assert caught.value.reason is Reason.REQUEST_ID_REUSED
        with pytest.raises(Refused) as caught:
            await w.submit("zhuhai", query())
        assert caught.value.reason is Reason.SERVICE_UNKNOWN
        with pytest.raises(Refused) as caught:
            await w.submit("zhuhai", replace(asked, request_id="none"))
        assert caught.value.reason is Reason.REFERENCE_MALFORMED
        await w.settle()
        w.agree()


async def test_another_body_while_the_first_still_runs_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        asked = query()
        w.wire("zhuhai", "macao").open.clear()
        running = asyncio.create_task(w.submit("zhuhai", asked))
        await asyncio.sleep(0.05)
        with pytest.raises(Refused) as caught:
            await w.submit("zhuhai", replace(asked, case_id="another"))
        assert caught.value.reason is Reason.REQUEST_ID_REUSED
        w.wire("zhuhai", "macao").open.set()
        w.wire("zhuhai", "macao").grown.set()
        assert (await running).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_caller_who_hangs_up_at_any_point_changes_nothing(tmp_path: Path) -> None:
    """Cancelled after 0, 1, 2, ... turns of the loop, then after longer and longer waits."""
    async with world(tmp_path, {"macao": fund}) as w:
        submissions = []
        moments: list[int | float] = [*range(30), *((n % 20) / 2000 for n in range(1, scaled(30)))]
        cut = 0
        for moment in moments:
            asked = query()
            submissions.append(asked)
            caller = asyncio.create_task(w.submit("zhuhai", asked))
            if isinstance(moment, int):
                for _ in range(moment):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(moment)
            if caller.cancel():
                cut += 1
            with_result = await asyncio.gather(caller, return_exceptions=True)
            assert len(with_result) == 1
        assert cut > len(moments) // 2  # it did hang up, mostly in the middle
        results = [await w.submit("zhuhai", asked) for asked in submissions]
        assert {r.outcome for r in results} == {Outcome.EXECUTED}
        await w.settle()
        assert w.agree().count(Outcome.EXECUTED) == len(submissions)
        assert effects(w, "macao") == len(submissions)


async def test_a_service_that_honours_the_id_is_asked_again_after_it_died(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        service = w.nodes["macao"].service
        broken = [True, True]

        async def die() -> None:
            if broken:
                broken.pop()
                raise EffectUnknown

        service.after = die
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED
        assert service.asked == [finished.exchange] * 3
        assert effects(w, "macao") == 1
        await w.settle()
        w.agree()


async def test_a_service_that_does_not_honour_the_id_is_never_asked_twice(tmp_path: Path) -> None:
    journal = Journal()
    async with world(tmp_path, {"zhuhai": journal}) as w:
        service = w.nodes["zhuhai"].service
        service.honours = False

        async def die() -> None:
            raise EffectUnknown

        service.after = die
        asked = notice()
        finished = await w.submit("macao", asked)
        assert finished.outcome is Outcome.UNKNOWN
        assert finished.reason == "EXCHANGE_UNKNOWN_EFFECT"
        assert await w.submit("macao", asked) == finished
        assert journal.lines == 1
        await w.settle()
        assert w.agree().outcomes[finished.exchange].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("honours", [True, False])
async def test_a_node_that_died_in_the_middle_of_a_call(tmp_path: Path, honours: bool) -> None:
    served: dict[str, Any] = {"macao": fund, "zhuhai": Journal()}
    async with world(tmp_path, served) as w:
        here, there = ("zhuhai", "macao") if honours else ("macao", "zhuhai")
        service = w.nodes[there].service
        service.honours = honours
        called = asyncio.Event()

        async def hang() -> None:
            called.set()
            await asyncio.sleep(60)

        service.after = hang
        running = asyncio.create_task(w.submit(here, query() if honours else notice()))
        await called.wait()
        await w.crash(there)
        service.after = None
        await w.start(there)
        finished = await running
        assert finished.outcome is (Outcome.EXECUTED if honours else Outcome.UNKNOWN)
        assert effects(w, there) == 1
        assert len(service.asked) == (2 if honours else 1)
        await w.settle()
        w.agree()


@pytest.mark.parametrize("honours", [True, False])
async def test_when_the_answer_cannot_be_decided_yet_the_service_is_not_called_again(
    tmp_path: Path, honours: bool
) -> None:
    """The engine fails after the effect: the answer waits, and the effect stays one."""
    served: dict[str, Any] = {"macao": fund, "zhuhai": Journal()}
    async with world(tmp_path, served, memo=False) as w:
        here, there = ("zhuhai", "macao") if honours else ("macao", "zhuhai")
        service, core = w.nodes[there].service, w.nodes[there].core
        service.honours = honours
        decide, down = core.active.now.decider.evaluate, [3]

        async def spoken() -> None:
            core.active.now.decider.evaluate = failing  # type: ignore[method-assign]

        def failing(projected: Any) -> Any:
            if down[0]:
                down[0] -= 1
                raise Unavailable(Reason.POLICY_TIMEOUT, "the policy gave no decision in time")
            return decide(projected)

        service.after = spoken
        finished = await w.submit(here, query() if honours else notice())
        assert finished.outcome is Outcome.EXECUTED
        assert down == [0]
        assert service.asked == [finished.exchange]
        await w.settle()
        w.agree()
