"""Sealing keys: their ids, their life, and the bundle that announces them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.seal.envelopes import END, OTHER_SEED, SEED, START, bundle_of, reason_of

from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import KeyBundle, KeyState, SealingKey, SealingKeyRing, key_id_of

KEY = SealingKey.from_seed(SEED)
OTHER = SealingKey.from_seed(OTHER_SEED)
Fields = dict[str, object]


def refusal(call: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as caught:
        call()
    return reason_of(caught.value)


def test_a_seed_is_the_whole_key() -> None:
    made = SealingKey.generate()
    assert SealingKey.from_seed(made.seed).public == made.public
    assert made.key_id == key_id_of(made.public)
    assert made.key_id != SealingKey.generate().key_id
    assert made.seed.hex() not in repr(made)


@pytest.mark.parametrize("length", [0, 32, 95, 97])
def test_seeds_of_another_length_are_refused(length: int) -> None:
    assert refusal(lambda: SealingKey.from_seed(bytes(length))) is Reason.KEY_WEAK


def test_the_newest_active_key_is_announced_and_retired_ones_are_not() -> None:
    ring = SealingKeyRing([KEY, OTHER])
    assert ring.newest is OTHER
    ring.retire(OTHER.key_id, 100.0)
    assert ring.newest is KEY
    assert [ring.state(one.key_id) for one in (KEY, OTHER)] == [KeyState.ACTIVE, KeyState.RETIRED]
    ring.destroy(KEY.key_id)
    assert ring.state(KEY.key_id) is KeyState.DESTROYED
    assert refusal(lambda: ring.newest) is Reason.KEY_UNKNOWN


def test_a_key_life_goes_one_way() -> None:
    ring = SealingKeyRing([KEY])
    ring.retire(KEY.key_id, 100.0)
    ring.retire(KEY.key_id, 500.0)
    assert ring.opening(KEY.key_id, 99.9) is KEY
    assert refusal(lambda: ring.opening(KEY.key_id, 100.0)) is Reason.KEY_RETIRED
    ring.destroy(KEY.key_id)
    assert refusal(lambda: ring.add(KEY)) is Reason.KEY_RETIRED
    assert refusal(lambda: ring.retire(KEY.key_id, 500.0)) is Reason.KEY_RETIRED
    assert refusal(lambda: ring.retire(OTHER.key_id, 500.0)) is Reason.KEY_UNKNOWN


def test_a_bundle_survives_its_entry() -> None:
    bundle = KeyBundle.announce("macao", KEY, START, END, (OTHER.key_id,))
    fields = json.loads(json.dumps(bundle.to_fields()))
    assert KeyBundle.from_fields(fields) == bundle
    assert fields["not_before"] == "2026-03-01T00:00:00Z"
    assert fields["suite"] == "XBG-1"


def changed(**changes: object) -> Fields:
    return {**bundle_of(KEY).to_fields(), **changes}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (changed(suite="XBG-9"), Reason.SUITE_UNKNOWN),
        (changed(key_id=OTHER.key_id), Reason.ENTRY_INVALID),
        (changed(node="two words"), Reason.ENTRY_INVALID),
        (changed(node=7), Reason.ENTRY_INVALID),
        (changed(extra="x"), Reason.ENTRY_INVALID),
        ({k: v for k, v in changed().items() if k != "suite"}, Reason.ENTRY_INVALID),
        (changed(public_key="!!"), Reason.ENTRY_INVALID),
        (changed(public_key="AAAA"), Reason.KEY_WEAK),
        (changed(not_after="2026-03-01T00:00:00Z"), Reason.ENTRY_INVALID),
        (changed(not_after="2026-3-9T00:00:00Z"), Reason.ENTRY_INVALID),
        (changed(not_after="2026-03-09T00:00:00+00:00"), Reason.ENTRY_INVALID),
        (changed(retires=None), Reason.ENTRY_INVALID),
        (changed(retires=[KEY.key_id]), Reason.ENTRY_INVALID),
        (changed(retires=[OTHER.key_id, OTHER.key_id]), Reason.ENTRY_INVALID),
        (changed(retires=["ABC"]), Reason.ENTRY_INVALID),
        (changed(retires=[f"{n:032x}" for n in range(17)]), Reason.ENTRY_INVALID),
    ],
)
def test_a_bundle_that_is_not_sound_is_refused(fields: Fields, reason: Reason) -> None:
    assert refusal(lambda: KeyBundle.from_fields(fields)) is reason


@pytest.mark.parametrize(
    "share",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ],
)
def test_public_keys_with_a_low_order_share_are_weak(share: bytes) -> None:
    public = KEY.public[:-32] + share
    weak = lambda: KeyBundle("macao", key_id_of(public), "XBG-1", public, START, END)  # noqa: E731
    assert refusal(weak) is Reason.KEY_WEAK


def test_a_lattice_key_out_of_range_is_weak() -> None:
    public = b"\xff" * 1184 + KEY.public[-32:]
    weak = lambda: KeyBundle("macao", key_id_of(public), "XBG-1", public, START, END)  # noqa: E731
    assert refusal(weak) is Reason.KEY_WEAK


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 3, 1),  # noqa: DTZ001
        datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=8))),
        datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
    ],
)
def test_bundle_times_are_utc_and_whole_seconds(start: datetime) -> None:
    made = lambda: KeyBundle.announce("macao", KEY, start, END)  # noqa: E731
    assert refusal(made) is Reason.ENTRY_INVALID
