"""Files that change under a running node, and key files that nobody else may read."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from tests.unit.identity.authorities import MACAO, ROOTS, ZHUHAI, reason_of

from xbgateway.identity import (
    CertificateFiles,
    ReloadingFile,
    load_ed25519,
    load_rest_key,
    load_seal_seed,
    load_transport_key,
)
from xbgateway.identity.issuing import new_key, pem_of
from xbgateway.identity.keyfiles import (
    REST_LABEL,
    SEAL_LABEL,
    labelled,
    private_pem,
    write_file,
)
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason


def put_leaf(directory: Path, *, cert: bool = True, key: bool = True) -> bytes:
    """A new leaf and key in their places; gives the chain written."""
    private = new_key()
    chain = pem_of(ZHUHAI.leaf(public=private.public_key())) + ZHUHAI.issuer.pem
    if key:
        write_file(directory / "tls.key", private_pem(private), 0o600)
    if cert:
        write_file(directory / "tls.crt", chain, 0o644)
    return chain


def seen(files: CertificateFiles) -> dict[str, str]:
    """What the latest poll reported, read anew: mypy holds on to what an assert said before."""
    return {} if files.error is None else {"error": files.error.sentence}


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    put_leaf(tmp_path)
    for domain, pem in ROOTS.items():
        write_file(tmp_path / f"{domain}.pem", pem, 0o644)
    write_file(tmp_path / "crl.pem", b"".join(ZHUHAI.crls()), 0o644)
    return CertificateFiles(
        tmp_path / "tls.crt",
        tmp_path / "tls.key",
        {domain: tmp_path / f"{domain}.pem" for domain in ROOTS},
        {ZHUHAI.domain: [tmp_path / "crl.pem"]},
    )


def test_nothing_changed_is_no_change(files: CertificateFiles) -> None:
    before = files.current
    assert not files.poll()
    assert files.current is before
    assert files.error is None
    assert all(pem in before.root_union for pem in ROOTS.values())
    assert before.key not in repr(before).encode()


def test_a_renewed_leaf_is_taken(files: CertificateFiles, tmp_path: Path) -> None:
    chain = put_leaf(tmp_path)
    assert files.poll()
    assert files.current.chain == chain
    assert not files.poll()


def test_new_roots_and_lists_are_taken(files: CertificateFiles, tmp_path: Path) -> None:
    revoked = b"".join(ZHUHAI.crls(ZHUHAI.leaf()))
    write_file(tmp_path / "crl.pem", revoked, 0o644)
    assert files.poll()
    assert files.current.crls[ZHUHAI.domain] == [revoked]
    both = ROOTS[ZHUHAI.domain] + MACAO.root.pem
    write_file(tmp_path / f"{ZHUHAI.domain}.pem", both, 0o644)
    assert files.poll()
    assert files.current.roots[ZHUHAI.domain] == both


def test_the_same_bytes_written_again_are_no_change(
    files: CertificateFiles, tmp_path: Path
) -> None:
    for name in ("tls.crt", "tls.key", "crl.pem"):
        path = tmp_path / name
        write_file(path, path.read_bytes(), 0o600)
    assert not files.poll()


def test_half_a_renewal_keeps_the_last_good_set(files: CertificateFiles, tmp_path: Path) -> None:
    before = files.current
    private = new_key()
    write_file(tmp_path / "tls.key", private_pem(private), 0o600)
    assert not files.poll()
    assert files.current is before
    assert files.error is not None
    assert "does not belong" in files.error.sentence
    assert not files.poll()
    assert files.error is not None
    leaf = pem_of(ZHUHAI.leaf(public=private.public_key()))
    write_file(tmp_path / "tls.crt", leaf, 0o644)
    assert files.poll()
    assert files.current.chain == leaf
    assert not files.poll()
    assert "error" not in seen(files)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "crl.pem", f"{MACAO.domain}.pem"])
def test_a_broken_or_missing_file_keeps_the_last_good_set(
    files: CertificateFiles, tmp_path: Path, name: str
) -> None:
    before, good = files.current, (tmp_path / name).read_bytes()
    for content in (b"junk", b"", b"x" * (limits.CREDENTIAL_FILE_BYTES_MAX + 1)):
        write_file(tmp_path / name, content, 0o600)
        assert not files.poll()
        assert files.error is not None
        assert reason_of(files.error) is Reason.CONFIG_INVALID
    (tmp_path / name).unlink()
    assert not files.poll()
    assert files.error is not None
    write_file(tmp_path / name, good, 0o600)
    assert not files.poll()
    assert files.current == before
    assert "error" not in seen(files)


def test_a_change_seen_beside_a_missing_file_is_not_lost(
    files: CertificateFiles, tmp_path: Path
) -> None:
    lists = (tmp_path / "crl.pem").read_bytes()
    chain = put_leaf(tmp_path)
    (tmp_path / "crl.pem").unlink()
    assert not files.poll()
    write_file(tmp_path / "crl.pem", lists, 0o644)
    assert files.poll()
    assert files.current.chain == chain


def test_a_first_set_that_is_bad_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal) as caught:
        CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", {})
    assert reason_of(caught.value) is Reason.CONFIG_INVALID


def test_a_file_of_the_same_size_and_time_but_other_inode_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_file(path, b"one", 0o644)
    file = ReloadingFile(path)
    assert file.poll()
    times = path.stat()
    write_file(path, b"two", 0o644)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.poll()
    assert file.content == b"two"
    assert not file.poll()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused_outside_dev(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.key"
    key = ed25519.Ed25519PrivateKey.generate()
    write_file(path, private_pem(key), mode)
    with pytest.raises(Fatal, match="open to others") as caught:
        load_ed25519(path)
    assert "chmod 600" in caught.value.sentence
    assert load_ed25519(path, dev=True).private_bytes_raw() == key.private_bytes_raw()


def test_an_encrypted_key_needs_its_passphrase_file(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"correct horse")
    )
    path, passphrase = tmp_path / "log.key", tmp_path / "passphrase"
    write_file(path, sealed, 0o600)
    write_file(passphrase, b"correct horse\n", 0o600)
    assert load_ed25519(path, passphrase).private_bytes_raw() == key.private_bytes_raw()
    with pytest.raises(Fatal):
        load_ed25519(path)
    write_file(passphrase, b"wrong\n", 0o600)
    with pytest.raises(Fatal):
        load_ed25519(path, passphrase)
    write_file(passphrase, b"correct horse\n", 0o644)
    with pytest.raises(Fatal, match="open to others"):
        load_ed25519(path, passphrase)


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    write_file(path, private_pem(new_key()), 0o600)
    with pytest.raises(Fatal, match="not an Ed25519 key"):
        load_ed25519(path)
    assert load_transport_key(path).curve.name == "secp256r1"
    write_file(path, private_pem(ec.generate_private_key(ec.SECP521R1())), 0o600)
    with pytest.raises(Fatal, match="P-256 or P-384"):
        load_transport_key(path)
    write_file(path, private_pem(ed25519.Ed25519PrivateKey.generate()), 0o600)
    with pytest.raises(Fatal, match="elliptic"):
        load_transport_key(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        labelled(REST_LABEL, bytes(31)),
        labelled(SEAL_LABEL, bytes(32)),
        b"xbg-rest-key-1 zz\n",
        b"\xff\xfe",
    ],
)
def test_secrets_say_what_they_are(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    write_file(path, content, 0o600)
    for load in (load_rest_key, load_seal_seed):
        with pytest.raises(Fatal) as caught:
            load(path)
        assert reason_of(caught.value) is Reason.CONFIG_INVALID
    write_file(path, labelled(REST_LABEL, bytes(range(32))), 0o600)
    assert load_rest_key(path) == bytes(range(32))
    write_file(path, labelled(SEAL_LABEL, bytes(range(96))), 0o600)
    assert load_seal_seed(path) == bytes(range(96))


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k"
    write_file(path, b"old", 0o600)

    def fails(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=r"^$"):
        write_file(path, b"new", 0o600)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
