"""Every part of an envelope is bound to every other: change one and nothing opens."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.seal.envelopes import (
    HEADER,
    NOW_S,
    OTHER_SEED,
    PAYLOAD,
    Envelope,
    bundle_of,
    envelope,
    reason_of,
)

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import (
    OVERHEAD_BYTES,
    Epoch,
    ReceivingEpochs,
    SealingKey,
    SealingKeyRing,
    commitment,
    digest,
    header_hash,
    message_key,
    open_sealed,
    random_bytes,
    seal,
)

ONE = envelope()


def refusal(made: Envelope = ONE, **changed: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        made.open(**changed)
    return reason_of(caught.value)


@settings(max_examples=scaled(40), deadline=None)
@given(payload=st.binary(max_size=4096), header=st.binary(max_size=512))
def test_what_is_sealed_opens_to_the_same_bytes(payload: bytes, header: bytes) -> None:
    made = envelope(payload, header)
    assert made.open() == payload
    assert len(made.sealed) == len(payload) + OVERHEAD_BYTES
    assert payload == b"" or len(payload) < 8 or payload not in made.sealed


def test_a_swapped_header_field_breaks_the_seal() -> None:
    assert refusal(header=HEADER.replace(b"request", b"answer!")) is Reason.SEAL_BROKEN
    assert refusal(header=HEADER + b" ") is Reason.SEAL_BROKEN
    assert refusal(header=b"") is Reason.SEAL_BROKEN


def test_another_messages_body_under_this_header_does_not_open() -> None:
    body, _promise = seal(ONE.epoch, HEADER, b"something else")
    assert refusal(sealed=body) is Reason.SEAL_BROKEN


def test_another_messages_commitment_does_not_open_this_body() -> None:
    assert refusal(commitment_digest=_another(PAYLOAD)) is Reason.SEAL_BROKEN
    assert refusal(commitment_digest=b"") is Reason.SEAL_BROKEN


def test_another_epochs_wrap_does_not_open_this_body() -> None:
    other = Epoch.start("zhuhai", ONE.bundle)
    assert refusal(wrap=other.wrap, wrap_hash=other.wrap_hash) is Reason.SEAL_BROKEN
    assert refusal(wrap_hash=other.wrap_hash) is Reason.SEAL_BROKEN
    assert refusal(secret=other.secret) is Reason.SEAL_BROKEN


def _another(payload: bytes) -> bytes:
    """Another commitment to a payload."""
    return commitment(random_bytes(32), payload)


@pytest.mark.parametrize("cut", [1, 2, 16, 17, 48])
def test_truncated_bodies_are_refused(cut: int) -> None:
    assert refusal(sealed=ONE.sealed[:-cut]) is Reason.SEAL_BROKEN


@pytest.mark.parametrize("more", [b"\0", b"x" * 16, ONE.sealed], ids=["zero", "block", "itself"])
def test_extended_bodies_are_refused(more: bytes) -> None:
    assert refusal(sealed=ONE.sealed + more) is Reason.SEAL_BROKEN


def test_shorter_than_possible_and_longer_than_allowed_are_refused() -> None:
    assert refusal(sealed=b"") is Reason.SUITE_UNKNOWN
    assert refusal(sealed=ONE.sealed[: OVERHEAD_BYTES - 1]) is Reason.SEAL_BROKEN
    endless = b"\x01" + bytes(limits.MESSAGE_BYTES_MAX + OVERHEAD_BYTES)
    assert refusal(sealed=endless) is Reason.SEAL_BROKEN


def test_a_payload_above_the_limit_is_not_sealed() -> None:
    with pytest.raises(Refused) as caught:
        seal(ONE.epoch, HEADER, bytes(limits.MESSAGE_BYTES_MAX + 1))
    assert reason_of(caught.value) is Reason.PAYLOAD_TOO_LARGE


@settings(max_examples=scaled(200), deadline=None)
@given(bit=st.integers(min_value=0, max_value=len(ONE.sealed) * 8 - 1))
def test_any_flipped_bit_of_the_body_is_refused(bit: int) -> None:
    flipped = bytearray(ONE.sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    expected = Reason.SUITE_UNKNOWN if bit < 8 else Reason.SEAL_BROKEN
    assert refusal(sealed=bytes(flipped)) is expected


@settings(max_examples=scaled(60), deadline=None)
@given(bit=st.integers(min_value=0, max_value=8 * 32 - 1))
def test_any_flipped_bit_of_the_commitment_is_refused(bit: int) -> None:
    flipped = bytearray(ONE.commitment)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(commitment_digest=bytes(flipped)) is Reason.SEAL_BROKEN


def test_a_sender_that_seals_something_else_than_it_committed_to_is_found_out() -> None:
    key = message_key(ONE.epoch.secret, header_hash(HEADER), ONE.epoch.wrap_hash, ONE.commitment)
    plain = bytes(32) + b"not what the entry says"
    body = b"\x01" + AESGCM(key).encrypt(bytes(12), plain, header_hash(HEADER))
    assert refusal(sealed=body) is Reason.PAYLOAD_ALTERED


def test_two_payloads_under_one_header_never_share_a_key() -> None:
    """The constant nonce rests on this: same header and salt, other payload, other key stream."""
    salt = bytes(32)
    first, _ = seal(ONE.epoch, HEADER, b"a" * 64, salt)
    second, _ = seal(ONE.epoch, HEADER, b"b" * 64, salt)
    difference = bytes(x ^ y for x, y in zip(first[33:97], second[33:97], strict=True))
    assert difference != bytes(x ^ y for x, y in zip(b"a" * 64, b"b" * 64, strict=True))
    assert first[1:33] != second[1:33]


def test_the_message_key_opens_its_own_message_only() -> None:
    """What is revealed in a dispute: one key, one message, readable without any gateway code."""
    revealed = message_key(
        ONE.epoch.secret, header_hash(HEADER), ONE.epoch.wrap_hash, ONE.commitment
    )
    plain = AESGCM(revealed).decrypt(bytes(12), ONE.sealed[1:], header_hash(HEADER))
    assert plain[32:] == PAYLOAD
    other = _another(PAYLOAD)
    assert revealed != message_key(
        ONE.epoch.secret, header_hash(HEADER), ONE.epoch.wrap_hash, other
    )


def test_a_commitment_hides_and_binds() -> None:
    salt = bytes(range(32))
    first, second = commitment(salt, b"yes"), _another(b"yes")
    assert first != second
    assert first == hmac.new(salt, b"xbg/v1/commit\0yes", hashlib.sha256).digest()
    assert commitment(salt, b"no") != first
    assert "salt" not in repr(first)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Refused) as caught:
        commitment(bytes(length), PAYLOAD)
    assert reason_of(caught.value) is Reason.SEAL_BROKEN


def test_digest_is_plain_sha256_in_hex() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_another_nodes_key_does_not_open_the_wrap() -> None:
    stranger = SealingKeyRing([SealingKey.from_seed(OTHER_SEED)])
    with pytest.raises(Refused) as caught:
        ReceivingEpochs("zhuhai", "macao").open(ONE.epoch.wrap, stranger, NOW_S)
    assert reason_of(caught.value) is Reason.KEY_UNKNOWN


def test_open_sealed_with_a_stolen_body_but_a_guessed_secret_is_refused() -> None:
    bundle = bundle_of(SealingKey.from_seed(OTHER_SEED), "hengqin")
    epoch = Epoch.start("zhuhai", bundle)
    with pytest.raises(Refused) as caught:
        open_sealed(epoch.secret, ONE.epoch.wrap_hash, HEADER, ONE.sealed, ONE.commitment)
    assert reason_of(caught.value) is Reason.SEAL_BROKEN
