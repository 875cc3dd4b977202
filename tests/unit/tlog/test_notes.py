"""Notes, verifier keys, checkpoints and cosignatures: the golden bytes, and what is refused."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.tlog.logs import (
    COSIGNED_S,
    COSIGNER,
    ORIGIN,
    SIGNER,
    STRANGER,
    checkpoint_of,
    note_of,
    reason_of,
    transfers,
)

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    Cosigner,
    Frontier,
    Note,
    NoteSigner,
    NoteVerifier,
    Signature,
    SignatureType,
    add_signatures,
    leaf_hash,
    open_checkpoint,
    sign_checkpoint,
    verify_cosignature,
    verify_cosignature_line,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "tlog"
GOLDEN: dict[str, Any] = json.loads((VECTORS / "golden.json").read_text())
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FIELD = 2**255 - 19
NOTE = note_of(transfers(3))
COSIGNED = add_signatures(NOTE, COSIGNER.cosign(checkpoint_of(transfers(3)).text(), COSIGNED_S))


def test_golden_log_of_300_entries() -> None:
    checkpoint = checkpoint_of(transfers(300))
    note = sign_checkpoint(checkpoint, SIGNER)
    whole = add_signatures(note, COSIGNER.cosign(checkpoint.text(), COSIGNED_S))
    assert whole.decode() == GOLDEN["note"]
    assert (SIGNER.vkey, COSIGNER.vkey) == (GOLDEN["log_vkey"], GOLDEN["witness_vkey"])
    log = NoteVerifier.from_vkey(GOLDEN["log_vkey"])
    witness = NoteVerifier.from_vkey(GOLDEN["witness_vkey"])
    assert open_checkpoint(whole, log, ORIGIN) == checkpoint
    assert verify_cosignature(whole, witness) == GOLDEN["cosigned_s"]
    both = Note.parse(whole).open([log, witness])
    assert [(one.name, one.time_s) for one in both] == [
        (ORIGIN, None),
        ("xbgateway.example/macao/witness", COSIGNED_S),
    ]


def test_golden_root_of_70000_entries() -> None:
    frontier = Frontier()
    frontier.extend(leaf_hash(entry) for entry in transfers(70_000))
    assert b64encode(frontier.root()).decode() == GOLDEN["root_70000"]


@pytest.mark.parametrize("case", GOLDEN["refused_notes"], ids=lambda case: case["why"])
def test_malformed_vectors(case: dict[str, str]) -> None:
    raw = b64decode(case["note_base64"])
    log = NoteVerifier.from_vkey(GOLDEN["log_vkey"])
    assert reason_of(Fatal, open_checkpoint, raw, log, ORIGIN).value == case["reason"]


def test_verifier_key_of_the_specification() -> None:
    verifier = NoteVerifier.from_vkey(SPEC_VKEY)
    assert (verifier.name, verifier.type) == ("example.com/foo", SignatureType.ED25519)
    assert verifier.key_id.hex() == "530d903a"
    assert verifier.vkey == SPEC_VKEY


@pytest.mark.parametrize("signer", [SIGNER, COSIGNER])
def test_generated_verifier_keys_come_back(signer: NoteSigner | Cosigner) -> None:
    assert NoteVerifier.from_vkey(signer.vkey) == signer.verifier


@pytest.mark.parametrize(
    ("vkey", "reason"),
    [
        ("", Reason.CONFIG_INVALID),
        (SPEC_VKEY + "\n", Reason.CONFIG_INVALID),
        (SPEC_VKEY.replace("530d903a", "530D903A"), Reason.CONFIG_INVALID),
        (SPEC_VKEY.replace("530d903a", "530d903b"), Reason.CONFIG_INVALID),
        (SPEC_VKEY.replace("foo", "bar"), Reason.CONFIG_INVALID),
        (SPEC_VKEY.replace("foo", "f o"), Reason.CONFIG_INVALID),
        (SPEC_VKEY.replace("foo", "f\N{NO-BREAK SPACE}o"), Reason.CONFIG_INVALID),
        (SPEC_VKEY.removeprefix("example.com/foo"), Reason.CONFIG_INVALID),
        (SPEC_VKEY[:-4], Reason.CONFIG_INVALID),
        (SPEC_VKEY[:-1] + "l", Reason.CONFIG_INVALID),
        ("a.example+00000000+Bg==", Reason.SUITE_UNKNOWN),
    ],
)
def test_malformed_verifier_keys(vkey: str, reason: Reason) -> None:
    assert reason_of(Refused, NoteVerifier.from_vkey, vkey) is reason


def _order_eight() -> int:
    """The y of the points of order eight: doubling gives y = 0, so x*x = -y*y on the curve."""
    d = -121665 * pow(121666, -1, FIELD) % FIELD
    # 2*y^2 + d*y^4 = 1, a quadratic equation in y^2.
    root = _square_root((1 + d) % FIELD)
    for sign in (root, -root):
        square = (sign - 1) * pow(d, -1, FIELD) % FIELD
        y = _square_root(square)
        if y * y % FIELD == square:
            assert (2 * square + d * square * square) % FIELD == 1
            return y
    raise AssertionError


def _square_root(value: int) -> int:
    root = pow(value, (FIELD + 3) // 8, FIELD)
    return root if root * root % FIELD == value else root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize(
    "y",
    [0, 1, FIELD - 1, FIELD, FIELD + 1, 2**255 - 1, _order_eight(), FIELD - _order_eight()],
)
@pytest.mark.parametrize("kind", list(SignatureType))
def test_points_of_small_order_are_no_keys(kind: SignatureType, y: int, sign: int) -> None:
    public = (y | sign).to_bytes(32, "little")
    assert reason_of(Refused, NoteVerifier, "a.example", public, kind) is Reason.KEY_WEAK


def test_what_the_small_order_check_keeps_out() -> None:
    # The library takes the identity point, and one fixed signature then fits every message.
    identity = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"anything")


def test_a_key_of_another_length_is_no_key() -> None:
    assert reason_of(Refused, NoteVerifier, "a.example", bytes(31)) is Reason.CONFIG_INVALID


@settings(max_examples=scaled(300), deadline=None)
@given(st.integers(0, len(COSIGNED) * 8 - 1))
def test_no_bit_of_a_cosigned_note_can_change(bit: int) -> None:
    changed = bytearray(COSIGNED)
    changed[bit // 8] ^= 1 << bit % 8

    def both() -> None:
        open_checkpoint(bytes(changed), SIGNER.verifier, ORIGIN)
        verify_cosignature(bytes(changed), COSIGNER.verifier)

    assert reason_of(Fatal, both) in (Reason.CHECKPOINT_MALFORMED, Reason.CHECKPOINT_SIGNATURE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"xbg", b"x\x00g", 1),
        NOTE.replace(b"xbg", b"x\xffg", 1),
        NOTE.replace(b"\xe2\x80\x94 ", b"- "),
        NOTE + b"\xe2\x80\x94  AAAAAAA=\n",
        NOTE + b"\xe2\x80\x94 a+b AAAAAAA=\n",
        NOTE + b"\xe2\x80\x94 a.example AAAAAA==\n",
        NOTE + b"\xe2\x80\x94 a.example AAAAAAB=\n",
        NOTE + b"\xe2\x80\x94 a.example AAAAAAA\n",
        NOTE + b"\xe2\x80\x94 a.example\n",
        NOTE + Signature("a.example", bytes(4), b"x").line() * limits.NOTE_SIGNATURES_MAX,
        NOTE + Signature("a.example", bytes(4), bytes(limits.NOTE_BYTES_MAX)).line(),
    ],
)
def test_malformed_notes(raw: bytes) -> None:
    assert reason_of(Fatal, Note.parse, raw) is Reason.CHECKPOINT_MALFORMED


def test_unknown_signatures_are_passed_over_up_to_the_limit() -> None:
    other = Signature("a.example", bytes(4), b"x").line()
    raw = add_signatures(NOTE, *[other] * (limits.NOTE_SIGNATURES_MAX - 1))
    assert open_checkpoint(raw, SIGNER.verifier, ORIGIN).size == 3
    assert Note.parse(raw).marshal() == raw


def test_one_wrong_line_of_a_known_key_spoils_the_note() -> None:
    wrong = Signature(ORIGIN, SIGNER.verifier.key_id, bytes(64)).line()
    raw = add_signatures(NOTE, wrong)
    reason = reason_of(Fatal, open_checkpoint, raw, SIGNER.verifier, ORIGIN)
    assert reason is Reason.CHECKPOINT_SIGNATURE


def test_a_note_without_a_known_key_is_refused() -> None:
    reason = reason_of(Fatal, open_checkpoint, NOTE, STRANGER.verifier, ORIGIN)
    assert reason is Reason.CHECKPOINT_SIGNATURE
    reason = reason_of(Fatal, verify_cosignature, NOTE, COSIGNER.verifier)
    assert reason is Reason.CHECKPOINT_SIGNATURE


def test_signature_types_do_not_stand_for_each_other() -> None:
    key = Ed25519PrivateKey.generate()
    log, cosigner = NoteSigner(ORIGIN, key), Cosigner(ORIGIN, key)
    text = checkpoint_of(transfers(3)).text()
    line = cosigner.cosign(text, COSIGNED_S)
    note = text + b"\n" + line
    for call in (
        lambda: open_checkpoint(note, cosigner.verifier, ORIGIN),
        lambda: open_checkpoint(note, log.verifier, ORIGIN),
        lambda: verify_cosignature(text + b"\n" + log.sign(text), log.verifier),
        lambda: verify_cosignature_line(text, log.sign(text), [log.verifier]),
    ):
        assert reason_of(Fatal, call) is Reason.CHECKPOINT_SIGNATURE


def test_a_note_signature_over_a_cosignature_message_is_no_checkpoint() -> None:
    # Domain separation: the text a cosigner signs is not one that a log can be made to publish.
    text = b"cosignature/v1\ntime 5\n" + checkpoint_of(transfers(3)).text()
    note = text + b"\n" + SIGNER.sign(text)
    reason = reason_of(Fatal, open_checkpoint, note, SIGNER.verifier, ORIGIN)
    assert reason is Reason.CHECKPOINT_MALFORMED


def test_a_receipt_line_is_bound_to_text_time_and_key() -> None:
    text = checkpoint_of(transfers(3)).text()
    line = COSIGNER.cosign(text, COSIGNED_S)
    assert verify_cosignature_line(text, line, [COSIGNER.verifier]) == COSIGNED_S
    later = Signature(
        COSIGNER.name,
        COSIGNER.verifier.key_id,
        (COSIGNED_S + 1).to_bytes(8, "big") + b64decode(line.split()[-1])[12:],
    ).line()
    other_text = checkpoint_of(transfers(4)).text()
    for wrong_text, wrong_line in ((text, later), (other_text, line)):
        arguments = (wrong_text, wrong_line, [COSIGNER.verifier])
        reason = reason_of(Fatal, verify_cosignature_line, *arguments)
        assert reason is Reason.CHECKPOINT_SIGNATURE
    for bad in (line[:-1], line + line, b"", b"\n", line.replace(b" ", b"  ", 2)):
        reason = reason_of(Fatal, verify_cosignature_line, text, bad, [COSIGNER.verifier])
        assert reason is Reason.CHECKPOINT_MALFORMED


def test_a_cosignature_beyond_the_range_of_time_is_refused() -> None:
    text = checkpoint_of(transfers(3)).text()
    line = COSIGNER.cosign(text, 2**63)
    reason = reason_of(Fatal, verify_cosignature_line, text, line, [COSIGNER.verifier])
    assert reason is Reason.CHECKPOINT_SIGNATURE


def test_a_cosigner_signs_checkpoints_only() -> None:
    assert reason_of(Fatal, COSIGNER.cosign, b"hello\n", 1) is Reason.CHECKPOINT_MALFORMED


def test_the_latest_of_two_cosignatures_counts() -> None:
    text = checkpoint_of(transfers(3)).text()
    raw = add_signatures(COSIGNED, COSIGNER.cosign(text, COSIGNED_S + 7))
    assert verify_cosignature(raw, COSIGNER.verifier) == COSIGNED_S + 7


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"a\n1\n{ROOT}",
        f"a\n1\n{ROOT}\nextension\n",
        f"a\n1\n{ROOT}\n\n",
        f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n+1\n{ROOT}\n",
        f"a\n1_0\n{ROOT}\n",
        f"a\n\N{ARABIC-INDIC DIGIT ONE}\n{ROOT}\n",
        f"a\n{2**63}\n{ROOT}\n",
        f"a\n\n{ROOT}\n",
        f"a\n1\n{ROOT[:-1]}\n",
        f"a\n1\n{ROOT[:-2]}B=\n",
        f"a\n1\n{b64encode(bytes(31)).decode()}\n",
        "a\n1\n\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    assert reason_of(Fatal, Checkpoint.parse, text.encode()) is Reason.CHECKPOINT_MALFORMED
    if text.endswith("\n"):
        # A valid signature does not mend the form.
        note = text.encode() + b"\n" + SIGNER.sign(text.encode())
        assert reason_of(Fatal, open_checkpoint, note, SIGNER.verifier, "a").value.startswith(
            "CHECKPOINT_"
        )


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_checkpoints_come_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = Checkpoint("xbgateway.example/zhuhai/other", 0, EMPTY_ROOT)
    assert reason_of(Fatal, sign_checkpoint, other, SIGNER) is Reason.CHECKPOINT_ORIGIN
    # Signed by the right key under the right name, but speaking of another log.
    note = other.text() + b"\n" + SIGNER.sign(other.text())
    reason = reason_of(Fatal, open_checkpoint, note, SIGNER.verifier, ORIGIN)
    assert reason is Reason.CHECKPOINT_ORIGIN
    named = sign_checkpoint(other, SIGNER.named(other.origin))
    verifier = SIGNER.named(other.origin).verifier
    assert open_checkpoint(named, verifier, other.origin) == other


def test_a_text_without_a_line_end_is_not_signed() -> None:
    for text in (b"", b"a", b"a\r\n", b"\xff\n"):
        assert reason_of(Fatal, SIGNER.sign, text) is Reason.CHECKPOINT_MALFORMED
