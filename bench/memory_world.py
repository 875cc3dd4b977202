"""Exchanges between two nodes in memory: what the sections without sockets share."""

import asyncio

from tests.harness.simulator import World, submission

from bench.messages import METHOD, PARTY, PURPOSE, SCENARIO, answer, request
from xbgateway.model.outcome import Outcome

REQUEST, ANSWER = request(), answer()


def serve(_path: str, _payload: bytes) -> bytes:
    """The service behind node B."""
    return ANSWER


async def exchange(world: World) -> None:
    """One exchange, to its end; asserts that it went through."""
    finished = await world.submit(
        "zhuhai",
        submission(REQUEST, method=METHOD, party=PARTY, purpose=PURPOSE, scenario=SCENARIO),
    )
    assert finished.outcome is Outcome.EXECUTED, finished


async def exchanges(world: World, count: int, concurrency: int) -> None:
    """``count`` exchanges, ``concurrency`` at a time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await exchange(world)

    await asyncio.gather(*(work() for _ in range(concurrency)))
