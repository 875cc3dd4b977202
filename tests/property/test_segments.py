"""The seal of segments: whatever is moved, cut, doubled or altered does not open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import (
    SEGMENT_OVERHEAD_BYTES,
    SegmentOpener,
    SegmentSealer,
    new_stream_key,
)

contents = st.lists(st.binary(max_size=64), min_size=1, max_size=6)


def sealed(key: bytes, segments: list[bytes]) -> list[bytes]:
    sealer = SegmentSealer(key)
    return [sealer.seal(i, one, last=i == len(segments) - 1) for i, one in enumerate(segments)]


def opened(key: bytes, found: list[bytes]) -> list[bytes]:
    opener = SegmentOpener(key)
    return [opener.open(i, one, last=i == len(found) - 1) for i, one in enumerate(found)]


def refused(key: bytes, found: list[bytes]) -> Reason:
    with pytest.raises(Refused) as told:
        opened(key, found)
    return told.value.reason


@given(contents)
def test_what_was_sealed_opens(segments: list[bytes]) -> None:
    key = new_stream_key()
    found = sealed(key, segments)
    assert opened(key, found) == segments
    assert [len(f) - len(s) for f, s in zip(found, segments, strict=True)] == [
        SEGMENT_OVERHEAD_BYTES
    ] * len(segments)


@given(contents, st.data())
def test_a_cut_a_swap_a_double_and_one_more_are_seen(
    segments: list[bytes], data: st.DataObject
) -> None:
    key = new_stream_key()
    found = sealed(key, segments)
    if len(found) > 1:
        cut = data.draw(st.integers(1, len(found) - 1))
        assert refused(key, found[:cut]) is Reason.SEAL_BROKEN
        i = data.draw(st.integers(0, len(found) - 2))
        swapped = [*found[:i], found[i + 1], found[i], *found[i + 2 :]]
        assert refused(key, swapped) is Reason.SEAL_BROKEN
        assert refused(key, found[:i] + found[i + 1 :]) is Reason.SEAL_BROKEN
    twice = data.draw(st.integers(0, len(found) - 1))
    assert refused(key, [*found[: twice + 1], *found[twice:]]) is Reason.SEAL_BROKEN
    other = sealed(key, [*segments, b"more"])  # of another run under the same key
    assert refused(key, [*found, other[-1]]) is Reason.SEAL_BROKEN


@given(contents, st.data())
def test_an_altered_byte_and_another_key_are_seen(
    segments: list[bytes], data: st.DataObject
) -> None:
    key = new_stream_key()
    found = sealed(key, segments)
    which = data.draw(st.integers(0, len(found) - 1))
    at = data.draw(st.integers(0, len(found[which]) - 1))
    flipped = bytearray(found[which])
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    reason = refused(key, [*found[:which], bytes(flipped), *found[which + 1 :]])
    assert reason is (Reason.SUITE_UNKNOWN if at == 0 else Reason.SEAL_BROKEN)
    short = data.draw(st.integers(1, len(found[which]) - 1))
    shortened = [*found[:which], found[which][:short], *found[which + 1 :]]
    assert refused(key, shortened) is Reason.SEAL_BROKEN
    assert refused(new_stream_key(), found) is Reason.SEAL_BROKEN


def test_two_runs_never_use_one_nonce() -> None:
    key = new_stream_key()
    first, second = SegmentSealer(key), SegmentSealer(key)
    a, b = first.seal(0, b"as it was", last=True), second.seal(0, b"another", last=True)
    assert a[1:8] != b[1:8]
    assert SegmentOpener(key).open(0, a, last=True) == b"as it was"
    assert SegmentOpener(key).open(0, b, last=True) == b"another"
