"""The managed child: signed bundles only, a memory limit that holds, no orphan."""

import base64
import gzip
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.contract.opa_server import opa_binary
from tests.contract.small_policy import answering, one_module, small_bundle

from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.policy.engine import BundleSigner, bundle_tar, server
from xbgateway.policy.engine.child import ChildEngine

pytestmark = pytest.mark.tool("opa")
SECOND = 1000


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def public_pem(key: ec.EllipticCurvePrivateKey, path: Path) -> Path:
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def verified(tar: bytes, key: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "given.tar.gz"
    path.write_bytes(tar)
    return subprocess.run(
        [
            *(str(opa_binary()), "build", "-b", str(path), "-o", str(folder / "out.tar.gz")),
            *("--verification-key", str(key), "--signing-alg", "ES256"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_opa_verifies_our_signature_and_only_ours(tmp_path: Path) -> None:
    ours, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ours_pem = public_pem(ours, tmp_path / "ours.pem")
    other_pem = public_pem(other, tmp_path / "other.pem")
    odd = {"é\u2028\u2029": ["<&>\x01\x7f\b\f", 0.5, 1e-7, 1e22, -0.0, 2**63, None, True, {}, []]}
    for bundle in (small_bundle(), one_module("x := 1", **odd)):
        signed = bundle_tar(bundle, BundleSigner(ours))
        done = verified(signed, ours_pem, tmp_path)
        assert done.returncode == 0, done.stderr
        assert verified(signed, other_pem, tmp_path).returncode != 0
        assert verified(bundle_tar(bundle), ours_pem, tmp_path).returncode != 0


def test_a_bundle_is_the_same_bytes_each_time() -> None:
    assert bundle_tar(small_bundle()) == bundle_tar(small_bundle())
    assert bundle_tar(small_bundle()) != bundle_tar(answering("1"))


def test_the_child_starts_on_a_bundle_signed_by_us_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    key = public_pem(ours, tmp_path / "ours.pem")
    good = ChildEngine(opa_binary(), tmp_path, signer=BundleSigner(ours), verification_key=key)
    snapshot = good.load(answering("1"))
    assert json.loads(snapshot.decide(b"{}", SECOND))["extra"] == 1
    (bundle,) = tmp_path.glob("opa-*/bundle.tar.gz")
    replaced = bundle.with_name("new")
    replaced.write_bytes(bundle_tar(answering("2"), BundleSigner(other)))
    replaced.replace(bundle)
    time.sleep(0.3)
    assert json.loads(snapshot.decide(b"{}", SECOND))["extra"] == 1
    snapshot.close()
    monkeypatch.setattr(server, "ACTIVATION_TIMEOUT_S", 0.5)
    for signer in (BundleSigner(other), None):
        forged = ChildEngine(opa_binary(), tmp_path, signer=signer, verification_key=key)
        with pytest.raises(Unavailable) as caught:
            forged.load(answering("2"))
        assert caught.value.reason is Reason.POLICY_UNAVAILABLE


def test_a_policy_that_eats_memory_kills_the_child_not_us(tmp_path: Path) -> None:
    engine = ChildEngine(opa_binary(), tmp_path, memory_bytes_max=160 * 1024 * 1024)
    glutton = answering(
        "1",
        "x := [[a, b, c] | some a in numbers.range(1, input.n); "
        "some b in numbers.range(1, input.n); some c in numbers.range(1, input.n)]\n count(x) > 0",
    )
    snapshot = engine.load(glutton)
    (socket,) = tmp_path.glob("opa-*/sock")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert json.loads(snapshot.decide(b'{"n":2}', SECOND))["extra"] == 1
    first = snapshot.pid
    assert first is not None
    with pytest.raises(Unavailable) as caught:
        snapshot.decide(b'{"n":2000}', 60 * SECOND)
    assert caught.value.reason is Reason.POLICY_UNAVAILABLE
    wait_for(lambda: snapshot.pid not in (None, first))

    def answers() -> bool:
        try:
            return b'"extra":1' in snapshot.decide(b'{"n":2}', SECOND)
        except Unavailable:
            return False

    wait_for(answers)
    snapshot.close()
    assert snapshot.pid is None
    assert not psutil.pid_exists(first)
    assert list(tmp_path.iterdir()) == []


def test_the_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from xbgateway.policy.engine import *\n"
        "from xbgateway.policy.engine.child import ChildEngine\n"
        f"engine = ChildEngine(Path({str(opa_binary())!r}), Path({str(tmp_path)!r}))\n"
        "snapshot = engine.load(Bundle({'p.rego': 'package xb'}, {}, '0' * 64))\n"
        "print(snapshot.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.Process(child).name() == "opa"
        parent.send_signal(signal.SIGKILL)
    wait_for(
        lambda: (
            not psutil.pid_exists(child) or (psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
        )
    )


def test_a_socket_path_too_long_is_said_so(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 110)
    deep.mkdir()
    with pytest.raises(Fatal, match="too long"):
        ChildEngine(opa_binary(), deep).load(answering("1"))
    assert list(deep.iterdir()) == []


def test_a_signature_lists_every_file() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain, signed = bundle_tar(small_bundle()), bundle_tar(small_bundle(), BundleSigner(key, "k"))
    assert plain != signed
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(signed))) as tar:
        member = tar.extractfile(".signatures.json")
        assert member is not None
        token = json.load(member)["signatures"][0]
        names = set(tar.getnames()) - {".signatures.json"}
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in token.split(".")[:2]
    )
    assert (header["alg"], header["kid"]) == ("ES256", "k")
    assert {entry["name"] for entry in claims["files"]} == names
