"""The construction against a second implementation, and against what that one wrote once.

``vectors.json`` was written by ``second/main.go``; each vector names the pattern of its recipient
seed, so no private key stands in the file. The bad ones are the good ones with one thing wrong.
"""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.seal.envelopes import NOW_S, OTHER_SEED, SEED, envelope, reason_of

from xbgateway.model.errors import Refused
from xbgateway.seal import ReceivingEpochs, SealingKey, SealingKeyRing, open_sealed

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SEEDS = {"ascending-from-0": SEED, "ascending-from-96": OTHER_SEED}
VECTORS = json.loads((HERE / "vectors.json").read_text())["vectors"]


def opened(message: dict[str, Any], seed: bytes) -> bytes:
    ring = SealingKeyRing([SealingKey.from_seed(seed)])
    wrap = bytes.fromhex(message["Wrap"])
    receiving = ReceivingEpochs(message["Sender"], message["Recipient"])
    secret = receiving.open(wrap, ring, NOW_S)
    wrap_hash = hashlib.sha256(wrap).digest()
    parts = [bytes.fromhex(message[one]) for one in ("Header", "Sealed", "Commitment")]
    return open_sealed(secret, wrap_hash, *parts)


@pytest.mark.parametrize("vector", VECTORS, ids=[one["name"] for one in VECTORS])
def test_stored_vectors_open_or_are_refused_as_they_say(vector: dict[str, Any]) -> None:
    seed = SEEDS[vector["seed"]]
    if vector["expect"] == "opens":
        assert opened(vector, seed) == bytes.fromhex(vector["Payload"])
        return
    with pytest.raises(Refused) as caught:
        opened(vector, seed)
    assert reason_of(caught.value) == vector["expect"]


@pytest.mark.tool("go")
def test_go_reads_what_we_write_and_we_read_what_go_writes() -> None:
    messages = []
    for header, payload in ((b"{}", b""), (b'{"leg":"answer"}', b"x" * 5000)):
        made = envelope(payload, header)
        messages.append(
            {
                "Sender": "zhuhai",
                "Recipient": "macao",
                "Seed": SEED.hex(),
                "Header": header.hex(),
                "Payload": payload.hex(),
                "Wrap": made.epoch.wrap.hex(),
                "Sealed": made.sealed.hex(),
                "Commitment": made.commitment.hex(),
            }
        )
    ran = subprocess.run(
        ["go", "run", str(HERE / "second" / "main.go")],
        input=json.dumps(messages).encode(),
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    answers = json.loads(ran.stdout)
    assert [opened(one, SEED).hex() for one in answers] == [one["Payload"] for one in messages]
    assert all(a["Wrap"] != m["Wrap"] for a, m in zip(answers, messages, strict=True))


def test_every_requirement_is_in_the_code_and_the_other_way_round() -> None:
    tag = re.compile(r"REQ-SEAL-\d+")
    spec = set(tag.findall((ROOT / "docs/spec/envelope.md").read_text()))
    code = {
        found
        for page in (ROOT / "src/xbgateway/seal").glob("*.py")
        for found in tag.findall(page.read_text())
    }
    assert spec
    assert code == spec
