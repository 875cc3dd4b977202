"""A wrap serves one sender, one recipient, one key, one minute."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.seal.envelopes import (
    END,
    NOW_S,
    OTHER_SEED,
    SEED,
    START,
    bundle_of,
    reason_of,
)

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import (
    WRAP_BYTES,
    Epoch,
    ReceivingEpochs,
    SealingKey,
    SealingKeyRing,
    SendingEpochs,
)

KEY = SealingKey.from_seed(SEED)
EPOCH = Epoch.start("zhuhai", bundle_of(KEY))


def refusal(
    wrap: bytes,
    ring: SealingKeyRing | None = None,
    now_s: float = NOW_S,
    sender: str = "zhuhai",
    recipient: str = "macao",
) -> Reason:
    with pytest.raises(Refused) as caught:
        ReceivingEpochs(sender, recipient).open(wrap, ring or SealingKeyRing([KEY]), now_s)
    return reason_of(caught.value)


def test_the_recipient_finds_the_senders_secret() -> None:
    receiving = ReceivingEpochs("zhuhai", "macao")
    assert receiving.open(EPOCH.wrap, SealingKeyRing([KEY]), NOW_S) == EPOCH.secret
    assert EPOCH.wrap_hash == hashlib.sha256(EPOCH.wrap).digest()
    assert len(EPOCH.wrap) == WRAP_BYTES == 1185
    assert repr(EPOCH.secret) not in repr(EPOCH)


def test_a_wrap_is_bound_to_sender_and_recipient() -> None:
    assert refusal(EPOCH.wrap, sender="hengqin") is Reason.SEAL_BROKEN
    assert refusal(EPOCH.wrap, recipient="hengqin") is Reason.SEAL_BROKEN
    assert refusal(EPOCH.wrap, sender="macao", recipient="zhuhai") is Reason.SEAL_BROKEN


def test_a_wrap_is_bound_to_its_key_id() -> None:
    other = SealingKey.from_seed(OTHER_SEED)
    renamed = EPOCH.wrap[:1] + bytes.fromhex(other.key_id) + EPOCH.wrap[17:]
    assert refusal(renamed, SealingKeyRing([KEY, other])) is Reason.SEAL_BROKEN
    assert refusal(renamed) is Reason.KEY_UNKNOWN


def test_another_length_or_suite_is_refused() -> None:
    assert refusal(EPOCH.wrap[:-1]) is Reason.SEAL_BROKEN
    assert refusal(EPOCH.wrap + b"\0") is Reason.SEAL_BROKEN
    assert refusal(b"") is Reason.SUITE_UNKNOWN
    assert refusal(b"\x02" + EPOCH.wrap[1:]) is Reason.SUITE_UNKNOWN


@settings(max_examples=scaled(60), deadline=None)
@given(bit=st.integers(min_value=17 * 8, max_value=WRAP_BYTES * 8 - 1))
def test_any_flipped_bit_behind_the_key_id_breaks_the_wrap(bit: int) -> None:
    flipped = bytearray(EPOCH.wrap)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(bytes(flipped)) is Reason.SEAL_BROKEN


def test_a_low_order_share_inside_the_wrap_is_refused() -> None:
    start = 17 + 1088
    zeroed = EPOCH.wrap[:start] + bytes(32) + EPOCH.wrap[start + 32 :]
    assert refusal(zeroed) is Reason.SEAL_BROKEN


def test_retired_destroyed_and_unknown_keys_open_nothing() -> None:
    ring = SealingKeyRing([KEY])
    ring.retire(KEY.key_id, receive_until_s=NOW_S)
    assert ReceivingEpochs("zhuhai", "macao").open(EPOCH.wrap, ring, NOW_S - 1) == EPOCH.secret
    assert refusal(EPOCH.wrap, ring) is Reason.KEY_RETIRED
    ring.destroy(KEY.key_id)
    assert refusal(EPOCH.wrap, ring, NOW_S - 1) is Reason.KEY_RETIRED
    assert refusal(EPOCH.wrap, SealingKeyRing()) is Reason.KEY_UNKNOWN


def test_a_held_secret_does_not_outlive_its_key() -> None:
    ring = SealingKeyRing([KEY])
    receiving = ReceivingEpochs("zhuhai", "macao")
    receiving.open(EPOCH.wrap, ring, NOW_S)
    ring.destroy(KEY.key_id)
    with pytest.raises(Refused) as caught:
        receiving.open(EPOCH.wrap, ring, NOW_S)
    assert reason_of(caught.value) is Reason.KEY_RETIRED
    assert len(receiving) == 1
    receiving.forget(KEY.key_id)
    assert len(receiving) == 0


def test_held_secrets_are_bounded_and_the_least_recent_goes() -> None:
    ring = SealingKeyRing([KEY])
    receiving = ReceivingEpochs("zhuhai", "macao", held_max=2)
    epochs = [Epoch.start("zhuhai", bundle_of(KEY)) for _ in range(5)]
    for epoch in epochs:
        assert receiving.open(epoch.wrap, ring, NOW_S) == epoch.secret
        assert receiving.open(epochs[0].wrap, ring, NOW_S) == epochs[0].secret
        assert len(receiving) <= 2


def test_one_epoch_serves_a_minute() -> None:
    sending = SendingEpochs("zhuhai", bundle_of(KEY))
    first = sending.current(NOW_S)
    assert sending.current(NOW_S + limits.EPOCH_S_MAX - 0.001) is first
    second = sending.current(NOW_S + limits.EPOCH_S_MAX)
    assert second.secret != first.secret
    assert second.wrap_hash != first.wrap_hash


def test_one_epoch_serves_its_number_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EPOCH_MESSAGES_MAX", 3)
    sending = SendingEpochs("zhuhai", bundle_of(KEY))
    hashes = [sending.current(NOW_S).wrap_hash for _ in range(7)]
    assert len(set(hashes[:3])) == len(set(hashes[3:6])) == 1
    assert len(set(hashes)) == 3


def test_a_clock_gone_back_starts_a_new_epoch() -> None:
    sending = SendingEpochs("zhuhai", bundle_of(KEY))
    assert sending.current(NOW_S) is not sending.current(NOW_S - 1)


@pytest.mark.parametrize("now_s", [START.timestamp() - 1, END.timestamp()])
def test_nothing_is_sealed_outside_the_keys_announced_time(now_s: float) -> None:
    with pytest.raises(Refused) as caught:
        SendingEpochs("zhuhai", bundle_of(KEY)).current(now_s)
    assert reason_of(caught.value) is Reason.KEY_RETIRED


@pytest.mark.parametrize("node", ["", "a\0b", "a b", "x" * 65, "-a"])
def test_node_ids_that_read_two_ways_are_refused(node: str) -> None:
    with pytest.raises(Refused) as caught:
        ReceivingEpochs(node, "macao")
    assert reason_of(caught.value) is Reason.ENTRY_INVALID
    with pytest.raises(Refused):
        Epoch.start(node, bundle_of(KEY))
