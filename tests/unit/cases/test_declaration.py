"""What is wrong with a declaration is said with file and line, whatever it is (REQ-CASE-1)."""

import pytest

from xbgateway.cases import load_type, load_types
from xbgateway.casework.source import case_types, default_case_folder
from xbgateway.model.errors import Reason, Refused

NO_SIDE = "no role of the owner's side"
C01 = (default_case_folder() / "C01.yaml").read_bytes()


def test_our_types_are_sound() -> None:
    types = {one.name: one for one in case_types()}
    assert {"C01", "C09"} <= types.keys()
    for one in types.values():
        assert {"zh-Hans", "zh-Hant", "pt", "en"} == one.title.keys()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("start: matching", "start: nowhere", "there is no state nowhere"),
        ("opens: counter", "opens: fund", NO_SIDE),
        ("one_for: [person.bir_no, year]", "one_for: [person.nothing]", "no application has"),
        ("known: {when", "refused: {when", "has a meaning of its own"),
        ("known: {when", "withdraw: {when", "is an act of this state as well"),
        ("shows: attesting", "shows: awaited", "awaited sends nothing"),
        ("$application.person.name_hans", "$application.nobody", "no application has nobody"),
        ("$application.person.name_hans", "$answers.looking.x", "looking gets no answer"),
        ("$application.person.name_hans", "$tomorrow", "nothing is called $tomorrow"),
        ("month_day: 03-31", "month_day: 02-30", "no such day"),
        (
            "  refused: {ends: refused}",
            "  refused: {ends: refused}\n  lost: {ends: lost}",
            "leads to",
        ),
        ("again: {by: counter", "again: {by: fund", NO_SIDE),
        ("additionalProperties: false", "additionalProperties: true", "all that it may hold"),
        ("keep_days: 400", "keep_days: soon", "keep_days"),
        ("keep_days: 400", "keep_days: 400\nkeep_days: 1", "twice"),
    ],
)
def test_a_malformed_declaration_is_refused_with_its_place(old: str, new: str, why: str) -> None:
    assert old.encode() in C01
    with pytest.raises(Refused) as caught:
        load_type("C01.yaml", C01.replace(old.encode(), new.encode(), 1))
    assert caught.value.reason is Reason.CASE_TYPE_INVALID
    assert why in caught.value.sentence
    assert caught.value.sentence.startswith("C01.yaml:")
    assert int(caught.value.metadata["line"]) > 1


def test_one_type_stands_in_one_file() -> None:
    with pytest.raises(Refused, match="two files"):
        load_types({"a.yaml": C01, "b.yaml": C01})
