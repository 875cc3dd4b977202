"""The one reading of entries: any order, anything among them, and an end that stays the end."""

from dataclasses import replace
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.model import entries as make

from xbgateway.model.entry import (
    Accepted,
    Answer,
    Approval,
    Cancel,
    Entry,
    Erasure,
    Expired,
    Final,
    Held,
    Hold,
    Refused_,
    Request,
    Sealed,
    Verdict,
)
from xbgateway.model.outcome import TERMINAL, Outcome, Placed, State, by_exchange, outcome

EXCHANGE = "01890000-0000-7000-8000-000000000000"
OUT, BACK = "z.test/zhuhai/macao/lane/0", "m.test/macao/zhuhai/lane/0"
ORIGINS = (
    OUT,
    BACK,
    "z.test/zhuhai/macao/lane/1",
    "m.test/macao/zhuhai/lane/1",
    "h.test/hengqin/macao/lane/0",
    "m.test/macao/hengqin/lane/0",
    "z.test/zhuhai/home",
    "z.test/zhuhai/macao/control",
    "no origin at all",
)


WHEN, ZERO = "2026-03-16T02:00:00.000Z", "0" * 64
SEALED = Sealed(ZERO, ZERO, ZERO, 1, "XBG-1", "key", ZERO)
VERDICT = Verdict(ZERO, ZERO, ZERO, ZERO)
# One of each kind and status; the stories put them into logs and let them name each other.
KINDS: tuple[Entry, ...] = (
    Request(WHEN, EXCHANGE, "a", "b", "s", "m", "p", 0, WHEN, SEALED, VERDICT),
    Hold(WHEN, EXCHANGE, "a", "b", "s", "m", "p", "officer", (), WHEN, VERDICT),
    Held(WHEN, EXCHANGE, ZERO, "officer", (), WHEN, VERDICT),
    Approval(WHEN, EXCHANGE, ZERO, "yes", "officer"),
    Approval(WHEN, EXCHANGE, ZERO, "no", "officer"),
    Accepted(WHEN, EXCHANGE, ZERO, 0, VERDICT),
    Accepted(WHEN, EXCHANGE, ZERO, 1, VERDICT),
    Refused_(WHEN, EXCHANGE, "because", ("R",)),
    Refused_(WHEN, EXCHANGE, "because", ("R",), ZERO),
    Expired(WHEN, EXCHANGE, ZERO),
    Answer(WHEN, EXCHANGE, ZERO, "answered", 0, sealed=SEALED),
    Answer(WHEN, EXCHANGE, ZERO, "failed", 0, sealed=SEALED),
    Answer(WHEN, EXCHANGE, ZERO, "withheld", 0, "because"),
    Answer(WHEN, EXCHANGE, ZERO, "not_called", 0),
    Answer(WHEN, EXCHANGE, ZERO, "unknown", 0),
    Final(WHEN, EXCHANGE, ZERO, "released"),
    Final(WHEN, EXCHANGE, ZERO, "withheld", "because"),
    Erasure(WHEN, EXCHANGE, "retention"),
    Cancel(WHEN, EXCHANGE, ZERO),
)


BEGINNINGS = (
    *((), (7,), (0,), (0, 2), (0, 8), (0, 9), (1,), (1, 3, 0), (0, 2, 3, 2, 4), (1, 3, 1)),
    *((0, 5), (0, 5, 10), (0, 5, 12), (0, 5, 13), (0, 5, 14)),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Placed]:
    """Entries that name each other often enough to mean something, in any logs, with any junk."""
    nexts: dict[str, int] = {}
    found: list[Placed] = []

    def place(origin: str, entry: Any, named: str | None) -> None:
        for name in ("request", "answer", "hold"):
            if named and getattr(entry, name, None):
                entry = replace(entry, **{name: named})
        index = nexts[origin] = nexts.get(origin, -1) + draw(st.integers(1, 3))
        found.append(make.placed(origin, index, entry))

    # How it begins: not at all, refused at home, or with a request and the receiver's first word.
    for kind in draw(st.sampled_from(BEGINNINGS)):
        origin = {0: OUT, 7: ORIGINS[6]}.get(kind, BACK)
        place(origin, KINDS[kind], found[0].leaf if found else None)
    for _ in range(draw(st.integers(0, 10))):
        leaves = [found[0].leaf, *(p.leaf for p in found), ZERO] if found else [ZERO]
        place(
            draw(st.sampled_from((BACK, OUT, BACK, *ORIGINS))),
            draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(leaves)),
        )
    return found


def test_stories_come_to_every_end() -> None:
    """The generator is not idle: every outcome occurs in it."""
    seen: set[Outcome] = set()

    @given(stories())
    @settings(
        max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate]
    )
    def look(story: list[Placed]) -> None:
        seen.add(outcome(story, "zhuhai").outcome)

    look()
    assert seen == set(Outcome)


@given(stories(), st.data())
@settings(max_examples=scaled(120), deadline=None)
def test_the_order_of_arrival_does_not_matter(story: list[Placed], data: st.DataObject) -> None:
    sender = data.draw(st.sampled_from([None, "zhuhai", "macao"]))
    shuffled = data.draw(st.permutations([*story, *story[:3]]))  # and some arrive twice
    assert outcome(shuffled, sender) == outcome(story, sender)


@given(stories(), st.data())
@settings(max_examples=scaled(120), deadline=None)
def test_any_part_of_any_story_has_an_outcome(story: list[Placed], data: st.DataObject) -> None:
    part = [p for p in story if data.draw(st.booleans())]
    state = outcome(part)
    assert state.outcome in set(Outcome)
    kept = list(state.evidence)
    assert all(p in part for p in kept)
    assert len({p.position for p in kept}) == len(kept)
    assert not set(state.anomalies) & set(kept)
    assert [s for _, s in by_exchange(part)] == ([state] if part else [])


@given(stories(), stories())
@settings(max_examples=scaled(120), deadline=None)
def test_an_end_is_the_end_whatever_is_appended(story: list[Placed], junk: list[Placed]) -> None:
    """Logs only grow: what comes later stands later in its own log."""
    state = outcome(story, "zhuhai")
    if state.outcome not in TERMINAL:
        return
    ends: dict[str, int] = {}
    for p in story:
        ends[p.position.origin] = max(ends.get(p.position.origin, 0), p.position.index + 1)
    later = [
        make.placed(p.position.origin, p.position.index + ends.get(p.position.origin, 0), p.entry)
        for p in junk
        # The sender may confirm once, and say once that it would have it back, which changes
        # nothing; and a home-log refusal is of an exchange that never opened.
        if not isinstance(p.entry, Final | Cancel)
        and (state.outcome is not Outcome.REFUSED or p.position.origin.endswith("/home"))
    ]
    after = outcome([*story, *later], "zhuhai")
    assert after.outcome is state.outcome
    assert after.reason == state.reason
    assert _in_lanes(after) == _in_lanes(state)


def _in_lanes(state: State) -> list[Placed]:
    """Without the sender's home log, which nobody else ever reads."""
    return [p for p in state.evidence if not p.position.origin.endswith("/home")]


@given(stories(), st.sampled_from((OUT, *ORIGINS[2:])), st.sampled_from([0, 1]))
@settings(max_examples=scaled(120), deadline=None)
def test_an_end_is_the_end_though_its_id_is_used_again(
    story: list[Placed], origin: str, kind: int
) -> None:
    """By the sender itself: further down in the lane, or anywhere in a log that held none of it."""
    state = outcome(story, "zhuhai")
    if state.outcome not in TERMINAL - {Outcome.REFUSED}:
        return
    ends = [p.position.index + 1 for p in story if p.position.origin == origin]
    again = make.placed(origin, max(ends, default=0), replace(KINDS[kind], at="2027" + WHEN[4:]))
    after = outcome([*story, again], "zhuhai")
    assert (after.outcome, after.evidence) == (state.outcome, state.evidence)


def _opens(placed: Placed) -> bool:
    return placed.entry.kind in {"request", "hold"}


@given(stories())
@settings(max_examples=scaled(120), deadline=None)
def test_only_the_receivers_entries_end_an_exchange(story: list[Placed]) -> None:
    own = [p for p in story if p.position.writer == "zhuhai"]
    if any(_opens(p) for p in own if p.position.origin == OUT):
        assert outcome(own, "zhuhai").outcome in {
            Outcome.PENDING,
            Outcome.HELD,
            Outcome.REFUSED,  # only before anything was asked
        }
        state = outcome(story, "zhuhai")
        if state.outcome in TERMINAL - {Outcome.REFUSED}:
            assert any(p.position.writer == "macao" for p in state.evidence)


@given(stories())
@settings(max_examples=scaled(120), deadline=None)
def test_to_ask_for_it_back_ends_nothing(story: list[Placed]) -> None:
    """What came of an exchange is what came of it without the sender's cancels."""
    state, without = (outcome(s, "zhuhai") for s in (story, [p for p in story if not _cancels(p)]))
    assert replace(state, cancel=None, evidence=(), anomalies=()) == replace(
        without, evidence=(), anomalies=()
    )
    assert [p for p in state.evidence if not _cancels(p)] == list(without.evidence)
    asked = [p for p in state.evidence if _cancels(p)]
    assert asked == ([state.cancel] if state.cancel else [])
    for p in asked:
        assert isinstance(p.entry, Cancel)
        assert state.request is not None
        assert (p.position.origin, p.entry.request) == (OUT, state.request.leaf)


def _cancels(placed: Placed) -> bool:
    return isinstance(placed.entry, Cancel)


def at(entry: Any, origin: str, index: int) -> Placed:
    return make.placed(origin, index, entry)


@given(make.requests, make.verdicts)
@settings(max_examples=scaled(40), deadline=None)
def test_the_plain_stories(request: Request, verdict: Any) -> None:
    r = at(replace(request, exchange=EXCHANGE), OUT, 4)
    when = request.at
    yes = at(Accepted(when, EXCHANGE, r.leaf, 0, verdict), BACK, 7)

    def answered(status: Any) -> Placed:
        sealed = request.sealed if status in ("answered", "failed") else None
        return at(Answer(when, EXCHANGE, r.leaf, status, 0, sealed=sealed), BACK, 9)

    ends = {
        "answered": Outcome.EXECUTED,
        "failed": Outcome.EXECUTED,
        "withheld": Outcome.EXECUTED_ANSWER_WITHHELD,
        "not_called": Outcome.NOT_EXECUTED,
        "unknown": Outcome.UNKNOWN,
    }
    assert outcome([r]).outcome is Outcome.PENDING
    assert outcome([r, yes]).accepted
    for status, end in ends.items():
        assert outcome([r, yes, answered(status)]).outcome is end
        assert outcome([r, answered(status)]).outcome is Outcome.PENDING  # nothing was accepted
    done = answered("answered")
    kept = Final(when, EXCHANGE, done.leaf, "withheld", reason="law")
    assert outcome([r, yes, done, at(kept, OUT, 8)]).outcome is Outcome.EXECUTED_ANSWER_WITHHELD
    no: Entry
    for no, end in (
        (Refused_(when, EXCHANGE, "no", (), r.leaf), Outcome.NOT_EXECUTED),
        (Expired(when, EXCHANGE, r.leaf), Outcome.EXPIRED),
    ):
        assert outcome([r, at(no, BACK, 5), yes, done]).outcome is end
        assert outcome([r, yes, at(no, BACK, 8), done]).outcome is Outcome.EXECUTED
        assert outcome([r, at(no, ORIGINS[3], 5)]).outcome is Outcome.PENDING  # the wrong lane
        assert outcome([r, at(no, ORIGINS[5], 5)]).outcome is Outcome.PENDING  # another's log
        assert outcome([r, at(no, OUT, 5)]).outcome is Outcome.PENDING  # the sender's own
    home = at(Refused_(when, EXCHANGE, "POLICY_DENIED", ("R",)), ORIGINS[6], 0)
    assert outcome([home]).outcome is Outcome.REFUSED


@given(make.requests, st.sampled_from([ORIGINS[6], OUT]))
@settings(max_examples=scaled(20), deadline=None)
def test_the_stories_of_a_hold_of_the_sender(request: Request, log: str) -> None:
    """At home or in the lane: the log that answers differs, the rest does not."""
    answers, other = (log, BACK) if log.endswith("/home") else (BACK, log)
    asks = Hold(WHEN, EXCHANGE, "a", "b", "s", "m", "p", "cdo", ("R",), WHEN, VERDICT)
    hold, again = at(asks, log, 0), at(replace(asks, role="compliance"), log, 5)

    def said(word: Any, origin: str = answers, role: str = "cdo", index: int = 2) -> Placed:
        named = hold if role == "cdo" else again
        return at(Approval(WHEN, EXCHANGE, named.leaf, word, role), origin, index)

    asked = at(replace(request, exchange=EXCHANGE), OUT, 9)
    no = at(Refused_(WHEN, EXCHANGE, "HOLD_REJECTED", ("R",)), log, 8)
    state = outcome([hold])
    assert (state.outcome, state.hold) == (Outcome.HELD, hold)
    assert outcome([hold, said("no")]).outcome is Outcome.HELD  # until whoever asked says so
    assert outcome([hold, said("yes")]).outcome is Outcome.PENDING
    assert outcome([hold, said("yes"), asked]).request == asked
    assert [outcome(s).outcome for s in ([hold, no], [hold, said("no"), no])] == [
        Outcome.REFUSED,
        Outcome.REFUSED,
    ]
    two = [hold, said("yes"), again]
    assert (outcome(two).outcome, outcome(two).hold) == (Outcome.HELD, again)
    both = [*two, said("yes", role="compliance", index=7), asked]
    assert [p.leaf for p in outcome(both).approvals] == [both[1].leaf, both[3].leaf]
    assert not outcome(both).anomalies
    forged = (
        said("yes", other),
        said("yes", ORIGINS[3]),
        at(Approval(WHEN, EXCHANGE, hold.leaf, "yes", "compliance"), answers, 2),
        at(Approval(WHEN, EXCHANGE, ZERO, "yes", "cdo"), answers, 2),
    )
    for each in forged:
        state = outcome([hold, each])
        assert (state.outcome, state.approvals) == (Outcome.HELD, ())
        assert state.anomalies == (each,)
    late = said("no", index=7)
    assert outcome([hold, said("yes"), late]).outcome is Outcome.PENDING
    assert outcome([hold, said("yes"), late]).anomalies == (late,)


@given(make.requests)
@settings(max_examples=scaled(20), deadline=None)
def test_the_stories_of_a_request_that_its_receiver_holds(request: Request) -> None:
    asked = at(replace(request, exchange=EXCHANGE), OUT, 0)
    held = at(Held(WHEN, EXCHANGE, asked.leaf, "cdo", ("R",), WHEN, VERDICT), BACK, 1)
    more = at(Held(WHEN, EXCHANGE, asked.leaf, "compliance", ("R",), WHEN, VERDICT), BACK, 3)

    def said(word: Any, hold: Placed, role: str, origin: str, index: int) -> Placed:
        return at(Approval(WHEN, EXCHANGE, hold.leaf, word, role), origin, index)

    yes, no = (said(word, held, "cdo", BACK, 2) for word in ("yes", "no"))
    accepted = at(Accepted(WHEN, EXCHANGE, asked.leaf, 0, VERDICT), BACK, 6)
    assert outcome([asked, held, accepted]).outcome is Outcome.HELD
    assert not outcome([asked, held, accepted]).accepted
    assert outcome([asked, held, yes, accepted]).accepted
    assert outcome([asked, held, no, accepted]).outcome is Outcome.NOT_EXECUTED
    assert outcome([asked, held, no]).reason == "HOLD_REJECTED"
    assert outcome([asked, held, yes, more, accepted]).hold == more
    last = said("yes", more, "compliance", BACK, 4)
    assert outcome([asked, held, yes, more, last, accepted]).accepted
    assert outcome([asked, held, said("yes", held, "cdo", OUT, 2)]).outcome is Outcome.HELD
