import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness.facts import policy_files
from tests.harness.policies import few_cases

from xbgateway.model.errors import Refused
from xbgateway.policy import lint
from xbgateway.policy.check import Report, check_directory
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.fixtures import cases
from xbgateway.policy.source import default_policy_directory

ENGINE = EmbeddedEngine()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; read only. The rules of the state's secrets have all their cases."""
    return few_cases(tmp_path_factory.mktemp("few") / "policies", frozenset({"CN-SEC-1"}))


@pytest.fixture
def copy(few: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(few, tmp_path / "policies"))


def edit(copy: Path, path: str, old: str, new: str) -> None:
    text = (copy / path).read_text()
    assert old in text
    (copy / path).write_text(text.replace(old, new, 1))


def reasons(report: Report) -> str:
    assert not report.passed
    return "\n".join(str(problem) for problem in report.problems)


@pytest.fixture(scope="module")
def whole() -> Report:
    """All that can be checked here, of all that is there: made once, since it takes its time."""
    return check_directory(default_policy_directory(), ENGINE, shutil.which("opa"))


def test_every_fixture_decides_as_it_says(whole: Report) -> None:
    assert whole.problems == []
    assert "fixtures by the engine" in whole.done
    assert len(list(cases(policy_files()))) > 900


@pytest.mark.tool("opa")
def test_with_opa_everything_is_checked(whole: Report) -> None:
    assert whole.problems == []
    assert whole.skipped == []
    assert {"opa fmt", "opa test", "fixtures by opa eval", "negation lint"} <= set(whole.done)


def test_without_opa_the_rest_is_checked_and_the_gap_is_named(few: Path) -> None:
    report = check_directory(few, ENGINE)
    assert report.problems == []
    assert len(report.skipped) == 1
    assert "fixtures by the engine" in report.done


@pytest.mark.tool("opa")
def test_what_the_tests_below_break_is_sound(few: Path) -> None:
    report = check_directory(few, ENGINE, shutil.which("opa"))
    assert report.problems == []
    assert report.skipped == []


@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        ("cn/pipl.rego", "import rego.v2\n", "", "cn/pipl.rego:1: `import rego.v2` is missing"),
        ("cn/pipl.rego", "custom:\n#   id: CN-PIPL-6-1", "custom:\n#   id: CN-X-1", "CN-PIPL-6-1"),
        ("cn/pipl.rego", "# title: Notice", "# titel: Notice", "the metadata lacks 'title'"),
        ("texts/cn_security.yaml", "CN-SEC-1:\n", "CN-SEC-2:\n", "CN-SEC-1 has no text"),
        ("fixtures/CN-SEC-1.yaml", "decision: allow", "decision: hold", "no fixture that passes"),
        ("fixtures/CN-SEC-1.yaml", "rule: CN-SEC-1", "rule: CN-SEC-9", "named after its rule"),
        ("fixtures/CN-SEC-1.yaml", "state_secret", "state_sekret", "has no 'state_sekret'"),
        ("fixtures/CN-SEC-1.yaml", "base: proof", "base: poof", "there is no such base"),
        ("tables/thresholds.yaml", "value: 300", "value: 299", "300 seconds old"),
        ("tables/gba_cities.yaml", "jurisdiction: MO", "jurisdiction: HK", "'HK' is not one of"),
        ("cn/security.rego", 'field.class == "core"', 'field.class == "cor"', "core data"),
        (
            "cn/security.rego",
            "package xb.cn.security",
            "package xb.cn.securit",
            "did not come to a decision",
        ),
        (
            "cn/security.rego",
            "import rego.v2\n",
            "import rego.v2\nx := time.now_ns()\n",
            "time.now",
        ),
    ],
)
def test_what_is_wrong_is_found(copy: Path, path: str, old: str, new: str, says: str) -> None:
    edit(copy, path, old, new)
    assert says in reasons(check_directory(copy, ENGINE))


def test_a_package_that_is_not_whole_is_named(copy: Path) -> None:
    text = "package xb.cn.odd\n\nimport rego.v2\n\ndeny contains one if some one in set()\n"
    (copy / "cn" / "odd.rego").write_text(text)
    found = reasons(check_directory(copy, ENGINE))
    for lacking in ("hold", "oblige", "waive", "warn"):
        assert f"cn/odd.rego:1: `{lacking}` is missing" in found
    assert "cn/odd.rego:1: decision.rego does not name the package" in found


@pytest.mark.tool("opa")
@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        ("cn/security.rego", "\tinput.t.direction", "  input.t.direction", "opa fmt"),
        ("cn/security.rego", "input.t.direction", "input.t.directoin", "directoin"),
        ("cn/security.rego", 'input.m.state == "valid"', "input.m.state == 1", "match error"),
        ("decision_test.rego", '"deny"', '"allow"', "test_no_section_can_be_left_out"),
    ],
)
def test_what_opa_finds_is_reported(copy: Path, path: str, old: str, new: str, says: str) -> None:
    edit(copy, path, old, new)
    assert says in reasons(check_directory(copy, ENGINE, shutil.which("opa")))


@pytest.mark.tool("opa")
def test_the_negation_lint_names_the_line(copy: Path) -> None:
    edit(copy, "gw/gateway.rego", "import rego.v2\n", "")
    lines = (copy / "gw/gateway.rego").read_text().splitlines()
    opa = shutil.which("opa")
    assert opa is not None
    files = {"gw/gateway.rego": (copy / "gw/gateway.rego").read_bytes()}
    found = list(lint.negations(files, copy, opa))
    assert found
    for problem in found:
        assert "not " in lines[problem.line - 1]


def test_a_broken_fixture_is_refused_with_its_place(copy: Path) -> None:
    edit(copy, "fixtures/CN-SEC-1.yaml", "expect:", "expected:")
    files = {**policy_files(), "fixtures/CN-SEC-1.yaml": b""}
    files["fixtures/CN-SEC-1.yaml"] = (copy / "fixtures/CN-SEC-1.yaml").read_bytes()

    def read() -> Iterator[object]:
        yield from cases(files)

    with pytest.raises(Refused, match=r"^POLICY_INVALID: fixtures/CN-SEC-1.yaml:\d+: "):
        list(read())
