"""The development directory: made once, kept, renewed, revoked, and good for outside tools."""

import json
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.identity.authorities import TLS13, reason_of

from xbgateway.identity import (
    CertificateFiles,
    TokenVerifier,
    TrustStore,
    load_ed25519,
    load_rest_key,
    load_seal_seed,
    mint_token,
)
from xbgateway.identity.certs import (
    DevJurisdiction,
    DevPlan,
    Summary,
    dev_plan,
    kid_of,
    make_dev_certificates,
    revoke,
)
from xbgateway.identity.issuing import Hosts
from xbgateway.model.errors import Fatal, Reason, Refused

# Near the real time, since openssl verify asks the machine's clock.
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
PLAN = DevPlan(
    (
        DevJurisdiction("zhuhai", "zhuhai.xbg.test", ("zhuhai",), ("zh-hrss",)),
        DevJurisdiction("macao", "macao.xbg.test", ("macao",), ("mo-fss",)),
    )
)
NODE, PARTY = "zhuhai/nodes/zhuhai", "macao/parties/mo-fss"


def make(directory: Path, now: datetime = NOW, plan: DevPlan = PLAN) -> Summary:
    return make_dev_certificates(directory, plan, lambda: now)


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def identify(directory: Path, where: str, now: datetime = NOW) -> str:
    side = where.split("/", 1)[0]
    domain = f"{side}.xbg.test"
    roots = {domain: (directory / "trust" / f"{domain}.pem").read_bytes()}
    store = TrustStore(roots, {domain: [(directory / side / "crl.pem").read_bytes()]})
    leaf, issuer = split(directory / where / "tls.crt")
    return store.identify(leaf, [issuer], TLS13, now).spiffe_id


def split(path: Path) -> list[bytes]:
    return re.findall(rb"-----BEGIN.+?-----END CERTIFICATE-----\n", path.read_bytes(), re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certs")
    summary = make(directory)
    assert not summary.kept
    assert summary.earliest_end == NOW + 7 * DAY
    return directory


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "certs")
    return tmp_path / "certs"


def test_the_layout_is_complete_and_private_files_are_private(made: Path) -> None:
    expected = {"public.json", "trust/zhuhai.xbg.test.pem", "trust/macao.xbg.test.pem"}
    for side, node, party in (("zhuhai", "zhuhai", "zh-hrss"), ("macao", "macao", "mo-fss")):
        stems = ("ca", "intermediate")
        expected |= {f"{side}/{stem}.{end}" for stem in stems for end in ("crt", "key")}
        expected |= {f"{side}/crl.pem"}
        names = ("tls.crt", "tls.key", "log.key", "cosign.key", "seal.key", "rest.key")
        expected |= {f"{side}/nodes/{node}/{name}" for name in names}
        held = ("tls.crt", "tls.key", "token.key", "token.pub")
        expected |= {f"{side}/parties/{party}/{name}" for name in held}
    assert set(snapshot(made)) == expected
    for path in made.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_what_was_made_is_what_the_gateway_accepts(made: Path) -> None:
    assert identify(made, NODE) == "spiffe://zhuhai.xbg.test/node/zhuhai"
    assert identify(made, PARTY) == "spiffe://macao.xbg.test/party/mo-fss"
    assert len(load_seal_seed(made / NODE / "seal.key")) == 96
    assert len(load_rest_key(made / NODE / "rest.key")) == 32
    trusted = {"zhuhai.xbg.test": made / "trust/zhuhai.xbg.test.pem"}
    lists = {"zhuhai.xbg.test": [made / "zhuhai/crl.pem"]}
    files = CertificateFiles(made / NODE / "tls.crt", made / NODE / "tls.key", trusted, lists)
    assert files.current.chain == (made / NODE / "tls.crt").read_bytes()


def test_public_facts_match_the_private_keys(made: Path) -> None:
    public = json.loads((made / "public.json").read_text())
    for name in ("log", "cosign"):
        raw = load_ed25519(made / NODE / f"{name}.key").public_key().public_bytes_raw()
        assert public["nodes"]["zhuhai"][f"{name}_public_key"] == raw.hex()
    key = load_ed25519(made / PARTY / "token.key")
    facts = public["parties"]["mo-fss"]
    node = public["nodes"]["macao"]["spiffe_id"]
    token = mint_token(
        key,
        kid_of(key.public_key()),
        party="mo-fss",
        subject="system",
        audience=node,
        thumbprint="t" * 43,
        now=NOW,
    )
    verifier = TokenVerifier({"mo-fss": facts["token_keys"]}, node)
    assert verifier.verify(token, "t" * 43, NOW).party == "mo-fss"
    private = {path.read_text().split()[-1] for path in made.rglob("*.key")}
    assert not any(secret in (made / "public.json").read_text() for secret in private)


def test_a_second_run_changes_nothing(copy: Path) -> None:
    before = snapshot(copy)
    summary = make(copy, NOW + DAY)
    assert not summary.written
    assert {str(one.relative_to(copy)) for one in summary.kept} == set(before)
    assert snapshot(copy) == before


def test_leaves_and_lists_are_renewed_before_they_end_and_keys_stay(copy: Path) -> None:
    before = snapshot(copy)
    later = NOW + 5 * DAY
    make(copy, later)
    after = snapshot(copy)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {name for name in before if name.endswith(("tls.crt", "tls.key", "crl.pem"))}
    assert identify(copy, NODE, later + 6 * DAY) == "spiffe://zhuhai.xbg.test/node/zhuhai"


def test_new_hosts_need_a_new_leaf(copy: Path) -> None:
    before = snapshot(copy)
    hosts = Hosts(("localhost", "gateway-zhuhai"), ("127.0.0.1", "::1"))
    make(copy, plan=DevPlan(PLAN.jurisdictions, hosts))
    assert snapshot(copy)[f"{NODE}/tls.crt"] != before[f"{NODE}/tls.crt"]
    assert snapshot(copy)[f"{NODE}/log.key"] == before[f"{NODE}/log.key"]


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
def test_a_broken_leaf_is_made_anew(copy: Path, name: str) -> None:
    (copy / NODE / name).write_bytes(b"junk")
    make(copy)
    assert identify(copy, NODE) == "spiffe://zhuhai.xbg.test/node/zhuhai"


@pytest.mark.parametrize("name", ["log.key", "cosign.key", "seal.key", "rest.key"])
def test_a_broken_node_key_is_never_replaced(copy: Path, name: str) -> None:
    (copy / NODE / name).write_bytes(b"junk")
    with pytest.raises(Fatal) as caught:
        make(copy)
    assert reason_of(caught.value) is Reason.CONFIG_INVALID
    assert (copy / NODE / name).read_bytes() == b"junk"


def test_a_lost_authority_takes_its_leaves_along(copy: Path) -> None:
    (copy / "zhuhai/ca.key").unlink()
    before = snapshot(copy)
    make(copy)
    after = snapshot(copy)
    assert after["zhuhai/ca.crt"] != before["zhuhai/ca.crt"]
    assert after["macao/ca.crt"] == before["macao/ca.crt"]
    assert identify(copy, NODE) == "spiffe://zhuhai.xbg.test/node/zhuhai"


def test_a_revoked_leaf_is_refused_then_replaced_and_stays_revoked(copy: Path) -> None:
    old = copy.parent / "old"
    shutil.copytree(copy / PARTY, old / PARTY)
    revoke(copy, copy / PARTY / "tls.crt", NOW)
    with pytest.raises(Refused) as caught:
        identify(copy, PARTY)
    assert reason_of(caught.value) is Reason.CERTIFICATE_REVOKED
    make(copy)
    assert identify(copy, PARTY) == "spiffe://macao.xbg.test/party/mo-fss"
    make(copy, NOW + 5 * DAY)
    shutil.copy(old / PARTY / "tls.crt", copy / PARTY / "tls.crt")
    with pytest.raises(Refused) as caught:
        identify(copy, PARTY, NOW + 5 * DAY)
    assert reason_of(caught.value) is Reason.CERTIFICATE_REVOKED


def test_only_what_was_issued_here_is_revoked(copy: Path, tmp_path: Path) -> None:
    make(tmp_path / "other")
    with pytest.raises(Fatal):
        revoke(copy, tmp_path / "other" / PARTY / "tls.crt", NOW)
    with pytest.raises(Fatal):
        revoke(copy, copy / "public.json", NOW)


@pytest.mark.tool("openssl")
def test_openssl_agrees_on_a_good_and_a_revoked_leaf(copy: Path) -> None:
    def verify(where: str) -> subprocess.CompletedProcess[str]:
        side = where.split("/", 1)[0]
        command = ["openssl", "verify", "-crl_check_all", "-x509_strict", "-purpose", "sslclient"]
        command += ["-CAfile", f"trust/{side}.xbg.test.pem", "-CRLfile", f"{side}/crl.pem"]
        command += ["-untrusted", f"{side}/intermediate.crt", f"{where}/tls.crt"]
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)

    assert verify(PARTY).returncode == 0, verify(PARTY).stderr
    revoke(copy, copy / PARTY / "tls.crt", NOW)
    refused = verify(PARTY)
    assert refused.returncode != 0
    assert "certificate revoked" in refused.stderr
    assert verify(NODE).returncode == 0


def test_the_demo_plan_has_three_sides_with_their_own_domains() -> None:
    plan = dev_plan({"macao": ("mo-fss",)})
    assert [side.trust_domain for side in plan.jurisdictions] == [
        "zhuhai.xbg.test",
        "macao.xbg.test",
        "hengqin.xbg.test",
    ]
    assert plan.jurisdictions[1].parties == ("mo-fss",)
    with pytest.raises(Fatal):
        dev_plan({"elsewhere": ()})
    with pytest.raises(Fatal):
        DevJurisdiction("../up", "x.xbg.test")
