"""What labelled fields say to law, and by what a person is counted."""

from datetime import date
from typing import Any

import pytest

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import UNREAD, ContentFacts
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.content import parse
from xbgateway.register.identifiers import persons
from xbgateway.register.meanings import content_facts

from .conftest import Compile

TODAY = date(2026, 11, 25)
PROTO = """
syntax = "proto3";
package t;
import "xbgateway/api/catalogue/v1/options.proto";
message Cell {{ {cell} persons = 1 [(xbgateway.api.catalogue.v1.label) = {{meaning: {meaning}}}]; }}
message Asked {{
  string born = 1 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_BIRTH_DATE}}];
}}
message Told {{
  repeated Cell cells = 1;
  repeated string born = 2 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_BIRTH_DATE}}];
  string at = 3 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_RECORD_DATE}}];
  string stay = 4 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_STAY_FROM}}];
  string region = 5 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_STAY_REGION}}];
  uint32 months = 6 [(xbgateway.api.catalogue.v1.label) = {{meaning: MEANING_BUCKET_MONTHS}}];
}}
service S {{
  rpc Ask(Asked) returns (Told) {{
    option (xbgateway.api.catalogue.v1.method) = {{answer_mode: MODE_PSI}};
  }}
}}
"""


def catalogue(compiled: Compile, cell: str, meaning: str = "MEANING_CELL_COUNT") -> Catalogue:
    return Catalogue([compiled(PROTO.format(cell=cell, meaning=meaning))], ["t.S"])


def said(shape: Any, **fields: Any) -> ContentFacts:
    message = shape.message_class(**fields)
    return content_facts(parse(shape, message.SerializeToString()).meanings(), TODAY)


def test_labelled_fields_say_what_law_asks(compiled: Compile) -> None:
    method = catalogue(compiled, "optional int64").method("t.S", "Ask")
    assert method.answer_mode == "psi"
    answer = method.answer
    assert said(answer) is UNREAD
    assert said(
        answer,
        cells=[{"persons": 12}, {"persons": 0}],
        born=["1950-02-28", "2012-11-26"],
        at="2026-03-02",
        stay="2023-03-01",
        region="Hengqin",
        months=12,
    ) == ContentFacts(
        min_age=13,
        record_on="2026-03-02",
        stay_from="2023-03-01",
        stay_region="hengqin",
        min_cell=0,
        bucket_months=12,
    )
    # The 14th birthday itself, and a leap day's.
    assert said(answer, born=["2012-11-25"]).min_age == 14
    leap = (("birth_date", "2012-02-29"),)
    assert content_facts(leap, date(2026, 2, 28)).min_age == 13
    assert content_facts(leap, date(2026, 3, 1)).min_age == 14


@pytest.mark.parametrize("text", ["", "2012", "11/25/1950", "1950-02-30", "long ago"])
def test_what_cannot_be_read_says_the_strictest(text: str) -> None:
    found = content_facts(
        tuple((m, text) for m in ("birth_date", "record_date", "stay_from")), TODAY
    )
    assert found == ContentFacts(min_age=0, record_on="0001-01-01", stay_from="0001-01-01")


def test_stays_in_several_regions_are_in_none_that_counts() -> None:
    assert content_facts((("stay_region", "hengqin"), ("stay_region", "zhuhai")), TODAY) == (
        ContentFacts(stay_region="unknown")
    )


@pytest.mark.parametrize(
    ("cell", "meaning"),
    [
        ("string", "MEANING_CELL_COUNT"),
        ("int32", "MEANING_BIRTH_DATE"),
        ("bool", "MEANING_CELL_COUNT"),
    ],
)
def test_a_meaning_that_a_type_cannot_say_is_the_providers_mistake(
    compiled: Compile, cell: str, meaning: str
) -> None:
    with pytest.raises(Refused) as refused:
        catalogue(compiled, cell, meaning)
    assert refused.value.reason is Reason.CONFIG_INVALID


TOKENS = ("pt_a", "pt_b")


@pytest.mark.parametrize(
    ("subjects", "identifiers", "named"),
    [
        ((), [], []),
        # A pseudonym is better than nothing; an identifier is better than a pseudonym.
        (TOKENS, [], [("subject", "pt_a"), ("subject", "pt_b")]),
        (TOKENS[:1], [("fss", "1"), ("bir", "9000001(0)")], [("bir", "9000001(0)")]),
        # Fewer of a kind than there are persons name not all of them.
        (TOKENS, [("bir", "9000001(0)"), ("fss", "1")], [("subject", "pt_a"), ("subject", "pt_b")]),
        (("9000001(0)",), [("bir", "9000001(0)")], [("bir", "9000001(0)")]),
        # However it is written; what is masked, or no name of a person, names nobody.
        (
            TOKENS[:1],
            [("prc_id", " ８29900199001010０1x"), ("prc_id", "82990019900101001X")],
            [("prc_id", "82990019900101001X")],
        ),
        (TOKENS[:1], [("phone", "+853 01"), ("bir", "9•••••1(0)")], [("subject", "pt_a")]),
        # Nobody says who it is about: whoever is named may be.
        ((), [("fss", "1"), ("bir", "9000001(0)")], [("bir", "9000001(0)"), ("fss", "1")]),
    ],
)
def test_a_person_is_counted_by_the_most_lasting_name(
    subjects: tuple[str, ...], identifiers: list[tuple[str, str]], named: list[tuple[str, str]]
) -> None:
    assert list(persons(subjects, identifiers)) == named
