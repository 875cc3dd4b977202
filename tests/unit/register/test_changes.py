"""Changes of a register as values: strict bytes, one owner, and the same result on every node."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled

from xbgateway.demo.register import NodeKeys, demo_register
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import Register, load_register
from xbgateway.register.changes import Change, changed, layered, made_change, record_of
from xbgateway.register.document import body_of, register_of
from xbgateway.register.entries import Document
from xbgateway.register.owners import owner_of

AT = "2026-11-20T02:00:00.000Z"
CONSENT = ("consent", "CNS-2026-0000000001")


def document() -> dict[str, Any]:
    nodes = [
        NodeKeys(one, f"{one}.xbg.test", "localhost:1", f"{number:064x}", f"{number + 9:064x}")
        for number, one in enumerate(("zhuhai", "macao"), start=1)
    ]
    return demo_register(nodes, date(2026, 11, 1))


def loaded(raw: dict[str, Any] | None = None) -> Register:
    return load_register(yaml.safe_dump(raw or document()).encode(), None)


BASE = loaded()


def edit(register: Register, kind: str, record_id: str, by: str, **values: Any) -> Change:
    record = register.record(kind, record_id)
    assert record is not None
    after = record_of(kind, body_of(record) | values)
    return made_change(register, by, AT, "amend", values, after)


def incident(register: Register, name: str, node: str, **values: Any) -> Change:
    body = {"kind": "incident", "id": name, "severity": "major", "opened_on": "2026-11-20"}
    return made_change(register, node, AT, "open", {}, record_of("incident", body | values))


# What officers of each side may do at any time; none waits for another.
STEPS: dict[str, list[Callable[[Register, int], Change]]] = {
    "zhuhai": [
        lambda r, n: edit(r, *CONSENT, "zhuhai", withdrawn_on=f"2026-11-{1 + n % 28:02}"),
        lambda r, n: edit(r, "party", "cn.zhuhai.hrss", "zhuhai", ciio=bool(n % 2)),
        lambda r, n: incident(r, f"I-ZH-{n}", "zhuhai", parties=["mo.fss"]),
    ],
    "macao": [
        lambda r, n: edit(r, "party", "mo.fss", "macao", security_officer=bool(n % 2)),
        lambda r, n: edit(r, "dataset", "DS-MO-SI-001", "macao", min_age=n % 100),
        lambda r, n: incident(r, f"I-MO-{n}", "macao", datasets=["DS-MO-SI-001"]),
    ],
}


@settings(max_examples=scaled(40), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["zhuhai", "macao"]), st.integers(0, 2)), max_size=12))
def test_replayed_in_the_order_of_each_side_changes_make_one_register(
    drawn: list[tuple[str, int]],
) -> None:
    """Each side has its own first; once both have everything they have the same; restarted too."""
    made: dict[str, list[Change]] = {"zhuhai": [], "macao": []}
    both = BASE
    for number, (side, which) in enumerate(drawn):
        change = STEPS[side][which](both, number)
        both = changed(both, Change.decode(change.encode()))
        made[side].append(change)
    for first, second in (("zhuhai", "macao"), ("macao", "zhuhai")):
        order = [*made[first], *made[second]]
        register = BASE
        for change in order:
            register = changed(register, change)
        restarted, astray = layered(BASE, order)
        assert not astray
        for found in (register, restarted):
            assert (found.version, found.etags) == (both.version, both.etags)
            assert found.makers == both.makers
    fresh = register_of(Document.model_validate(body_of(both.document)), both.descriptor_sets)
    assert fresh.version == both.version, "a change costs one digest and still names everything"


def altered(raw: bytes, **values: Any) -> bytes:
    return orjson.dumps(orjson.loads(raw) | values, option=orjson.OPT_SORT_KEYS)


RAW = edit(BASE, *CONSENT, "zhuhai", withdrawn_on="2026-11-20").encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        RAW + b" ",
        b" " + RAW,
        RAW[:-1],
        altered(RAW, v=2),
        altered(RAW, more=1),
        altered(RAW, at=1),
        altered(RAW, given=[]),
        altered(RAW, after="x"),
        altered(RAW, before=7),
        b'{"v":1}',
        b"{" + b" " * 70_000 + b"}",
    ],
)
def test_what_is_not_exactly_a_change_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        Change.decode(raw)
    assert refused.value.reason is Reason.CHANGE_INVALID


NOTICE = edit(BASE, "notice", "N-7", "zhuhai", exempt_cn_ref="x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replace(NOTICE, before="0" * 64), Reason.ETAG_MISMATCH),
        (replace(NOTICE, before=None), Reason.ETAG_MISMATCH),
        (replace(NOTICE, id="N-8", before=None), Reason.CHANGE_INVALID),
        (replace(NOTICE, node="macao"), Reason.NOT_OWNER),
        (replace(NOTICE, after=dict(NOTICE.after) | {"colour": 1}), Reason.CHANGE_INVALID),
        (replace(NOTICE, kind="pipia"), Reason.CHANGE_INVALID),
        (incident(BASE, "N-7", "zhuhai"), Reason.CHANGE_INVALID),
        (incident(BASE, "I-1", "zhuhai", datasets=["DS-NONE"]), Reason.REFERENCE_UNKNOWN),
        (incident(BASE, "I-1", "zhuhai", parties=["mo.none"]), Reason.REFERENCE_UNKNOWN),
        (edit(BASE, "party", "mo.fss", "macao", node="zhuhai"), Reason.NOT_OWNER),
        (edit(BASE, "party", "mo.fss", "zhuhai", node="zhuhai"), Reason.NOT_OWNER),
        (
            made_change(
                BASE,
                *("macao", AT, "approve", {}),
                record_of(
                    "state_assessment",
                    {
                        "kind": "state_assessment",
                        "id": "SA-MO",
                        "valid_until": "2027-01-01",
                        "purposes": ["CONTRIB_QUERY"],
                        "recipients": ["mo.fss"],
                    },
                ),
            ),
            Reason.NOT_OWNER,
        ),
    ],
)
def test_each_bad_change_has_its_reason_and_changes_nothing(change: Change, reason: Reason) -> None:
    before = BASE.version
    with pytest.raises(Refused) as refused:
        changed(BASE, change)
    assert refused.value.reason is reason
    assert BASE.version == before


def test_papers_belong_to_who_made_them_else_to_whom_they_name_first() -> None:
    register = changed(BASE, incident(BASE, "I-1", "macao", parties=["cn.zhuhai.hrss"]))
    owners = {
        name: owner_of(register, record)
        for kind, name in (
            *(("incident", "I-1"), ("consent", CONSENT[1]), ("mo_processing", "MP-2026-001")),
            *(("notice", "N-7"), ("dataset", "DS-MO-SI-001")),
        )
        if (record := register.record(kind, name)) is not None
    }
    assert owners == {
        "I-1": "macao",
        CONSENT[1]: "zhuhai",
        "MP-2026-001": "macao",
        "N-7": "zhuhai",
        "DS-MO-SI-001": "macao",
    }


def test_where_document_and_store_both_changed_a_record_the_store_wins_and_it_is_named() -> None:
    change = edit(BASE, *CONSENT, "zhuhai", withdrawn_on="2026-11-20")
    raw = document()
    [paper] = [one for one in raw["instruments"] if one["id"] == CONSENT[1]]
    paper["expires_on"] = "2026-12-31"
    register, astray = layered(loaded(raw), [change])
    assert astray == (CONSENT,)
    assert register.etags[CONSENT] == changed(BASE, change).etags[CONSENT]
    paper["expires_on"] = body_of(change.record)["expires_on"]
    paper["withdrawn_on"] = "2026-11-20"
    assert layered(loaded(raw), [change])[1] == (), "the file says what the store says"
    raw["instruments"] = []
    raw["scenarios"] = []
    raw["parties"] = [one for one in raw["parties"] if one["id"] != "cn.zhuhai.hrss"]
    raw["services"] = raw["datasets"] = []
    with pytest.raises(Refused) as refused:
        layered(loaded(raw), [change])
    assert refused.value.reason is Reason.CONFIG_INVALID
