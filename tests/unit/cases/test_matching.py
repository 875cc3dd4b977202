"""Names across scripts and registers: certain, or a person looks."""

import pytest

from xbgateway.demo.agencies.matching import same_person

DAY = "1950-02-28"
KEPT = ("陳嘉欣", "陈嘉欣", "CHAN, KA IAN")


@pytest.mark.parametrize(
    ("given", "kept", "other_day", "certain"),
    [
        (("陳嘉欣", "", ""), KEPT, DAY, True),
        (("", "陈嘉欣", "Chan Ka-Ian"), KEPT, DAY, True),
        (("", "", "CHAN KA IAN"), KEPT, DAY, True),
        (("", "", "António Exemplo do Rosário"), ("", "", "ROSARIO, ANTONIO EXEMPLO"), DAY, True),
        (("山峯", "", ""), ("山峰", "", ""), DAY, True),
        (("陳嘉欣", "", "CHEN JIAXIN"), KEPT, DAY, None),
        (("", "", "CHAN KA MAN"), KEPT, DAY, None),
        (("", "", ""), KEPT, DAY, None),
        (("陳嘉欣", "", ""), ("", "", "CHAN, KA IAN"), DAY, None),
        (("陳嘉欣", "", ""), KEPT, "1950-03-01", None),
    ],
)
def test_certain_or_not(
    given: tuple[str, ...], kept: tuple[str, ...], other_day: str, certain: bool | None
) -> None:
    assert same_person(given, kept, (DAY, other_day)) is certain
