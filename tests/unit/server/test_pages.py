"""Page tokens are good for one caller and one list, and nobody can make one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbgateway.model.errors import Reason, Refused
from xbgateway.server.pages import PageTokens

KEY = bytes(range(32))
AT = ("2026-11-22T08:00:00.000Z", "0193cafe-0000-7000-8000-000000000000")


ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(st.text(), st.text(), st.tuples(ASCII, ASCII))
def test_a_token_brings_back_what_it_was_made_for(
    listing: str, party: str, before: tuple[str, str]
) -> None:
    pages = PageTokens(KEY)
    assert pages.open(listing, party, pages.seal(listing, party, before)) == before


def test_the_empty_token_is_the_first_page() -> None:
    assert PageTokens(KEY).open("exchanges", "a", "") is None


@pytest.mark.parametrize(
    ("key", "listing", "party"),
    [(KEY[::-1], "exchanges", "a"), (KEY, "entries", "a"), (KEY, "exchanges", "b")],
)
def test_a_token_of_another_key_list_or_caller(key: bytes, listing: str, party: str) -> None:
    token = PageTokens(KEY).seal("exchanges", "a", AT)
    with pytest.raises(Refused) as refused:
        PageTokens(key).open(listing, party, token)
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


def test_joined_names_do_not_meet() -> None:
    token = PageTokens(KEY).seal("a", "bc", AT)
    with pytest.raises(Refused):
        PageTokens(KEY).open("ab", "c", token)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_every_flipped_bit_is_seen(place: int, bit: int) -> None:
    token = PageTokens(KEY).seal("exchanges", "a", AT)
    raw = bytearray(base64.urlsafe_b64decode(token))
    raw[place % len(raw)] ^= 1 << bit
    with pytest.raises(Refused):
        PageTokens(KEY).open("exchanges", "a", base64.urlsafe_b64encode(raw).decode())


@given(st.text(min_size=1))
def test_rubbish_is_refused(token: str) -> None:
    with pytest.raises(Refused) as refused:
        PageTokens(KEY).open("exchanges", "a", token)
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID
