"""The values a synthetic person is made of. Used by the generator and by both agencies."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Group = Literal["macao_resident_in_zhuhai", "mainland_pensioner_in_macao", "ordinary", "edge"]


@dataclass(frozen=True, slots=True)
class Names:
    """One name as four systems write it; empty where the person has none in that script."""

    hant: str
    hans: str
    latin: str  # FAMILY, GIVEN
    pinyin: str


@dataclass(frozen=True, slots=True)
class Period:
    """One run of contribution months, both ends included, as ``YYYY-MM``."""

    scheme: str
    first: str
    last: str
    kind: str  # employed, self_employed, arbitrary, retroactive, credited
    wage_band: str  # A to E

    @property
    def months(self) -> int:
        """Inclusive count of months."""
        return month_number(self.last) - month_number(self.first) + 1


@dataclass(frozen=True, slots=True)
class Participation:
    """How the person stands in one scheme."""

    scheme: str
    institution: str
    status: str  # active, suspended, ended
    start_on: str
    end_on: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic person. Days are ISO dates; absent documents are ``None``."""

    number: int
    group: Group
    tags: tuple[str, ...]  # which hard cases the person stands for
    pid_token: str
    names: Names
    former_names: Names | None
    sex: Literal["M", "F"]
    birth_on: date
    birth_on_other_side: date  # as the other side's system has it; mostly the same day
    died_on: date | None
    bir_no: str | None
    res_permit_no: str | None
    former_permit_no: str | None
    prc_id_no: str | None
    hrp_no: str | None
    fss_no: str | None
    mobile: str
    address: str
    stay_from: date | None  # residence in Hengqin
    participations: tuple[Participation, ...]
    periods: tuple[Period, ...]
    macao_pension: bool  # FSS pays an old-age pension
    mainland_pension: bool  # the Mainland pays a pension
    checked_on: date | None  # last yearly check of the Mainland pension

    def months_in(self, scheme_prefix: str) -> int:
        """Contribution months over all schemes whose name starts with ``scheme_prefix``."""
        return sum(p.months for p in self.periods if p.scheme.startswith(scheme_prefix))


def month_number(month: str) -> int:
    """Months since year 0 for ``YYYY-MM``, so that spans are differences."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_text(number: int) -> str:
    """Inverse of :func:`month_number`."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
