"""A seeded population of people who cannot exist, for the agencies, the stories and the tests.

The same seed, count and clock give the same people, to the byte of :meth:`Population.document`.
Documents stand in ranges that nobody issues (:mod:`xbgateway.demo.identifiers`); streets are
invented and have no house numbers. Hard cases are made on purpose and carry a tag
(:data:`xbgateway.demo.hard_cases.CASES`). Nothing here reads a clock or a network.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from random import Random

import orjson

from xbgateway.demo.hard_cases import CASES
from xbgateway.demo.making import Maker
from xbgateway.demo.people import Group, Person

CLOCK = date(2026, 3, 16)
VERSION = 1
COUNT = 5000
# Shares of the population, in per cent.
SHARES: tuple[tuple[Group, int], ...] = (
    ("macao_resident_in_zhuhai", 45),
    ("mainland_pensioner_in_macao", 20),
    ("ordinary", 20),
    ("edge", 15),
)


@dataclass(frozen=True)
class Population:
    """People, and what made them."""

    seed: int
    clock: date
    persons: tuple[Person, ...]
    version: int = VERSION
    synthetic: bool = field(default=True, init=False)

    def document(self) -> bytes:
        """The whole population as JSON, marked as synthetic; equal populations, equal bytes."""
        head = {
            "synthetic": self.synthetic,
            "seed": self.seed,
            "generator_version": self.version,
            "clock": self.clock,
        }
        return orjson.dumps({**head, "persons": self.persons}, option=orjson.OPT_INDENT_2)

    def tagged(self, tag: str) -> Iterator[Person]:
        """People who stand for one hard case."""
        return (p for p in self.persons if tag in p.tags)

    def contributors(self) -> Iterator[Person]:
        """Living people with a number of the Macao Social Security Fund and months in it."""
        return (p for p in self.persons if p.fss_no and p.months_in("MO_") and not p.died_on)

    def macao_pensioners(self) -> Iterator[Person]:
        """Living Macao pensioners on the Mainland, who have to prove each year that they live."""
        return (p for p in self.persons if p.macao_pension and p.res_permit_no)

    def mainland_pensioners(self) -> Iterator[Person]:
        """Living Mainland pensioners in Macao."""
        return (p for p in self.persons if p.mainland_pension)


def generate(seed: int = 1, count: int = COUNT, clock: date = CLOCK) -> Population:
    """Make ``count`` people; the last share takes what rounding leaves."""
    maker = Maker(Random(f"xbgateway population {seed}"), seed, clock)
    persons: list[Person] = []
    for group, share in SHARES[:-1]:
        persons.extend(maker.member(group) for _ in range(count * share // 100))
    cases = list(CASES.items())
    turn = 0
    while len(persons) < count:
        tag, make = cases[turn % len(cases)]
        persons.extend(make(maker, tag))
        turn += 1
    return Population(seed, clock, tuple(persons[:count]))


@lru_cache(maxsize=4)
def cached(seed: int = 1, count: int = COUNT) -> Population:
    """:func:`generate` at the fixed clock, once per process."""
    return generate(seed, count)


def age(person: Person, day: date) -> int:
    """Full years on ``day``; someone born on 29 February ages on 1 March."""
    before = (day.month, day.day) < (person.birth_on.month, person.birth_on.day)
    return day.year - person.birth_on.year - before


def main() -> int:
    """Write one population as a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m xbgateway.demo.population")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--clock", type=date.fromisoformat, default=CLOCK)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.write_bytes(generate(asked.seed, asked.count, asked.clock).document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
