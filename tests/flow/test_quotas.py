"""Room for what has not ended: by party and by peer, over restarts, and never more than allowed."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness.corridors import fund, proof_of_life, query
from tests.harness.holds import nobody_applied
from tests.harness.simulator import World, world

from xbgateway.exchange.stages import Finished, Submission
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.model.quota import Quota


def left_alone() -> Submission:
    return replace(query(), lives_s=0)


async def handed(w: World, asked: Submission) -> Finished | str:
    return await w.nodes["zhuhai"].core.gateway.submit(asked)


async def no_room(w: World, asked: Submission) -> str:
    with pytest.raises(Unavailable) as told:
        await handed(w, asked)
    assert told.value.reason is Reason.QUOTA_EXCEEDED
    return told.value.metadata["quota"]


async def filled(w: World) -> tuple[int, str]:
    """How many were taken over before there was no room, and for which bound."""
    for sent in range(20):
        try:
            await handed(w, left_alone())
        except Unavailable as full:
            return sent, full.metadata["quota"]
    raise AssertionError("there was always room")


async def test_a_partys_bound_holds_under_load_and_over_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}, quota=Quota(party_exchanges=5)) as w:
        await w.crash("macao")
        asked = [left_alone() for _ in range(40)]
        begun = await asyncio.gather(*(handed(w, one) for one in asked), return_exceptions=True)
        taken = [one for one, told in zip(asked, begun, strict=True) if isinstance(told, str)]
        assert Counter(map(type, begun)) == {str: 5, Unavailable: 35}
        assert len(w.nodes["zhuhai"].core.store.reader.open_requests()) == 5
        assert isinstance(await handed(w, taken[0]), str)  # the same again takes no room
        assert isinstance(await handed(w, replace(proof_of_life(), lives_s=0)), str)  # another's
        await w.crash("zhuhai")
        await w.start("zhuhai")
        assert await no_room(w, left_alone()) == "party_exchanges"
        assert isinstance(await handed(w, taken[1]), str)
        await w.start("macao")
        finished = await asyncio.gather(
            *(w.submit("zhuhai", replace(one, lives_s=None)) for one in taken)
        )
        assert {one.outcome for one in finished} == {Outcome.EXECUTED}
        assert isinstance(await handed(w, left_alone()), str)
        await w.settle()
        assert nothing_open(w)
        await w.crash("zhuhai")
        await w.start("zhuhai")
        assert nothing_open(w)
        w.agree()


def nothing_open(w: World) -> bool:
    return not w.nodes["zhuhai"].core.gateway._outbound._flights.quotas._open


@pytest.mark.parametrize(
    ("bound", "value"), [("peer_exchanges", 2), ("peer_bytes", 4000), ("party_bytes", 4000)]
)
async def test_the_other_bounds(tmp_path: Path, bound: str, value: int) -> None:
    quota = Quota().model_copy(update={bound: value})
    async with world(tmp_path, {"macao": fund}, quota=quota) as w:
        refused = replace(proof_of_life(scenario="SC-POL-EXPIRED"), lives_s=0)
        for _ in range(3):  # what is refused takes no room
            assert isinstance(await handed(w, refused), Finished)
            refused = replace(refused, request_id=query().request_id)
        await w.crash("macao")
        sent, full = await filled(w)
        assert full == bound
        assert sent == 2 or (sent and bound != "peer_exchanges")
        await w.crash("zhuhai")
        await w.start("zhuhai")
        assert await no_room(w, left_alone()) == bound
        await w.start("macao")
        await w.settle()
        assert isinstance(await handed(w, left_alone()), str)
        await w.settle()
        w.agree()


async def test_what_waits_for_an_officer_is_open_too(tmp_path: Path) -> None:
    held = dict.fromkeys(("zhuhai", "macao"), nobody_applied)
    quota = Quota(party_exchanges=1)
    async with world(tmp_path, {"macao": fund}, registers=held, quota=quota) as w:
        begun = await handed(w, replace(proof_of_life(), lives_s=0))
        assert isinstance(begun, Finished)
        assert begun.outcome is Outcome.HELD
        another = replace(proof_of_life(), lives_s=0)
        assert await no_room(w, another) == "party_exchanges"
        await w.crash("zhuhai")
        await w.start("zhuhai")
        assert await no_room(w, another) == "party_exchanges"
        await w.nodes["zhuhai"].core.gateway.cancel(another.party, begun.exchange)
        assert isinstance(await handed(w, another), Finished)
