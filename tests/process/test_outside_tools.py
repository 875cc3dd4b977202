"""Tools that know nothing of this project do what its pages say they can."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.harness.callers import KINDS, QUERY, Callers, query
from tests.harness.cluster import Processes

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.client.tokens import TokenMint
from xbgateway.demo.cluster import API, PARTIES
from xbgateway.demo.register import HENGQIN
from xbgateway.exchange.archive import read_facts, standing_digest
from xbgateway.identity import load_rest_key
from xbgateway.model.entry import Verdict, decode
from xbgateway.model.origins import parse
from xbgateway.policy.engine.bundle import bundle_tar
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_directory
from xbgateway.register import load_register
from xbgateway.seal import RestKey, open_at_rest
from xbgateway.seal.rest import WRAPPED_BYTES
from xbgateway.store.reader import Reader
from xbgateway.tlog import Checkpoint, NoteVerifier, export_files

pytestmark = pytest.mark.asyncio(loop_scope="module")
METHOD = f"{API}.ContributionService/QueryContributions"


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def _tried(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


# ---- calling ---------------------------------------------------------------------------------


def _transport(nodes: Processes) -> list[str]:
    home = nodes.certificates / "zhuhai" / "parties" / HENGQIN
    roots = nodes.certificates / "trust" / "zhuhai.xbg.test.pem"
    return [str(roots), str(home / "tls.crt"), str(home / "tls.key")]


def _token(nodes: Processes) -> str:
    home = nodes.certificates / "zhuhai" / "parties" / HENGQIN
    mint = TokenMint(
        key=(home / "token.key").read_bytes(),
        certificate=(home / "tls.crt").read_bytes(),
        party=HENGQIN,
        system="grpcurl",
        node="spiffe://zhuhai.xbg.test/node/zhuhai",
        kid="token",
    )
    return mint()


def _grpcurl(nodes: Processes, *arguments: str) -> str:
    roots, certificate, key = _transport(nodes)
    return _run(
        *("grpcurl", "-cacert", roots, "-cert", certificate, "-key", key),
        *("-H", f"authorization: Bearer {_token(nodes)}"),
        *arguments,
    )


def _address(nodes: Processes) -> str:
    return f"localhost:{nodes.ports['zhuhai'].client}"


@pytest.mark.tool("grpcurl")
async def test_grpcurl_finds_services_and_types_by_reflection(nodes: Processes) -> None:
    listed = set(_grpcurl(nodes, _address(nodes), "list").split())
    assert {
        "grpc.health.v1.Health",
        "xbgateway.api.exchange.v1.ExchangeService",
        "xbgateway.api.log.v1.LogService",
        f"{API}.ContributionService",
        f"{API}.ProofOfLifeService",
    } <= listed
    described = _grpcurl(nodes, _address(nodes), "describe", f"{API}.QueryContributionsRequest")
    assert "string fss_no" in described


@pytest.mark.tool("grpcurl")
async def test_grpcurl_calls_a_provider_as_the_developers_page_says(nodes: Processes) -> None:
    asked = query(7)
    told = _grpcurl(
        nodes,
        *("-v", "-H", f"xb-request-id: {uuid4()}"),
        *("-H", f"xb-sent-at: {datetime.now(UTC):%FT%TZ}"),
        *("-H", "xb-purpose: CONTRIB_QUERY", "-H", "xb-scenario: SC-CQ"),
        *("-d", json.dumps({"fss_no": asked.fss_no, "pid_token": asked.pid_token})),
        *(_address(nodes), METHOD),
    )
    assert '"MO-FSS"' in told
    trailers = dict(
        line.split(": ", 1)
        for line in told.partition("Response trailers received:")[2].splitlines()
        if ": " in line
    )
    assert trailers["xb-outcome"] == "executed"
    exchange = trailers["xb-exchange-id"]
    known = json.loads(
        _grpcurl(
            nodes,
            *("-d", json.dumps({"exchange_id": exchange}), _address(nodes)),
            "xbgateway.api.exchange.v1.ExchangeService/GetReceipt",
        )
    )
    assert len(known["entries"]) >= 3
    await nodes.settle()
    assert nodes.effects("macao")[exchange] == ("QueryContributions", 1, 1)


@pytest.mark.tool("ghz")
async def test_ghz_drives_the_node(nodes: Processes) -> None:
    roots, certificate, key = _transport(nodes)
    before, asked = len(nodes.effects("macao")), query(11)
    metadata = {
        "authorization": f"Bearer {_token(nodes)}",
        "xb-request-id": "{{newUUID}}",
        "xb-sent-at": f"{datetime.now(UTC):%FT%TZ}",
        "xb-purpose": "CONTRIB_QUERY",
        "xb-scenario": "SC-CQ",
    }
    report = json.loads(
        _run(
            *("ghz", "--cacert", roots, "--cert", certificate, "--key", key),
            *("--protoset", "src/xbgateway/api/descriptors.binpb", "--call", METHOD),
            *("--metadata", json.dumps(metadata), "-n", "200", "-c", "20", "-O", "json"),
            *("-d", json.dumps({"fss_no": asked.fss_no, "pid_token": asked.pid_token})),
            _address(nodes),
        )
    )
    assert report["statusCodeDistribution"] == {"OK": 200}
    await nodes.settle()
    assert len(nodes.effects("macao")) == before + 200


# ---- verifying -------------------------------------------------------------------------------


def _tessera() -> str:
    """Tessera's fsck; the file system's has the same name."""
    found = shutil.which("fsck") or ""
    if "storage_url" in _tried(found, "--help")[1]:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("CI needs the fsck of Tessera; another fsck was found")
    pytest.skip("outside tool missing: fsck of Tessera (another fsck was found)")


@pytest.mark.tool("fsck")
async def test_fsck_accepts_every_log_of_both_stores(
    nodes: Processes, people: Callers, tmp_path: Path
) -> None:
    fsck = _tessera()
    for kind in KINDS:
        await people.call(kind)
    await nodes.settle()
    register = load_register(nodes.register.read_bytes(), nodes.register.parent)
    checked = 0
    for node, store in nodes.stores().items():
        reader = Reader(store)
        for _row, origin, _role, _size, note, _held_size, held, _stopped in reader.log_rows():
            newest = held or note
            if newest is None:
                continue
            folder = tmp_path / node / origin.replace("/", "_")
            size = Checkpoint.parse(newest.partition(b"\n\n")[0] + b"\n").size
            for path, raw in export_files(newest, size, partial(reader.entries, origin)):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(raw)
            key = bytes.fromhex(register.node(parse(origin).writer).log_key)
            vkey = folder.with_suffix(".vkey")
            vkey.write_text(NoteVerifier(origin, key).vkey)
            _code, told = _tried(
                *(fsck, "--ui=false", f"--storage_url=file://{folder}/", f"--public_key={vkey}")
            )
            # Its exit status is 0 either way.
            assert "Successfully fsck'd log" in told, origin
            checked += 1
    assert checked >= 8  # two pairwise lanes and two control lanes, each as log and as mirror


@pytest.mark.tool("openssl")
async def test_openssl_accepts_the_certificates_under_their_own_root_only(
    nodes: Processes,
) -> None:
    trust = nodes.certificates / "trust"
    leaves = sorted(nodes.certificates.glob("*/*/*/tls.crt"))
    assert len(leaves) == len(PARTIES) + sum(len(parties) for parties in PARTIES.values())
    for leaf in leaves:
        side = leaf.relative_to(nodes.certificates).parts[0]
        for domain in PARTIES:
            code, told = _tried(
                *("openssl", "verify", "-x509_strict", "-untrusted", leaf),
                *("-CAfile", trust / f"{domain}.xbg.test.pem", leaf),
            )
            assert (code == 0) is (domain == side), told
        text = _run("openssl", "x509", "-in", leaf, "-noout", "-ext", "subjectAltName")
        assert text.count("URI:spiffe://") == 1


# ---- deciding again --------------------------------------------------------------------------


@pytest.mark.tool("opa")
async def test_opa_makes_every_decision_again(
    nodes: Processes, people: Callers, tmp_path: Path
) -> None:
    """From the facts in the store, through the projection, by the binary: the same bytes."""
    for kind in KINDS:
        await people.call(kind)
    full = people.new(QUERY)
    assert isinstance(full.request, c.QueryContributionsRequest)
    full.request.detail = c.CONTRIBUTION_DETAIL_FULL
    await people.done(full)
    await nodes.settle()
    revision = load_directory()
    projector = Projector(revision)
    recorded = {}
    for node, store in nodes.stores().items():
        rest = RestKey(
            load_rest_key(nodes.certificates / node / "nodes" / node / "rest.key", dev=True)
        )
        for raw, digest, kept_input, decision in _decisions(Reader(store), rest):
            projected = projector.projected(read_facts(*raw))
            assert projected.digest == digest
            assert projected.input_bytes == kept_input
            recorded[digest] = (kept_input, decision)
    assert len(recorded) >= 8  # two legs, on both sides
    assert {json.loads(d)["revision"] for _, d in recorded.values()} == {revision.id}
    (tmp_path / "bundle.tar.gz").write_bytes(bundle_tar(revision.bundle()))
    inputs = f"[{','.join(given.decode() for given, _ in recorded.values())}]"
    (tmp_path / "inputs.json").write_text(inputs)
    told = json.loads(
        _run(
            *("opa", "eval", "--bundle", tmp_path / "bundle.tar.gz"),
            *("--input", tmp_path / "inputs.json", "--format", "json"),
            "[d | some one in input; d := data.xb.decision with input as one]",
        )
    )
    made = told["result"][0]["expressions"][0]["value"]
    assert len(made) == len(recorded)
    for value, (_given, decision) in zip(made, recorded.values(), strict=True):
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert text.encode() == decision


def _decisions(
    reader: Reader, rest: RestKey
) -> Iterator[tuple[tuple[bytes, bytes], str, bytes, bytes]]:
    """Every recorded decision of a store: facts with their standing half, input and decision."""
    facts: dict[str, bytes] = {
        digest.hex(): exchange
        for digest, exchange in reader.connection().execute("SELECT digest, exchange FROM facts")
    }
    seen = 0
    for origin in reader.origins().values():
        for raw in reader.entries(origin, 0, 1 << 20):
            verdict = getattr(decode(raw), "verdict", None)
            if not isinstance(verdict, Verdict) or verdict.facts not in facts:
                continue  # the other node decided, and keeps the facts
            exchange = str(UUID(bytes=facts[verdict.facts]))
            sealed, row = reader.facts(exchange, verdict.facts), reader.exchange_row(exchange)
            assert sealed is not None
            assert row is not None
            assert row[2] is not None
            moment = open_at_rest(rest.unwrap(row[2]), b"facts", sealed)
            kept = reader.standing(standing_digest(moment))
            assert kept is not None
            key = rest.unwrap(kept[:WRAPPED_BYTES])
            standing = open_at_rest(key, b"standing", kept[WRAPPED_BYTES:])
            documents = reader.decision(verdict.revision, verdict.input)
            assert documents is not None
            seen += 1
            yield (moment, standing), verdict.input, *documents
    assert seen == len(facts), "facts that no entry names"
