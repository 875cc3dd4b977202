"""Entries are canonical: one value, one text; whatever is not exactly that is refused."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.model.entries import answers, entries, requests

from xbgateway.model.entry import Answer, Entry, Request, decode, header
from xbgateway.model.errors import Reason, Refused

OURS = {Reason.ENTRY_INVALID, Reason.ENTRY_VERSION}


@given(entries)
@settings(max_examples=scaled(150), deadline=None)
def test_what_is_written_is_read_back(entry: Entry) -> None:
    raw = entry.encode()
    assert decode(raw) == entry
    assert raw.isascii()
    assert b" " not in raw


@given(entries, st.data())
@settings(max_examples=scaled(40), deadline=None)
def test_another_byte_is_another_entry_or_none(entry: Entry, data: st.DataObject) -> None:
    """Each place in turn, with a byte that is likely to matter and with any."""
    raw = entry.encode()
    for place in range(0, len(raw), max(1, len(raw) // 60)):
        for byte in (raw[place] ^ 1, data.draw(st.integers(0, 255)), *b'0"A'):
            mutated = raw[:place] + bytes([byte]) + raw[place + 1 :]
            if mutated != raw:
                _other_or_none(mutated, entry)
        _other_or_none(raw[:place] + raw[place + 1 :], entry)
        _other_or_none(raw[:place] + b" " + raw[place:], entry)


def _other_or_none(mutated: bytes, entry: Entry) -> None:
    found = read(mutated)
    if isinstance(found, Refused):
        assert found.reason in OURS
    else:
        assert found.encode() == mutated
        assert found != entry


def read(raw: bytes) -> Entry | Refused:
    """The entry, or why it is none; anything else that is raised is a fault."""
    try:
        return decode(raw)
    except Refused as refused:
        return refused


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(entries, st.data())
@settings(max_examples=scaled(100), deadline=None)
def test_a_field_of_another_kind_is_refused(entry: Entry, data: st.DataObject) -> None:
    body = json.loads(entry.encode())
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(json_values)
    mutated = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    if mutated != entry.encode():
        _other_or_none(mutated, entry)


@given(st.binary(max_size=300))
@settings(max_examples=scaled(100), deadline=None)
def test_garbage_is_refused_and_nothing_else_is_raised(raw: bytes) -> None:
    found = read(raw)
    assert isinstance(found, Refused)
    assert found.reason in OURS


@given(requests | answers)
@settings(max_examples=scaled(50), deadline=None)
def test_the_header_is_bound_to_everything_that_sealing_does_not_make(
    entry: Request | Answer,
) -> None:
    if entry.sealed is None:
        return
    bound = header(entry)
    made = replace(
        entry.sealed, commitment="0" * 64, sealed="1" * 64, sealed_bytes=7, wrap="2" * 64
    )
    assert header(replace(entry, sealed=made)) == bound
    other = replace(entry.sealed, key_id=entry.sealed.key_id + "x")
    assert header(replace(entry, sealed=other)) != bound
    assert header(replace(entry, control=entry.control ^ 1)) != bound
