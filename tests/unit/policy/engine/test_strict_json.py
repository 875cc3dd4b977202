"""One reading, one writing: what comes back is what went in, and all else is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.policy.engine import strict_json

INTEGERS = st.integers(-strict_json.INTEGER_MAX, strict_json.INTEGER_MAX)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@settings(max_examples=scaled(200))
@given(VALUES)
def test_canonical_is_the_standard_librarys_sorted_form(value: object) -> None:
    written = strict_json.canonical(value)
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert written == expected.encode()
    assert strict_json.parse(written) == value


@settings(max_examples=scaled(200))
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_spelling_does_not_matter(value: dict[str, object]) -> None:
    other = json.dumps(dict(reversed(value.items())), indent=1).encode()
    assert strict_json.policy_input(other) == (value, strict_json.canonical(value))


@settings(max_examples=scaled(200))
@given(st.text() | st.text('{}[]":,\\\\ud80a1-.e ') | st.integers().map(str))
def test_any_text_is_read_or_refused(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    outcome = attempt(raw)
    if isinstance(outcome, Unavailable):
        assert outcome.reason is Reason.POLICY_INPUT_LIMIT
    else:
        assert outcome == json.loads(raw)
        assert strict_json.parse(strict_json.canonical(outcome)) == outcome


def attempt(raw: bytes) -> object:
    try:
        return strict_json.parse(raw)
    except Unavailable as refused:
        return refused


def nested(depth: int, innermost: object) -> object:
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize("innermost", [1, [], {}])
def test_depth_counts_objects_and_arrays(innermost: object) -> None:
    inner = 0 if innermost == 1 else 1
    good = nested(32 - inner, innermost)
    assert strict_json.parse(json.dumps(good).encode()) == good
    bad = nested(33 - inner, innermost)
    with pytest.raises(Unavailable, match="deeper than 32"):
        strict_json.parse(json.dumps(bad).encode())
    with pytest.raises(Unavailable, match="deeper than 32"):
        strict_json.canonical(bad)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.0, "not an integer"),
        (float("nan"), "not an integer"),
        (2**53, "beyond"),
        (-(2**53), "beyond"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({1: 2}, "not a string"),
        ((1,), "tuple"),
        (b"x", "bytes"),
        ({"a": {1}}, "set"),
    ],
)
def test_a_value_without_a_form_is_refused(value: object, says: str) -> None:
    with pytest.raises(Unavailable, match=says) as caught:
        strict_json.canonical(value, reason=Reason.POLICY_ERROR)
    assert caught.value.reason is Reason.POLICY_ERROR


@pytest.mark.parametrize("raw", [b'{"a":1,"a":1}', b'[{"b":{"":0,"":0}}]', b'{"\\u0061":1,"a":1}'])
def test_a_key_said_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(Unavailable, match="twice"):
        strict_json.parse(raw)


def test_size_is_checked_before_reading() -> None:
    assert strict_json.parse(b'"12"', bytes_max=4) == "12"
    with pytest.raises(Unavailable, match="at most 4"):
        strict_json.parse(b'"1234', bytes_max=4)
