"""How one synthetic person is made: documents, a working life, and what follows from both.

Consistency holds by construction: nobody works before sixteen, periods of one scheme do not
overlap, a pension needs its age and its months, and death closes everything.
"""

import base64
import calendar
import hashlib
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Literal

from xbgateway.demo import names
from xbgateway.demo.identifiers import bir_check, citizen_check
from xbgateway.demo.people import (
    Group,
    Names,
    Participation,
    Period,
    Person,
    month_number,
    month_text,
)

WORKING_AGE = 16
AGE_MAX = 100
MACAO_PENSION_AGE = 65
MACAO_PENSION_MONTHS = 60
MAINLAND_PENSION_AGE = 60
MAINLAND_PENSION_MONTHS = 180
MONTHS_MAX = 720  # data dictionary: a span is at most sixty years
# First month that counts: FSS began in 1990; on the Mainland earlier work counts as contributed.
FIRST_MONTH = {"MO": month_number("1990-03"), "CN": month_number("1955-01")}
# Chances: an ordinary person belongs to Macao, has no Chinese name, works until the last month.
FROM_MACAO = 0.5
PORTUGUESE_NAME = 0.06
WORKS_ON = 0.7
INSTITUTION = {"MO": "MO-FSS", "CN": "CN-440400-HRSS"}
KINDS = {
    "MO_FSS_MAND": ("employed",),
    "MO_FSS_ARB": ("arbitrary", "self_employed"),
    "CN_PENSION_EMP": ("employed", "self_employed"),
    "CN_PENSION_RES": ("arbitrary",),
}
PLACES = (
    "Street of the Paper Lanterns, Hengqin",
    "Lane of the Seven Egrets, Hengqin",
    "Tidewatch Road, Xiangzhou, Zhuhai",
    "Rua do Barco Imaginado, Macao",
    "Travessa da Lua Desenhada, Macao",
)


class Maker:
    """Makes people one after another; every document number it gives is given once."""

    def __init__(self, random: Random, seed: int, clock: date) -> None:
        self.random = random
        self.clock = clock
        self._seed = seed
        self._number = 0
        self._bir = 9_000_000
        self._fss = 0
        self._permits: defaultdict[str, int] = defaultdict(int)

    def member(self, group: Group) -> Person:
        """One person of an ordinary group."""
        if group == "macao_resident_in_zhuhai":
            return self.macao_resident(group=group)
        if group == "mainland_pensioner_in_macao":
            return self.mainland_pensioner(group=group)
        if self.random.random() < FROM_MACAO:
            return replace(
                self.macao_resident(group="ordinary"),
                res_permit_no=None,
                hrp_no=None,
                stay_from=None,
                address=PLACES[3],
            )
        return self.mainlander(group="ordinary")

    def macao_resident(
        self,
        *,
        group: Group,
        birth_on: date | None = None,
        months: int | None = None,
        name: Names | None = None,
    ) -> Person:
        """A Macao resident with a residence permit; ``months`` of contributions where given."""
        born = birth_on or self.birthday(0, AGE_MAX)
        person = self._blank(group, born, name or self._macao_name())
        scheme = self.random.choice(("MO_FSS_MAND", "MO_FSS_MAND", "MO_FSS_ARB"))
        stay = max(born, self.clock - timedelta(days=self.random.randint(90, 3000)))
        person = replace(
            person,
            bir_no=self._next_bir(),
            res_permit_no=self.citizen("829900", born, person.sex),
            hrp_no=f"M99{person.number:06d}",
            fss_no=self._next_fss() if self.old_enough(born) else None,
            stay_from=stay,
            address=self.random.choice(PLACES[:3]),
        )
        return self.with_career(person, scheme, months)

    def mainland_pensioner(self, *, group: Group, months: int | None = None) -> Person:
        """A Mainland pensioner who lives in Macao."""
        person = self.mainlander(
            group=group,
            birth_on=self.birthday(MAINLAND_PENSION_AGE + 1, 85),
            months=months or self.random.randint(MAINLAND_PENSION_MONTHS, 300),
        )
        checked = self.clock - timedelta(days=self.random.randint(5, 500))
        return replace(person, address=self.random.choice(PLACES[3:]), checked_on=checked)

    def mainlander(
        self, *, group: Group, birth_on: date | None = None, months: int | None = None
    ) -> Person:
        """A resident of the Mainland with a citizen number."""
        born = birth_on or self.birthday(0, AGE_MAX)
        person = self._blank(group, born, names.chinese(self.random))
        person = replace(
            person,
            prc_id_no=self.citizen("990404", born, person.sex),
            address=PLACES[2],
        )
        scheme = self.random.choice(("CN_PENSION_EMP", "CN_PENSION_EMP", "CN_PENSION_RES"))
        return self.with_career(person, scheme, months)

    def with_career(self, person: Person, scheme: str, months: int | None) -> Person:
        """The person with contribution periods in ``scheme`` and what follows from them."""
        side = scheme[:2]
        born = month_number(person.birth_on.isoformat())
        pension_age = MACAO_PENSION_AGE if side == "MO" else MAINLAND_PENSION_AGE
        first = max(born + 12 * (WORKING_AGE + 1), FIRST_MONTH[side])
        end = min(
            born + 12 * pension_age,
            month_number((person.died_on or self.clock).isoformat()),
        )
        if end - first < 1:
            return person
        periods = self._runs(scheme, first, end, months)
        return settled(replace(person, periods=(*person.periods, *periods)), self.clock)

    def birthday(self, youngest: int, oldest: int) -> date:
        """A birthday that makes the person between ``youngest`` and ``oldest`` years old."""
        earliest = years_before(self.clock, oldest + 1) + timedelta(days=1)
        latest = years_before(self.clock, youngest)
        return earliest + timedelta(days=self.random.randrange((latest - earliest).days + 1))

    def citizen(self, prefix: str, born: date, sex: str, check: str = "") -> str:
        """An unused 18-character number; with ``check``, the next one that ends in it."""
        stem = f"{prefix}{born:%Y%m%d}"
        while True:
            serial = self._permits[stem + sex] * 2 + (1 if sex == "M" else 2)
            self._permits[stem + sex] += 1
            number = f"{stem}{serial:03d}"
            digit = citizen_check(number)
            if check in ("", digit):
                return number + digit

    def old_enough(self, born: date) -> bool:
        """Whether someone born then has reached working age."""
        return years_before(self.clock, WORKING_AGE) >= born

    def _blank(self, group: Group, born: date, name: Names) -> Person:
        self._number += 1
        digest = hashlib.sha256(f"{self._seed}/{self._number}".encode()).digest()
        sex: Literal["M", "F"] = self.random.choice(("M", "F"))
        return Person(
            number=self._number,
            group=group,
            tags=(),
            pid_token="pt_" + base64.b32encode(digest).decode().lower()[:26],
            names=name,
            former_names=None,
            sex=sex,
            birth_on=born,
            birth_on_other_side=born,
            died_on=None,
            bir_no=None,
            res_permit_no=None,
            former_permit_no=None,
            prc_id_no=None,
            hrp_no=None,
            fss_no=None,
            mobile=f"+86 100{self._number:08d}",
            address="",
            stay_from=None,
            participations=(),
            periods=(),
            macao_pension=False,
            mainland_pension=False,
            checked_on=None,
        )

    def _macao_name(self) -> Names:
        if self.random.random() < PORTUGUESE_NAME:
            return names.portuguese(self.random)
        return names.chinese(self.random)

    def _next_bir(self) -> str:
        while True:
            self._bir += 1
            check = bir_check(str(self._bir))
            if check is not None:
                return f"{self._bir}({check})"

    def _next_fss(self) -> str:
        self._fss += 1
        return f"SYN{self._fss:06d}"

    def _runs(self, scheme: str, first: int, end: int, months: int | None) -> list[Period]:
        room = min(end - first, MONTHS_MAX)
        total = min(months if months is not None else self.random.randint(1, room), room)
        # The last run ends with the working life unless the person stopped earlier.
        stop = (
            end if self.random.random() < WORKS_ON else end - self.random.randint(0, room - total)
        )
        gap = self.random.randint(0, stop - first - total)
        early = self.random.randint(1, total) if gap and total > 1 else total
        spans = [(stop - total - gap, early), (stop - total + early, total - early)]
        if early == total:
            spans = [(stop - total, total)]
        return [
            Period(
                scheme,
                month_text(start),
                month_text(start + length - 1),
                self.random.choice(KINDS[scheme]),
                self.random.choice("ABCDE"),
            )
            for start, length in spans
            if length
        ]


def settled(person: Person, clock: date) -> Person:
    """The person with participations and pensions that follow from periods, age and death."""
    this_month = month_number(clock.isoformat())
    participations = []
    for scheme in dict.fromkeys(p.scheme for p in person.periods):
        runs = [p for p in person.periods if p.scheme == scheme]
        last = month_number(runs[-1].last)
        years = MACAO_PENSION_AGE if scheme.startswith("MO") else MAINLAND_PENSION_AGE
        over = person.died_on is not None or years_before(clock, years) >= person.birth_on
        status = "ended" if over else "active" if last >= this_month - 1 else "suspended"
        participations.append(
            Participation(
                scheme,
                INSTITUTION[scheme[:2]],
                status,
                f"{runs[0].first}-01",
                _last_day(runs[-1].last) if over else None,
            )
        )
    alive = person.died_on is None
    return replace(
        person,
        participations=tuple(participations),
        macao_pension=alive
        and years_before(clock, MACAO_PENSION_AGE) >= person.birth_on
        and person.months_in("MO_") >= MACAO_PENSION_MONTHS,
        mainland_pension=alive
        and years_before(clock, MAINLAND_PENSION_AGE) >= person.birth_on
        and person.months_in("CN_PENSION") >= MAINLAND_PENSION_MONTHS,
    )


def _last_day(month: str) -> str:
    _, days = calendar.monthrange(int(month[:4]), int(month[5:7]))
    return f"{month}-{days:02d}"


def years_before(day: date, years: int) -> date:
    """The same day of an earlier year; 29 February becomes 28 where it has to."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
