"""At rest: each exchange has its own key, and only its own context opens what it sealed."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.seal.envelopes import reason_of

from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import RestKey, keyed_hash, open_at_rest, seal_at_rest

REST = RestKey(bytes(range(32)))
WRAPPED, KEY = REST.new_exchange_key()
SEALED = seal_at_rest(KEY, b"0195-1/payload", b"facts of one person")


def refusal(call: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as caught:
        call()
    return reason_of(caught.value)


@settings(max_examples=scaled(40), deadline=None)
@given(plaintext=st.binary(max_size=2048), context=st.binary(max_size=64))
def test_what_rests_comes_back(plaintext: bytes, context: bytes) -> None:
    wrapped, key = REST.new_exchange_key()
    sealed = seal_at_rest(key, context, plaintext)
    assert open_at_rest(REST.unwrap(wrapped), context, sealed) == plaintext


def test_every_exchange_has_its_own_key() -> None:
    other_wrapped, other = REST.new_exchange_key()
    assert other != KEY
    assert other_wrapped != WRAPPED
    assert refusal(lambda: open_at_rest(other, b"0195-1/payload", SEALED)) is Reason.SEAL_BROKEN


def test_the_same_thing_sealed_twice_looks_different() -> None:
    assert seal_at_rest(KEY, b"c", b"same") != seal_at_rest(KEY, b"c", b"same")


def test_a_value_moved_to_another_place_does_not_open() -> None:
    assert refusal(lambda: open_at_rest(KEY, b"0195-1/result", SEALED)) is Reason.SEAL_BROKEN
    assert refusal(lambda: open_at_rest(KEY, b"0195-2/payload", SEALED)) is Reason.SEAL_BROKEN


@settings(max_examples=scaled(80), deadline=None)
@given(bit=st.integers(min_value=8, max_value=len(SEALED) * 8 - 1))
def test_any_flipped_bit_of_a_stored_value_is_refused(bit: int) -> None:
    flipped = bytearray(SEALED)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(lambda: open_at_rest(KEY, b"0195-1/payload", bytes(flipped))) is (
        Reason.SEAL_BROKEN
    )


@settings(max_examples=scaled(60), deadline=None)
@given(bit=st.integers(min_value=0, max_value=len(WRAPPED) * 8 - 1))
def test_any_flipped_bit_of_a_wrapped_key_is_refused(bit: int) -> None:
    flipped = bytearray(WRAPPED)
    flipped[bit // 8] ^= 1 << bit % 8
    expected = [Reason.SUITE_UNKNOWN] + [Reason.KEY_UNKNOWN] * 4 + [Reason.SEAL_BROKEN] * 40
    assert refusal(lambda: REST.unwrap(bytes(flipped))) is expected[bit // 8]


def test_lengths_and_suites_are_checked_first() -> None:
    for sealed, reason in (
        (b"", Reason.SUITE_UNKNOWN),
        (b"\x02" + SEALED[1:], Reason.SUITE_UNKNOWN),
        (SEALED[:28], Reason.SEAL_BROKEN),
    ):
        assert refusal(partial(open_at_rest, KEY, b"c", sealed)) is reason
    assert refusal(lambda: REST.unwrap(WRAPPED + b"\0")) is Reason.SEAL_BROKEN
    assert refusal(lambda: REST.unwrap(b"")) is Reason.SUITE_UNKNOWN
    assert refusal(lambda: REST.wrap(bytes(16))) is Reason.KEY_WEAK
    assert refusal(lambda: RestKey(bytes(31))) is Reason.KEY_WEAK


def test_a_new_rest_key_takes_exchange_keys_over() -> None:
    successor = RestKey(bytes(32))
    assert refusal(lambda: successor.unwrap(WRAPPED)) is Reason.KEY_UNKNOWN
    moved = successor.wrap(REST.unwrap(WRAPPED))
    assert open_at_rest(successor.unwrap(moved), b"0195-1/payload", SEALED) == (
        b"facts of one person"
    )


def test_keyed_hashes_depend_on_key_parts_and_borders() -> None:
    key = bytes(range(32))
    made = keyed_hash(key, b"ab", b"c")
    assert len(made) == 32
    assert made == keyed_hash(key, b"ab", b"c")
    others = [
        keyed_hash(key, b"a", b"bc"),
        keyed_hash(key, b"abc"),
        keyed_hash(key, b"ab", b"c", b""),
        keyed_hash(bytes(32), b"ab", b"c"),
    ]
    assert made not in others
    assert len(set(others)) == len(others)
    assert refusal(lambda: keyed_hash(b"short", b"a")) is Reason.KEY_WEAK
