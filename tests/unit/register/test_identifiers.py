"""Masks of GW-MASK-1 and the ranges that belong to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbgateway.register.identifiers import MASKS, synthetic_verdict

SYNTHETIC = [
    ("permit", "829900195803120018"),
    ("permit", "82990019610615003X"),
    ("permit", "82990019610615003x"),
    ("permit", "８２９９００195803120018"),
    ("prc_id", "990404195507210138"),
    ("permit", "990404195507210138"),
    ("bir", "9000001(8)"),
    ("hrp", "M99000017"),
    ("hrp", "M9900001701"),
    ("fss", "SYN000123"),
    ("phone", "+86 10000000021"),
    ("phone", "+853 00000001"),
]
REAL = [
    ("permit", "820000195803120018"),
    ("permit", "829900"),
    ("permit", "829900195803120018820000195803120018"),
    ("prc_id", "440402195507210138"),
    ("bir", "1000001(8)"),
    ("bir", "90000018"),
    ("hrp", "M98000017"),
    ("fss", "123456"),
    ("phone", "+86 13800000021"),
    ("phone", "10000000021"),
    ("account", "6222000000000000"),
]
SILENT = [
    ("account", "acct_00000000000000000000000000000001"),
    ("permit", ""),
    ("permit", "829900••••••••••18"),
    ("bir", "9•••••1(8)"),
    ("phone", "••••021"),
]


@pytest.mark.parametrize(("kind", "value"), SYNTHETIC)
def test_synthetic_ranges(kind: str, value: str) -> None:
    assert synthetic_verdict([(kind, value)]) == "synthetic"


@pytest.mark.parametrize(("kind", "value"), REAL)
def test_all_else_is_real(kind: str, value: str) -> None:
    assert synthetic_verdict([(kind, value)]) == "real"


@pytest.mark.parametrize(("kind", "value"), SILENT)
def test_tokens_and_masked_values_say_nothing(kind: str, value: str) -> None:
    assert synthetic_verdict([(kind, value)]) == "none"
    assert synthetic_verdict([(kind, value), SYNTHETIC[0]]) == "synthetic"


def test_one_of_each_is_mixed() -> None:
    assert synthetic_verdict([SYNTHETIC[0], REAL[0]]) == "mixed"
    assert synthetic_verdict([*SYNTHETIC, *SILENT]) == "synthetic"
    assert synthetic_verdict([]) == "none"


@pytest.mark.parametrize(("kind", "value"), [*SYNTHETIC, *REAL])
def test_a_mask_hides_and_hides_only_once(kind: str, value: str) -> None:
    once = MASKS[kind](value)
    assert "•" in once
    assert MASKS[kind](once) == once
    assert synthetic_verdict([(kind, once)]) == "none"


@given(kind=st.sampled_from(sorted(MASKS)), value=st.text(max_size=24))
def test_a_mask_never_shows_more_than_it_may(kind: str, value: str) -> None:
    once = MASKS[kind](value)
    shown = once.replace("•", "")
    assert len(shown) <= {"bir": 5, "permit": 8, "prc_id": 8}.get(kind, 4)
    assert MASKS[kind](once) == once
