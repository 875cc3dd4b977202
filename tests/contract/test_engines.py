"""The contract of every policy engine: the same answers, the same refusals, the same bytes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from tests.contract.opa_server import OwnOpa, make_pki, opa_binary, opa_check
from tests.contract.small_policy import (
    ALLOWED,
    INPUTS,
    answering,
    one_module,
    revision_of,
    small_bundle,
)
from tests.harness.scale import scaled

from xbgateway.model.errors import Reason, Refused, Unavailable
from xbgateway.model.limits import POLICY_INPUT_BYTES_MAX
from xbgateway.policy.engine import (
    Bundle,
    EmbeddedEngine,
    Engine,
    Snapshot,
    strict_json,
)
from xbgateway.policy.engine.child import ChildEngine
from xbgateway.policy.engine.server import ServerEngine

SECOND = 1000
Load = Callable[[Bundle], Snapshot]


@pytest.fixture(scope="module")
def embedded() -> EmbeddedEngine:
    return EmbeddedEngine()


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("child", marks=pytest.mark.tool("opa")),
        pytest.param("unix", marks=pytest.mark.tool("opa")),
        pytest.param("tcp", marks=pytest.mark.tool("opa")),
        pytest.param("tls", marks=pytest.mark.tool("opa")),
    ],
)
def engine(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    embedded: EmbeddedEngine,
) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("e")
    match request.param:
        case "embedded":
            yield embedded
            return
        case "child":
            yield ChildEngine(opa_binary(), folder)
            return
        case "unix":
            opa = OwnOpa(folder, unix=True)
        case "tcp":
            opa = OwnOpa(folder)
        case _:
            opa = OwnOpa(folder, make_pki(folder))
    yield ServerEngine(opa.address, opa_check(), opa.publish)
    opa.close()


@pytest.fixture
def load(engine: Engine) -> Iterator[Load]:
    """Load a bundle for one test and close it afterwards."""
    loaded: list[Snapshot] = []

    def _load(bundle: Bundle) -> Snapshot:
        loaded.append(engine.load(bundle))
        return loaded[-1]

    yield _load
    for snapshot in loaded:
        snapshot.close()


def asked(snapshot: Snapshot, value: object) -> dict[str, object]:
    raw = snapshot.decide(strict_json.canonical(value), 10 * SECOND)
    decision: dict[str, object] = json.loads(raw)
    return decision


def refusal(snapshot: Snapshot, raw: bytes = b"{}", timeout_ms: int = 10 * SECOND) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        snapshot.decide(raw, timeout_ms)
    return caught.value


def test_the_small_policy_allows_holds_and_denies(load: Load) -> None:
    bundle = small_bundle()
    snapshot = load(bundle)
    assert (snapshot.revision, snapshot.opa_version) == (bundle.revision, "1.22.2")
    allowed = asked(snapshot, ALLOWED)
    assert allowed == {
        "decision": "allow",
        "rules": [],
        "obligations": {"mask": ["field_4"], "retention_days": 60},
        "revision": bundle.revision,
    }
    assert asked(snapshot, ALLOWED | {"subjects": 100_000})["decision"] == "hold"
    denied = asked(snapshot, ALLOWED | {"consent": "ended"})
    assert denied["decision"] == "deny"
    assert denied["rules"] == [
        {"rule": "MO-01", "what": "ended", "article": "Lei n.º 8/2005 <artigo 6>"}
    ]


def test_nothing_missing_is_allowed(load: Load) -> None:
    snapshot = load(small_bundle())
    for name in ALLOWED:
        rest = {key: value for key, value in ALLOWED.items() if key != name}
        assert asked(snapshot, rest)["decision"] == "deny", name


def test_the_bytes_are_canonical(load: Load) -> None:
    bundle = answering('{"ß": "<&>\\u2028é\\u0001\\"", "a": [3, 1], "B": null, "s": {2, 1}}')
    raw = load(bundle).decide(b'{"x": 1 }', SECOND)
    text = (
        '{"decision":"allow","extra":{"B":null,"a":[3,1],"s":[1,2],"ß":"<&>\u2028é\\u0001\\""},'
        f'"revision":"{bundle.revision}"}}'
    )
    assert raw == text.encode()


@pytest.mark.parametrize(
    "module",
    [
        'decision := {"decision": "allow", "revision": data.revision} if input.absent',
        "other := 1",
        'decision := "allow"',
        "decision := true",
        'decision := ["allow"]',
        'decision := {"decision": "permit", "revision": data.revision}',
        'decision := {"decision": true, "revision": data.revision}',
        'decision := {"decision": ["allow"], "revision": data.revision}',
        'decision := {"revision": data.revision}',
        'decision := {"decision": "allow", "revision": data.revision, "now": input.absent}',
    ],
)
def test_no_decision_is_undefined(load: Load, module: str) -> None:
    assert refusal(load(one_module(module))).reason is Reason.POLICY_UNDEFINED


@pytest.mark.parametrize("revision", ['"0123456789abcdef"', "7", "null"])
def test_another_revision_is_stale(load: Load, revision: str) -> None:
    bundle = one_module(f'decision := {{"decision": "allow", "revision": {revision}}}')
    assert refusal(load(bundle)).reason is Reason.POLICY_STALE


def test_no_revision_is_stale(load: Load) -> None:
    assert refusal(load(one_module('decision := {"decision": "allow"}'))).reason is (
        Reason.POLICY_STALE
    )


def test_a_runaway_policy_is_stopped(load: Load) -> None:
    bundle = answering(
        "1",
        "every n in numbers.range(1, input.n) {\n every m in numbers.range(1, input.n) "
        "{\n n * m > 0\n }\n }",
    )
    snapshot = load(bundle)
    started = time.monotonic()
    assert refusal(snapshot, b'{"n":20000}', 100).reason is Reason.POLICY_TIMEOUT
    assert time.monotonic() - started < 5
    assert asked(snapshot, {"n": 2})["decision"] == "allow"


def test_no_time_left_is_a_timeout(load: Load) -> None:
    assert refusal(load(small_bundle()), b"{}", 0).reason is Reason.POLICY_TIMEOUT


@pytest.mark.parametrize(
    ("module", "code", "says"),
    [
        ("decision := {", "rego_parse_error", ""),
        ("f(x) := f(x)\ndecision := f(1)", "rego_recursion_error", "recursive"),
        ("decision := no.such.thing(1)", "rego_type_error", "undefined function"),
        ("decision := 1 + true", "rego_type_error", ""),
        (
            'decision := http.send({"method": "get", "url": input.u})',
            "rego_type_error",
            "http.send",
        ),
        ("decision := time.now_ns()", "rego_type_error", "time.now_ns"),
        ('decision := rand.intn("x", 3)', "rego_type_error", "rand.intn"),
        ('decision := net.lookup_ip_addr("x")', "rego_type_error", "net.lookup_ip_addr"),
        ("decision := opa.runtime()", "rego_type_error", "opa.runtime"),
        ('decision := 1 if trace("x")', "rego_type_error", "trace"),
        ('decision := uuid.rfc4122("x")', "rego_type_error", "uuid.rfc4122"),
        ("decision := x if { y := 1; x := 2 }", "rego_compile_error", "y"),
        ("decision = x { x := 1 }", "rego_parse_error", ""),
    ],
)
def test_a_bundle_that_does_not_compile_is_refused(
    engine: Engine, module: str, code: str, says: str
) -> None:
    with pytest.raises(Refused) as caught:
        engine.load(one_module(module))
    assert caught.value.reason is Reason.POLICY_INVALID
    assert caught.value.metadata["code"] == code
    assert caught.value.metadata["file"] == "p.rego"
    assert caught.value.metadata["row"].isdigit()
    assert says in caught.value.sentence


def test_a_bundle_narrows_its_own_capabilities(engine: Engine) -> None:
    bundle = answering('upper("x")')
    narrowed = b'{"builtins":[{"name":"eq"},{"name":"assign"},{"name":"time.now_ns"}]}'
    with pytest.raises(Refused, match="upper"):
        engine.load(Bundle(bundle.modules, bundle.data, bundle.revision, narrowed))
    clock = one_module("decision := time.now_ns()")
    with pytest.raises(Refused, match=r"time\.now_ns"):
        engine.load(Bundle(clock.modules, clock.data, clock.revision, narrowed))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1.5}',
        b'{"a":1e3}',
        b'{"a":1',
        b'{"a":1}x',
        b"\xef\xbb\xbf{}",
        b"[]",
        b"null",
        b"",
        b'{"a":"' + b"x" * POLICY_INPUT_BYTES_MAX + b'"}',
    ],
    ids=lambda raw: raw[:24].decode(errors="replace"),
)
def test_input_outside_strict_json_never_reaches_a_policy(load: Load, raw: bytes) -> None:
    assert refusal(load(answering("1")), raw).reason is Reason.POLICY_INPUT_LIMIT


def test_the_deepest_and_largest_input_is_decided(load: Load) -> None:
    deep: object = 1
    for _ in range(31):
        deep = [deep]
    filler = "x" * (POLICY_INPUT_BYTES_MAX - len(strict_json.canonical({"d": deep, "f": ""})))
    raw = strict_json.canonical({"d": deep, "f": filler})
    assert len(raw) == POLICY_INPUT_BYTES_MAX
    snapshot = load(answering("count(input.f)"))
    assert json.loads(snapshot.decide(raw, 10 * SECOND))["extra"] == len(filler)


@pytest.mark.parametrize(
    "value", ["0.5", "10 / 4", "9007199254740993", "1e400", "numbers.range(1, 80000)"]
)
def test_a_decision_outside_the_limits_is_an_error(load: Load, value: str) -> None:
    error = refusal(load(answering(value)))
    assert error.reason is Reason.POLICY_ERROR


def test_a_decision_that_is_too_deep_is_an_error(load: Load) -> None:
    snapshot = load(answering("[input.deep]"))
    deep: object = 1
    for _ in range(31):
        deep = [deep]
    assert refusal(snapshot, strict_json.canonical({"deep": deep})).reason is Reason.POLICY_ERROR


def test_a_conflict_names_itself(load: Load) -> None:
    bundle = one_module(
        'decision := {"decision": "allow", "revision": data.revision} if input.a\n'
        'decision := {"decision": "deny", "revision": data.revision} if input.b'
    )
    snapshot = load(bundle)
    assert asked(snapshot, {"a": 1})["decision"] == "allow"
    error = refusal(snapshot, b'{"a":1,"b":1}')
    assert error.reason is Reason.POLICY_ERROR
    assert error.metadata["code"] == "eval_conflict_error"
    assert "conflict" in error.sentence


def test_a_builtin_error_is_undefined_everywhere(load: Load) -> None:
    assert refusal(load(answering("1 / input.n")), b'{"n":0}').reason is Reason.POLICY_UNDEFINED


def test_threads_share_a_snapshot(load: Load) -> None:
    snapshot = load(answering("input.n * 2"))

    def decide(n: int) -> object:
        return asked(snapshot, {"n": n})["extra"]

    count = scaled(100)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decide, range(count))) == [2 * n for n in range(count)]


def test_close_lets_the_evaluation_in_flight_finish(load: Load) -> None:
    snapshot = load(
        answering(
            "count([1 | some a in numbers.range(1, 600); some b in "
            "numbers.range(1, 600); a * b == input.n])"
        )
    )
    raw = b'{"n":360000}'
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(snapshot.decide(raw, 60 * SECOND)))
    thread.start()
    time.sleep(0.03)
    snapshot.close()
    snapshot.close()
    assert refusal(snapshot, raw).reason is Reason.POLICY_UNAVAILABLE
    thread.join()
    assert json.loads(got[0])["extra"] == 1


def test_a_new_revision_replaces_the_old(engine: Engine, load: Load) -> None:
    old, new = answering('"old"'), answering('"new"')
    first = load(old)
    assert asked(first, {})["extra"] == "old"
    second = load(new)
    assert asked(second, {})["extra"] == "new"
    if isinstance(engine, EmbeddedEngine | ChildEngine):
        assert asked(first, {})["extra"] == "old"
    else:  # one server, one revision: the old snapshot says so rather than answer for the new
        assert refusal(first).reason is Reason.POLICY_STALE


def test_tables_reach_the_policy_unchanged(load: Load) -> None:
    tables = {"é\u2028": ["\u2029<&>", 2**53 - 1, -1, True, None, {}], "half": 0.5, "tiny": 1e-9}
    module = (
        'decision := {"decision": "allow", "revision": data.revision, '
        '"extra": data.tables["é\\u2028"]} if data.tables.half + data.tables.half == 1'
    )
    assert asked(load(one_module(module, **tables)), {})["extra"] == tables["é\u2028"]


def test_every_engine_answers_the_embedded_bytes(load: Load, embedded: EmbeddedEngine) -> None:
    snapshot, reference = load(small_bundle()), embedded.load(small_bundle())
    seen: set[object] = set()

    @settings(
        max_examples=scaled(60),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(INPUTS)
    def same(value: dict[str, object]) -> None:
        for candidate in (value, ALLOWED | value):
            raw = strict_json.canonical(candidate)
            expected = reference.decide(raw, 10 * SECOND)
            assert snapshot.decide(raw, 10 * SECOND) == expected
            seen.add(json.loads(expected)["decision"])

    same()
    reference.close()
    assert seen >= {"allow", "deny"}


def test_a_bundle_needs_a_hash_and_tame_paths() -> None:
    good = small_bundle()
    for path in ("../p.rego", "/p.rego", "a/../../p.rego", "p.json", "p\n.rego"):
        with pytest.raises(Refused, match="module path"):
            Bundle({path: "package xb"}, {}, good.revision)
    with pytest.raises(Refused, match="hash"):
        Bundle({}, {}, "rev-1")
    with pytest.raises(Refused, match="revision"):
        Bundle({}, {"revision": "x"}, revision_of({}, {}))
