"""Worlds in which a rule holds: what makes it, whose officer decides, and how tests go on.

The law that holds is real; what is altered are the registers: an application that is missing makes
the chief data officer of the sender's side decide (ZH-CAT-2), old records a controller in Macao
(MO-8-2005-5-2).
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.harness.corridors import fund, proof_of_life
from tests.harness.simulator import World, world

from xbgateway.exchange import Finished, Officer
from xbgateway.model.clock import SystemClock

Alter = Callable[[dict[str, Any]], None]


class Moving(SystemClock):
    """The machine's clock, which tests may put on."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


def unapplied(document: dict[str, Any]) -> None:
    """Nobody in Macao applied: requests are held there, their answers are not."""
    for paper in document["instruments"]:
        if paper["kind"] == "application":
            paper["recipients"] = [one for one in paper["recipients"] if one.startswith("cn.")]


def nobody_applied(document: dict[str, Any]) -> None:
    document["instruments"] = [p for p in document["instruments"] if p["kind"] != "application"]


def old_records(document: dict[str, Any]) -> None:
    for dataset in document["datasets"]:
        dataset["updated_on"] = "2020-01-01"


def both(document: dict[str, Any]) -> None:
    unapplied(document)
    old_records(document)


@dataclass(frozen=True)
class Place:
    """Where a hold is decided: which registers make it, which node's officer of which role."""

    registers: dict[str, Alter]
    node: str
    role: str
    log: str  # the end of the origin that the hold stands in
    alive_on: str = ""  # the content's own date

    @property
    def officer(self) -> Officer:
        party = {"zhuhai": "cn.zhuhai.hrss", "macao": "mo.fss"}[self.node]
        return Officer(party, "officer-1", frozenset({self.role}))


PLACES = {
    "at home": Place({"zhuhai": unapplied, "macao": unapplied}, "zhuhai", "cdo", "/home"),
    "over there": Place(
        {"zhuhai": old_records, "macao": old_records},
        *("macao", "mo_data_controller", "/lane/0"),
        alive_on="2020-01-01",
    ),
    "where it arrives": Place({"macao": old_records}, "macao", "mo_data_controller", "/lane/0"),
}


def held_world(tmp_path: Path, place: Place, **more: Any) -> AbstractAsyncContextManager[World]:
    return world(tmp_path, {"macao": fund}, registers=place.registers, **more)


async def decide(
    w: World, place: Place, exchange: str, *, yes: bool = True, officer: Officer | None = None
) -> None:
    desk = w.nodes[place.node].core.gateway.desk
    await desk.decide(officer or place.officer, exchange, "", "a reason", yes=yes)


async def ask(w: World, **more: Any) -> tuple[Any, Finished]:
    asked = proof_of_life(**more)
    finished = await w.submit("zhuhai", asked)
    await w.settle()
    return asked, finished


def sweep(w: World) -> None:
    """What the gateway does every minute."""
    for node in w.nodes.values():
        node.core.gateway._take_up(held=True)
        node.core.gateway.holds.take_up()
