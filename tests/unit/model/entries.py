"""Every kind of entry, generated: any value that the page allows, and no other."""

from typing import Any

from hypothesis import strategies as st

from xbgateway.model import entry as e
from xbgateway.model.clock import instant
from xbgateway.model.outcome import Placed, Position
from xbgateway.model.stream import Stream

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
uuids = st.uuids(version=None).map(str)
names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=24)
texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60)
lists = st.lists(names, max_size=3).map(tuple)
counts = st.integers(0, 2**53 - 1)
instants = st.datetimes().map(instant)
verdicts = st.builds(e.Verdict, digests, digests, digests, digests)
streams = st.builds(Stream, digests, counts, counts)
sealeds = st.builds(e.Sealed, digests, digests, digests, counts, names, names, digests)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


requests = st.builds(
    e.Request, instants, uuids, names, names, names, names, names, counts, instants, sealeds,
    verdicts, _maybe(streams),
)  # fmt: skip
accepted = st.builds(e.Accepted, instants, uuids, digests, counts, verdicts)
refused = st.builds(
    e.Refused_, instants, uuids, names, lists, _maybe(digests), _maybe(names), _maybe(names),
    _maybe(names), _maybe(names), _maybe(verdicts),
)  # fmt: skip
held = st.builds(e.Held, instants, uuids, digests, names, lists, instants, verdicts)
holds = st.builds(
    e.Hold, instants, uuids, names, names, names, names, names, names, lists, instants, verdicts
)
approvals = st.builds(e.Approval, instants, uuids, digests, st.sampled_from(["yes", "no"]), names)
answers = st.one_of(
    st.builds(
        e.Answer, instants, uuids, digests, st.sampled_from(["answered", "failed"]), counts,
        _maybe(names), lists, sealeds, _maybe(verdicts),
    ),
    st.builds(
        e.Answer, instants, uuids, digests,
        st.sampled_from(["withheld", "not_called", "unknown"]), counts, _maybe(names), lists,
        st.none(), _maybe(verdicts),
    ),
)  # fmt: skip
finals = st.builds(
    e.Final, instants, uuids, digests, st.sampled_from(["released", "withheld", "refused"]),
    _maybe(names), lists, _maybe(verdicts),
)  # fmt: skip
expired = st.builds(e.Expired, instants, uuids, digests)
cancels = st.builds(e.Cancel, instants, uuids, digests)
erasures = st.builds(e.Erasure, instants, uuids, names)
others = st.one_of(
    st.builds(e.Register, instants, digests),
    st.builds(e.Activation, instants, digests, _maybe(digests)),
    st.builds(e.KeyBundle, instants, names, names, names, texts, instants, instants, lists),
    st.builds(e.Anchor, instants, names, counts, digests),
    st.builds(e.Attempts, instants, digests, names, counts),
    st.builds(
        e.Case,
        instants,
        uuids,
        counts,
        names,
        names,
        digests,
        lists,
        _maybe(uuids),
        _maybe(digests),
    ),
)
exchange_entries: st.SearchStrategy[e.ExchangeEntry] = st.one_of(
    requests, accepted, refused, held, holds, approvals, answers, finals, cancels, expired, erasures
)
entries: st.SearchStrategy[e.Entry] = st.one_of(exchange_entries, others)


def placed(origin: str, index: int, entry: e.Entry) -> Placed:
    """An entry at its place; the writer is the one that the origin names."""
    parts = origin.split("/")
    writer = parts[1] if len(parts) > 1 else origin
    return Placed(Position(origin, writer, index), e.leaf_hex(entry.encode()), entry)
