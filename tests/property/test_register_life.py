"""Random lives of register records: what is legal succeeds, and nothing else happens."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.facts import make_facts
from tests.harness.life import after, dues, refusal, revision, state, terms
from tests.harness.scale import scaled

from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.day import Day
from xbgateway.policy.operation import agreement as projected
from xbgateway.register.entries import Document
from xbgateway.register.life import MACHINES, Event, Machine, legal
from xbgateway.register.values import Record

TEXTS = {"zh-Hans": "一", "zh-Hant": "一", "pt": "um", "en": "one"}
NODE = {
    "id": "zhuhai",
    "trust_domain": "zhuhai.xbg.test",
    "jurisdiction": "CN",
    "address": "localhost:1",
    "log_key": "0a" * 32,
    "cosign_key": "0b" * 32,
}
LISTS = {"party": "parties", "dataset": "datasets", "scenario": "scenarios"}
LEG: dict[str, Any] = {"basis": {"cn": "statutory_duty"}}

Given = dict[str, Any]


def plus(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


# What an officer would give for a field, on a day.
VALUES: dict[str, Callable[[str], Any]] = {
    "id": lambda _: "R-1",
    "name": lambda _: TEXTS,
    "title": lambda _: TEXTS,
    "node": lambda _: "zhuhai",
    "jurisdiction": lambda _: "MO",
    "region": lambda _: "macao",
    "role": lambda _: "holder",
    "level": lambda _: "L3",
    "suspension": lambda _: "objection",
    "owner": lambda _: "a",
    "authority": lambda _: "a",
    "operator": lambda _: "b",
    "scenario": lambda _: "SC",
    "scenarios": lambda _: [{"scenario": "SC", "datasets": ["DS"]}],
    "request": lambda _: LEG,
    "answer": lambda _: LEG,
    "services": lambda _: ["a.B"],
    "severity": lambda _: "major",
    "consent_kind": lambda _: "separate",
    "transfer_kind": lambda _: "art20_1",
    "special": lambda _: "crime",
    "ground": lambda _: "public_interest",
    "exempt_art": lambda _: "CBDF5-1",
    "items": lambda _: ["handler"],
    "purposes": lambda _: ["STATS"],
    "powers": lambda _: ["STATS"],
    "officer_roles": lambda _: ["cdo"],
    **{one: lambda _: False for one in ("registered_in_gba", "state_organ", "ciio", "important")},
    **{one: lambda _: ["a"] for one in ("parties", "recipients", "callers", "providers")},
    "datasets": lambda _: ["DS"],
    **{one: lambda day: plus(day, 100) for one in ("trial_until", "expires_on", "until")},
    "valid_until": lambda day: plus(day, 500),
    "rectify_by": lambda day: plus(day, 20),
    "exit_on": lambda day: plus(day, 30),
    **{one: lambda day: day for one in ("province_filed_on", "effective_on", "started_on")},
    **{one: lambda _: "REF-1" for one in ("notif_no", "auth_no", "filing_no", "kind")},
    **{one: lambda _: "REF-1" for one in ("network_review_ref", "emergency_plan_ref", "pipia_ref")},
    **{one: lambda _: "REF-1" for one in ("revocation_ref", "special_law_ref")},
    **{one: lambda day: day for one in ("review_on", "training_passed_on")},
}
# What besides has to be given for it to succeed.
BESIDES: dict[tuple[str, str], tuple[str, ...]] = {
    ("mechanism", "sign"): ("pipia_ref",),
    ("agreement", "file_papers"): ("emergency_plan_ref", "training_passed_on", "review_on"),
    ("mo_transfer", "notify"): ("ground",),
    ("party", "amend"): ("region",),
    ("dataset", "amend"): ("title",),
    ("notice", "amend"): ("items",),
    ("contract", "amend"): ("purposes",),
    ("consent", "narrow"): ("purposes",),
    ("incident", "reassess"): ("severity",),
}
# Other first words than those of VALUES, so that each event happens in some life.
BEGINNINGS: dict[tuple[str, str], tuple[Given, ...]] = {
    ("mechanism", "draft"): tuple(
        {"type": one} for one in ("gba_sc", "cn_sc", "security_assessment", "certification")
    ),
    ("contract", "draft"): ({"type": "entrusting"}, {"type": "provision"}),
    ("evidence", "record"): ({"type": "contract"},),
    ("mo_transfer", "declare"): ({}, {"transfer_kind": "art20_2_auth"}),
    ("consent", "give"): (
        {},
        {"consent_kind": "guardian", "child": True, "guardian_ref": "REF-1"},
    ),
    ("incident", "open"): ({}, {"severity": "ordinary"}),
}


def words(kind: str, event: Event, day: str) -> Given:
    needed = (*event.must, *BESIDES.get((kind, event.name), ()))
    return {one: VALUES[one](day) for one in needed if one != "type"}


def stands_in_a_document(kind: str, record: Record) -> None:
    written = record.model_dump(mode="json", by_alias=True)
    document = {"version": 1, "environment": "test", "nodes": [NODE]}
    document[LISTS.get(kind, "instruments")] = [written]
    read = getattr(Document.model_validate(document), LISTS.get(kind, "instruments"))
    assert read == (record,)


def begin(draw: st.DrawFn, kind: str, day: str) -> Any:
    machine = MACHINES[kind]
    event = draw(st.sampled_from([one for one in machine.events if not one.sources]))
    first = draw(st.sampled_from(BEGINNINGS.get((kind, event.name), ({},))))
    return after(kind, None, event.name, day, **(words(kind, event, day) | first))


# Events that time or an earlier event may forbid, and by which guards.
CONDITIONAL: dict[tuple[str, str], set[str]] = {
    ("agreement", "begin_trial"): {"emergency_plan_ref_given", "trained", "trial_in_term"},
    ("agreement", "approve_operation"): {"emergency_plan_ref_given", "trained", "audited"},
    ("agreement", "reapply"): {"window"},
    ("agreement", "renew"): {"reapplied"},
    ("agreement", "rectify"): {"rectified_in_time"},
    ("mechanism", "sign"): {"type"},
    ("mechanism", "approve"): {"type"},
    ("mechanism", "file_extension"): {"type", "window"},
    ("mechanism", "extend"): {"extension_filed"},
    ("mo_transfer", "notify"): {"transfer_kind"},
    ("mo_transfer", "authorise"): {"transfer_kind"},
    ("contract", "confirm_return"): {"entrusted"},
    ("contract", "sign"): {"expires_on_order"},
    ("incident", "close"): {"reported"},
}


@pytest.mark.parametrize("kind", sorted(MACHINES))
@settings(max_examples=scaled(40), deadline=None)
@given(st.data())
def test_a_life_goes_only_where_its_table_says(kind: str, data: st.DataObject) -> None:
    machine = MACHINES[kind]
    day = data.draw(st.sampled_from(["2026-03-16", "2026-08-31", "2027-12-31", "2028-02-29"]))
    record = data.draw(st.composite(begin)(kind, day))
    named = record.id
    for _ in range(data.draw(st.integers(4, 12))):
        stands_in_a_document(kind, record)
        day = plus(day, data.draw(st.sampled_from([0, 0, 1, 8, 30, 90, 400])))
        now = state(record, day)
        assert now in machine.states
        open_now = legal(record, date.fromisoformat(day), terms(day))
        assert {one.what for one in dues(record, day)} <= set(machine.due)
        for event in machine.events:
            if event.name not in open_now:
                error = refusal(kind, record, event.name, day)
                assert error.reason == Reason.TRANSITION_ILLEGAL
                assert error.metadata["legal"] == ",".join(open_now)
        if not open_now:
            return
        event = data.draw(st.sampled_from(going_on(machine, open_now)))
        before, kept = record, record.model_copy(deep=True)
        record = attempt(kind, before, event, day)
        assert before == kept
        if record is not before:
            assert state(record, day) in (event.to or (now,))
            assert record.id == named


def going_on(machine: Machine, open_now: tuple[str, ...]) -> list[Event]:
    """What can happen, the ends of a life once only among the rest, or lives would be short."""
    found = [one for one in machine.events if one.name in open_now]
    ends = {one for one in machine.states if not machine.legal(one)}
    return [one for one in found if not ends & set(one.to)] * 3 + found


def attempt(kind: str, record: Any, event: Event, day: str) -> Any:
    """The record after a legal event, or as it was where a condition of its own forbids it."""
    try:
        return after(kind, record, event.name, day, **words(kind, event, day))
    except Refused as refused:
        error = refused
    assert error.reason == Reason.TRANSITION_REFUSED, error
    assert error.metadata["guard"] in CONDITIONAL.get((kind, event.name), set()), error
    return record


def test_every_event_is_there_once_and_between_known_states() -> None:
    roles = {row.values["role"] for row in revision().tables.rows if row.table == "roles"}
    for machine in MACHINES.values():
        names = [one.name for one in machine.events]
        assert len(set(names)) == len(names), machine.kind
        for event in machine.events:
            assert {*event.sources, *event.to} <= set(machine.states)
            assert set(event.roles) <= roles
            assert event.roles
            assert event.sources or event.to
            named = {*event.must, *event.optional, *event.clears, *event.sets}
            assert named <= set(machine.model.model_fields)
            assert "id" not in named or not event.sources


def lawful(said: Given) -> bool:
    """Whether HZ-AO-1, -2, -10 and -11 let it pass."""
    return (
        said["state"] == "valid"
        and said["trial"] in {"none", "inside"}
        and said["operation"] == "running"
        and said["exit"] in {"none", "announced"}
    )


@settings(max_examples=scaled(100), deadline=None)
@given(st.data())
def test_the_law_lets_pass_the_states_of_operation(data: st.DataObject) -> None:
    base = make_facts("operation_product").standing.agreement
    assert base is not None
    names = {one.name for one in fields(base)}
    day = "2024-03-01"
    record = data.draw(st.composite(begin)("agreement", day))
    for path in (["review", "publish", "file_papers", "sign"], None, None, None, None, None):
        for name in path or [data.draw(st.sampled_from(sorted(OPERATION)))]:
            day = plus(day, 0 if path else data.draw(st.sampled_from([0, 1, 30, 200])))
            event = MACHINES["agreement"].event(name)
            assert event is not None
            try:
                record = after("agreement", record, name, day, **words("agreement", event, day))
            except Refused:
                assert path is None
        tables = revision().tables
        today = date.fromisoformat(day)
        facts = replace(base, **record.model_dump(include=names))
        said = projected(facts, Day(today, tables.cuts[tables.edition(today)]))
        now = state(record, day)
        assert lawful(said) == (now in {"signed", "trial", "regular", "leaving"}), (now, said)


OPERATION = {one.name for one in MACHINES["agreement"].events if one.sources} - {"reject"}
