"""The .tlog-proof file: what an auditor gets by post and checks alone."""

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.tlog.logs import (
    COSIGNED_S,
    COSIGNER,
    SIGNER,
    STRANGER,
    checkpoint_of,
    note_of,
    reader_of,
    reason_of,
    transfers,
)

from xbgateway.model.errors import Reason, Refused
from xbgateway.tlog import Cosigner, Proof, add_signatures, inclusion_proof, leaf_hash, verify_proof

ENTRIES = transfers(300)
CHECKPOINT = checkpoint_of(ENTRIES)
NOTE = add_signatures(note_of(ENTRIES), COSIGNER.cosign(CHECKPOINT.text(), COSIGNED_S))
READ = reader_of([leaf_hash(entry) for entry in ENTRIES])


def proof_of(index: int, extra: bytes = b"") -> Proof:
    return Proof(index, inclusion_proof(index, 300, READ), NOTE, extra)


@settings(max_examples=scaled(30), deadline=None)
@given(st.integers(0, 299), st.binary(max_size=30))
def test_a_proof_file_comes_back_and_holds(index: int, extra: bytes) -> None:
    proof = proof_of(index, extra)
    read = Proof.unmarshal(proof.marshal())
    assert read == proof
    verified = verify_proof(ENTRIES[index], read, SIGNER.verifier, [COSIGNER.verifier])
    assert verified == CHECKPOINT


def test_the_form_is_the_specified_one() -> None:
    proof = proof_of(299, b"hello")
    hashes = [b64encode(one).decode() for one in proof.hashes]
    head = "\n".join(["c2sp.org/tlog-proof@v1", "extra aGVsbG8=", "index 299", *hashes, "", ""])
    assert proof.marshal() == head.encode() + NOTE


def test_a_log_of_one_entry_has_an_empty_path() -> None:
    entries = [b"alone"]
    proof = Proof.unmarshal(Proof(0, (), note_of(entries)).marshal())
    assert verify_proof(b"alone", proof, SIGNER.verifier).size == 1


@settings(max_examples=scaled(150), deadline=None)
@given(st.data())
def test_no_bit_of_a_proof_file_can_change(data: st.DataObject) -> None:
    raw = proof_of(77).marshal()
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8

    def check() -> None:
        proof = Proof.unmarshal(bytes(changed))
        verify_proof(ENTRIES[77], proof, SIGNER.verifier, [COSIGNER.verifier])

    reason_of(Refused, check)


def test_what_a_proof_does_not_prove() -> None:
    proof = proof_of(77)
    log, witness = SIGNER.verifier, COSIGNER.verifier
    stranger = Cosigner("a.example", STRANGER._key).verifier
    refusals = [
        (ENTRIES[78], proof, log, [witness], Reason.PROOF_INVALID),
        (ENTRIES[77], replace(proof, index=78), log, [witness], Reason.PROOF_INVALID),
        (ENTRIES[77], replace(proof, hashes=proof.hashes[:-1]), log, [], Reason.PROOF_INVALID),
        (ENTRIES[77], proof, STRANGER.verifier, [], Reason.CHECKPOINT_SIGNATURE),
        (ENTRIES[77], proof, log, [witness, stranger], Reason.CHECKPOINT_SIGNATURE),
        (ENTRIES[77], proof, witness, [], Reason.CHECKPOINT_SIGNATURE),
        (
            ENTRIES[77],
            replace(proof, checkpoint=note_of(ENTRIES)),
            log,
            [witness],
            Reason.CHECKPOINT_SIGNATURE,
        ),
        (ENTRIES[77], replace(proof, checkpoint=b"x"), log, [], Reason.CHECKPOINT_MALFORMED),
    ]
    for entry, tried, log_key, cosigners, reason in refusals:
        assert reason_of(Refused, verify_proof, entry, tried, log_key, cosigners) is reason


RAW = proof_of(77).marshal()
FIRST_HASH = RAW.split(b"\n")[2]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW.replace(b"@v1", b"@v2"),
        RAW.replace(b"index 77\n", b""),
        RAW.replace(b"index 77", b"index 077"),
        RAW.replace(b"index 77", b"index -7"),
        RAW.replace(b"index 77", b"index  77"),
        RAW.replace(b"index 77", b"extra \nindex 77"),
        RAW.replace(b"index 77", b"extra aGVsbG9\nindex 77"),
        RAW.replace(b"index 77", b"index 77\nextra aGVsbG8="),
        RAW.replace(b"\n", b"\r\n"),
        RAW.replace(FIRST_HASH, FIRST_HASH[:-4]),
        RAW.replace(FIRST_HASH, b"\xff" + FIRST_HASH[1:]),
        RAW.replace(FIRST_HASH, b"\n".join([FIRST_HASH] * 64)),
        RAW.replace(b"index 77", b"extra " + b64encode(bytes(128 * 1024)) + b"\nindex 77"),
        RAW[:-1],
        RAW.partition(b"\n\n")[0] + b"\n\n",
        b"c2sp.org/tlog-proof@v1\n\n" + NOTE,
    ],
)
def test_malformed_proof_files(raw: bytes) -> None:
    assert reason_of(Refused, Proof.unmarshal, raw) is Reason.PROOF_INVALID
