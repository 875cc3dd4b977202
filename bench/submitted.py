"""Exchanges that nobody waits for, against the bare relay: how many are accepted, how many done.

Accepted is what callers see of Submit: durable under a signed checkpoint. Delivered is the same
exchanges from the first submission to the last one's end, answer and receipt included.
"""

import asyncio
from dataclasses import dataclass

from bench import load
from bench.messages import PAYLOAD_BYTES
from bench.processes import SUBMITTED, Pair, pair
from bench.result import Figures, Spread, say, table

_CONCURRENCY = 64
_WARM_UP = 200
_LOOK_S = 0.05
_DONE_WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class _Round:
    accepted: float  # per second
    delivered: float
    relayed: float


async def measure(rounds: int, calls: int) -> Figures:
    """Relay and product in turns, a fixed number of calls each."""
    done: list[_Round] = []
    async with pair(load.folder("async")) as both:
        for side in ("peer", SUBMITTED):
            await load.run(both, side, _CONCURRENCY, calls=_WARM_UP)
        await _ended(both)
        for number in range(rounds):
            relayed = await load.run(both, "peer", _CONCURRENCY, calls=calls)
            loop = asyncio.get_running_loop()
            begin = loop.time()
            accepted = await load.run(both, SUBMITTED, _CONCURRENCY, calls=calls)
            await _ended(both)
            took_s = loop.time() - begin
            done.append(_Round(accepted.per_second, calls / took_s, relayed.per_second))
            say(
                f"  round {number + 1}: {accepted.per_second:.0f} accepted/s,"
                f" {calls / took_s:.0f} delivered/s, relay {relayed.per_second:.0f}/s"
            )
    return {
        "payload_bytes": PAYLOAD_BYTES,
        "rounds": rounds,
        "calls": calls,
        "concurrency": _CONCURRENCY,
        "accepted_per_second": Spread.of([one.accepted for one in done]).figures(),
        "delivered_per_second": Spread.of([one.delivered for one in done]).figures(),
        "relayed_per_second": Spread.of([one.relayed for one in done]).figures(),
        "accepted_ratio": Spread.of([one.accepted / one.relayed for one in done]).figures(),
        "delivered_ratio": Spread.of([one.delivered / one.relayed for one in done]).figures(),
    }


async def _ended(both: Pair) -> None:
    """Until no exchange of the sender's callers is open. Raises ``TimeoutError``."""
    async with asyncio.timeout(_DONE_WAIT_S):
        while both.open_exchanges():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(_LOOK_S)


def run(rounds: int, calls: int) -> Figures:
    """The section; prints its table."""
    say(f"async: relay and product in turns, {rounds} rounds of {calls} calls each")
    figures = asyncio.run(measure(rounds, calls))
    rows = [
        (name, Spread(**figures[f"{name}_per_second"]), Spread(**figures[f"{name}_ratio"]))
        for name in ("accepted", "delivered")
    ]
    rows.append(("relayed", Spread(**figures["relayed_per_second"]), Spread(1, 1, 1)))
    table("Submitted, against a bare two-hop relay", ("what", "per s", "ratio"), rows)
    return figures
