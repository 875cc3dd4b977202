"""The traps of opa-python-client 3.0.0 and of OPA's REST API, each by its number.

1 no unix socket, 2 undefined is ``{}``, 3 the error body is lost, 4 retries, 5 one timeout for all,
6 the environment overrides TLS, 7 the async client needs its context, 8 uploads rewrite the policy,
9 empty inputs and unquoted paths.
"""

import asyncio
import dataclasses
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.contract.opa_server import OwnOpa, Pki, free_port, make_pki, opa_check
from tests.contract.small_policy import answering, one_module
from tests.contract.wire import misbehaving, reply

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import POLICY_RESULT_BYTES_MAX
from xbgateway.policy.engine import Address, Bundle, Tls
from xbgateway.policy.engine.server import ServerEngine, ServerSnapshot

REVISION = "0123456789abcdef" * 4
SECOND = 1000


def good_answer(**changes: object) -> bytes:
    provenance = {"version": "1.22.2", "bundles": {"b": {"revision": REVISION}}}
    result = {"decision": "allow", "revision": REVISION}
    return json.dumps({"provenance": provenance, "result": result} | changes).encode()


def refused(address: Address, timeout_ms: int = SECOND) -> Unavailable:
    snapshot = ServerSnapshot(address, REVISION)
    with pytest.raises(Unavailable) as caught:
        snapshot.decide(b'{"a":1}', timeout_ms)
    snapshot.close()
    return caught.value


def answer_of(body: bytes, status: int = 200) -> Unavailable:
    with misbehaving(lambda handler, _: reply(handler, status, body)) as wire:
        return refused(wire.address)


def compiled(_: Bundle) -> None:
    """For servers that hold what the test gave them."""


@pytest.mark.tool("opa")
def test_trap_1_a_unix_socket(tmp_path: Path) -> None:
    opa = OwnOpa(tmp_path, unix=True)
    snapshot = ServerEngine(opa.address, opa_check(), opa.publish).load(answering("1"))
    assert json.loads(snapshot.decide(b"{}", SECOND))["extra"] == 1
    snapshot.close()
    opa.close()
    assert refused(opa.address).reason is Reason.POLICY_UNAVAILABLE


def test_trap_2_undefined_is_no_decision() -> None:
    provenance = json.loads(good_answer())["provenance"]
    body = json.dumps({"provenance": provenance}).encode()
    assert answer_of(body).reason is Reason.POLICY_UNDEFINED
    assert answer_of(good_answer(result={})).reason is Reason.POLICY_UNDEFINED


@pytest.mark.parametrize(
    "body", [b"{}", b'{"result":{"decision":"allow"}}', b"[]", b"7", b"x", b""]
)
def test_trap_2_an_answer_without_provenance_is_not_believed(body: bytes) -> None:
    assert answer_of(body).reason in {Reason.POLICY_UNAVAILABLE, Reason.POLICY_ERROR}


def test_trap_2_release_and_revision_are_asserted_on_every_answer() -> None:
    bundles = {"b": {"revision": REVISION}}
    old = good_answer(provenance={"version": "1.22.1", "bundles": bundles})
    assert answer_of(old).reason is Reason.POLICY_UNAVAILABLE
    other = good_answer(provenance={"version": "1.22.2", "bundles": {"b": {"revision": "ff"}}})
    assert answer_of(other).reason is Reason.POLICY_STALE
    none = good_answer(provenance={"version": "1.22.2"})
    assert answer_of(none).reason is Reason.POLICY_STALE
    inside = good_answer(result={"decision": "allow", "revision": "ff"})
    assert answer_of(inside).reason is Reason.POLICY_STALE


def test_trap_3_opas_own_words_survive() -> None:
    body = b'{"code":"internal_error","message":"m","errors":[{"code":"eval_x","message":"why"}]}'
    error = answer_of(body, 500)
    assert error.reason is Reason.POLICY_ERROR
    assert error.metadata["code"] == "eval_x"
    assert "why" in error.sentence
    assert (
        "denied here" in answer_of(b'{"code":"unauthorized","message":"denied here"}', 403).sentence
    )
    assert "<p>" in answer_of(b"<p>", 502).sentence


def test_trap_4_nothing_is_asked_twice() -> None:
    with misbehaving(lambda handler, _: reply(handler, 500, b"{}")) as wire:
        started = time.monotonic()
        assert refused(wire.address).reason is Reason.POLICY_ERROR
        assert time.monotonic() - started < 0.25
        assert len(wire.seen) == 1


def test_trap_4_a_missing_server_fails_at_once(tmp_path: Path) -> None:
    for address in (Address("127.0.0.1", free_port()), Address(unix_socket=tmp_path / "no.sock")):
        started = time.monotonic()
        assert refused(address).reason is Reason.POLICY_UNAVAILABLE
        assert time.monotonic() - started < 0.25


def test_trap_4_a_redirect_is_not_followed() -> None:
    with misbehaving(lambda handler, _: reply(handler, 200, good_answer())) as other:
        target = f"http://127.0.0.1:{other.address.port}/v1/data/xb/decision"

        def away(handler: BaseHTTPRequestHandler, _: bytes) -> None:
            reply(handler, 307, b"{}", Location=target)

        with misbehaving(away) as wire:
            assert refused(wire.address).reason is not Reason.POLICY_DENIED
            assert other.seen == []


def test_trap_5_each_call_has_its_own_deadline() -> None:
    def slow(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        time.sleep(0.15)
        reply(handler, 200, good_answer())

    with misbehaving(slow) as wire:
        snapshot = ServerSnapshot(wire.address, REVISION)
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            snapshot.decide(b"{}", 50)
        assert caught.value.reason is Reason.POLICY_TIMEOUT
        assert time.monotonic() - started < 0.14
        assert json.loads(snapshot.decide(b"{}", 5 * SECOND))["decision"] == "allow"
        snapshot.close()


def test_trap_5_a_trickling_answer_is_cut() -> None:
    def trickle(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _n in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.03)

    with misbehaving(trickle) as wire:
        started = time.monotonic()
        assert refused(wire.address, 150).reason is Reason.POLICY_TIMEOUT
        assert time.monotonic() - started < 0.5


def test_trap_5_an_endless_answer_is_cut() -> None:
    def endless(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**9))
        handler.end_headers()
        for _n in range(100):
            handler.wfile.write(b" " * (POLICY_RESULT_BYTES_MAX // 4))

    with misbehaving(endless) as wire:
        assert refused(wire.address, 5 * SECOND).reason is Reason.POLICY_ERROR


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Address, Pki]]:
    folder = tmp_path_factory.mktemp("tls")
    pki = make_pki(folder)
    opa = OwnOpa(folder, pki)
    ServerEngine(opa.address, opa_check(), opa.publish).load(answering("1")).close()
    yield opa.address, pki
    opa.close()


@pytest.mark.tool("opa")
def test_trap_6_the_environment_does_not_override_the_pinned_ca(
    tls: tuple[Address, Pki], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, pki = tls
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(pki.other_root))
    snapshot = ServerEngine(address, compiled).load(answering("1"))
    assert json.loads(snapshot.decide(b"{}", SECOND))["extra"] == 1
    snapshot.close()
    # The other way round: an environment that would vouch for the server cannot.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(pki.root))
    wrong = dataclasses.replace(address, tls=Tls(pki.other_root, *pki.client))
    error = refused(wrong)
    assert error.reason is Reason.POLICY_UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in error.sentence


@pytest.mark.tool("opa")
def test_trap_6_mutual_tls_needs_our_certificate(tls: tuple[Address, Pki]) -> None:
    address, pki = tls
    anonymous = dataclasses.replace(address, tls=Tls(pki.root))
    assert refused(anonymous).reason is Reason.POLICY_UNAVAILABLE
    plain = dataclasses.replace(address, tls=None)
    assert refused(plain).reason in {Reason.POLICY_UNAVAILABLE, Reason.POLICY_ERROR}


def test_trap_6_netrc_adds_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with misbehaving(lambda handler, _: reply(handler, 200, good_answer())) as wire:
        for address, said in (
            (wire.address, None),
            (dataclasses.replace(wire.address, token="t0"), "Bearer t0"),
        ):
            snapshot = ServerSnapshot(address, REVISION)
            snapshot.decide(b"{}", SECOND)
            snapshot.close()
            assert wire.seen[-1][2].get("Authorization") == said


async def test_trap_7_the_event_loop_decides_through_threads() -> None:
    with misbehaving(lambda handler, _: reply(handler, 200, good_answer())) as wire:
        snapshot = ServerSnapshot(wire.address, REVISION)
        calls = [asyncio.to_thread(snapshot.decide, b"{}", 5 * SECOND) for _ in range(8)]
        assert len(set(await asyncio.gather(*calls))) == 1
        assert len(wire.seen) == 8
        snapshot.close()


def test_trap_8_loading_uploads_nothing() -> None:
    bundle = Bundle(answering("1").modules, {}, REVISION)

    def behave(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        revision = handler.path.startswith("/v1/data/revision")
        reply(handler, 200, good_answer(result=REVISION) if revision else good_answer())

    with misbehaving(behave) as wire:
        snapshot = ServerEngine(wire.address, compiled).load(bundle)
        snapshot.decide(b"{}", SECOND)
        snapshot.close()
        assert [(method, path) for method, path, _, _ in wire.seen] == [
            ("POST", "/v1/data/revision?provenance=true"),
            ("POST", "/v1/data/xb/decision?provenance=true"),
        ]


@pytest.mark.tool("opa")
def test_trap_8_old_rego_is_refused_not_rewritten(tmp_path: Path) -> None:
    opa = OwnOpa(tmp_path)
    with pytest.raises(Refused) as caught:
        ServerEngine(opa.address, opa_check(), opa.publish).load(
            one_module('decision = {"decision": "allow"} { true }')
        )
    assert caught.value.metadata["code"] == "rego_parse_error"
    assert list(tmp_path.iterdir()) == []


def test_trap_9_an_empty_input_is_sent_as_one() -> None:
    with misbehaving(lambda handler, _: reply(handler, 200, good_answer())) as wire:
        snapshot = ServerSnapshot(wire.address, REVISION)
        snapshot.decide(b"{}", SECOND)
        snapshot.decide('{"a":"é/../?x=1#"}'.encode(), SECOND)
        snapshot.close()
        assert json.loads(wire.seen[0][3]) == {"input": {}}
        assert json.loads(wire.seen[1][3]) == {"input": {"a": "é/../?x=1#"}}
        assert {path for _, path, _, _ in wire.seen} == {"/v1/data/xb/decision?provenance=true"}


@pytest.mark.tool("opa")
def test_a_server_that_never_takes_the_revision_up_is_stale(tmp_path: Path) -> None:
    opa = OwnOpa(tmp_path)
    ServerEngine(opa.address, opa_check(), opa.publish).load(answering("1")).close()
    with pytest.raises(Unavailable) as caught:
        ServerEngine(opa.address, opa_check(), activation_timeout_s=0.2).load(answering("2"))
    assert caught.value.reason is Reason.POLICY_STALE
    opa.close()
