"""Check digits and ranges: what passes, what one wrong character breaks, which world it is of."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled

from xbgateway.demo import identifiers as ids

Check = Callable[[str, ids.Environment], None]

SYNTHETIC: list[tuple[Check, str]] = [
    *(
        (ids.check_residence_permit, f"829900{rest}")
        for rest in ("195803120018", "198711050423", "201609201189", "19610615003X")
    ),
    (ids.check_prc_id, "990404195507210138"),
    (ids.check_prc_id, "990404199002282062"),
    *((ids.check_bir, number) for number in ("9000001(8)", "9000003(1)", "9100457(3)")),
    (ids.check_home_return_permit, "M99000017"),
    (ids.check_employer, "91990404MA0XY0010T"),
    (ids.check_employer, "12990404MA0XY0037P"),
    (ids.check_fss_no, "SYN000123"),
    (ids.check_phone, "+86 10000000021"),
    (ids.check_phone, "+853 00000021"),
]


@pytest.mark.parametrize(("check", "value"), SYNTHETIC)
def test_synthetic_examples_pass_in_test_and_only_there(check: Check, value: str) -> None:
    check(value, "test")
    with pytest.raises(ValueError, match=r"prod|synthetic"):
        check(value, "prod")


def test_the_standards_own_specimen_passes() -> None:
    ids.check_employer("91350100M000100Y43", "prod")
    with pytest.raises(ValueError, match="test range"):
        ids.check_employer("91350100M000100Y43", "test")


@pytest.mark.parametrize(
    ("check", "value"), [pair for pair in SYNTHETIC if pair[0] is not ids.check_bir][:6]
)
@given(st.data())
@settings(max_examples=scaled(40))
def test_one_wrong_digit_breaks_a_citizen_number(
    check: Check, value: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, 17))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != value[place]]))
    with pytest.raises(ValueError, match=r"check character|birth date|range"):
        check(value[:place] + digit + value[place + 1 :], "test")


@given(st.integers(9_000_000, 9_999_999), st.integers(0, 9))
@settings(max_examples=scaled(100))
def test_exactly_one_check_digit_fits_an_identity_card(stem: int, digit: int) -> None:
    right = ids.bir_check(str(stem))
    if digit == right:
        ids.check_bir(f"{stem}({digit})", "test")
    else:
        with pytest.raises(ValueError, match="check digit"):
            ids.check_bir(f"{stem}({digit})", "test")


@pytest.mark.parametrize(
    ("check", "typed"),
    [
        (ids.check_residence_permit, "82990019610615003x"),
        (ids.check_residence_permit, "８２９９００１９５８０３１２００１８"),
        (ids.check_home_return_permit, "m99000017"),
        (ids.check_bir, " ９０００００１（８） "),
    ],
)
def test_typed_forms_are_folded_and_never_accepted_unfolded(check: Check, typed: str) -> None:
    with pytest.raises(ValueError, match=r"form|citizen number"):
        check(typed, "test")
    check(ids.fold(typed), "test")


@pytest.mark.parametrize(
    ("check", "value", "why"),
    [
        (ids.check_prc_id, "990404199002302062", "does not exist"),
        (ids.check_prc_id, "99040419900228206", "17 digits"),
        (ids.check_prc_id, "829900195803120018", "not of the test range"),
        (ids.check_bir, "9000001|8|", "form"),
        (ids.check_bir, "1000001(8)", "form"),
        (ids.check_fss_no, "123", "form"),
        (ids.check_employer, "91990404MA0XY0010I", "18 characters"),
        (ids.check_employer, "91990404MA0XY0010U", "check character"),
        (ids.check_phone, "+86 13800000000", "form"),
    ],
)
def test_wrong_documents_say_what_is_wrong(check: Check, value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(value, "test")


def test_tokens_are_tokens() -> None:
    ids.check_account("acct_" + "0" * 31 + "1")
    ids.check_pid_token("pt_" + "a2" * 13)
    with pytest.raises(ValueError, match="account"):
        ids.check_account("acct_123")
    with pytest.raises(ValueError, match="person token"):
        ids.check_pid_token("pt_" + "A1" * 13)
