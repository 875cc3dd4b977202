import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from tests.harness.facts import policy_files

from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.revision import content_hash, load_directory, load_revision
from xbgateway.policy.source import default_policy_directory, read_policy_directory


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    files = dict(policy_files())
    text = files[path].decode()
    assert text.count(old) >= 1, f"{old!r} is not in {path}"
    files[path] = text.replace(old, new, 1).encode()
    return files


def refusal(files: Mapping[str, bytes]) -> Refused:
    with pytest.raises(Refused) as caught:
        load_revision(files)
    assert caught.value.reason is Reason.POLICY_INVALID
    return caught.value


def test_the_revision_is_the_hash_of_what_decides() -> None:
    revision = load_revision(policy_files())
    assert revision.id == content_hash(policy_files()) == revision.bundle().revision
    again = dict(sorted(policy_files().items(), reverse=True))
    assert load_revision(again).id == revision.id
    for path, old, new in (
        ("tables/thresholds.yaml", "value: 300", "value: 301"),
        ("texts/gw_gateway.yaml", "en: A fact", "en: One fact"),
        ("cn/pipl.rego", "consent", "Consent"),
        ("capabilities.json", "abs", "abz"),
    ):
        assert content_hash(changed(path, old, new)) != revision.id, path


def test_fixtures_and_rego_tests_do_not_change_the_revision() -> None:
    files = {**policy_files(), "cn/more_test.rego": b"package x", "fixtures/X-1.yaml": b"rule: X-1"}
    assert content_hash(files) == content_hash(policy_files())
    assert "cn/more_test.rego" not in load_revision(files).modules


def test_hash_does_not_confuse_where_files_begin_and_end() -> None:
    assert content_hash({"a": b"xb\n1\ny"}) != content_hash({"a": b"x", "b": b"y"})
    assert content_hash({"a": b"", "b": b"x"}) != content_hash({"a": b"x", "b": b""})


def test_editions_change_on_the_days_rows_begin_or_end() -> None:
    row = "      - {city: macao, jurisdiction: MO}"
    moved = '      - {city: macao, jurisdiction: MO, effective_to: "2026-06-30"}'
    tables = load_revision(changed("tables/gba_cities.yaml", row, moved)).tables
    last, first = date(2026, 6, 30), date(2026, 7, 1)
    assert tables.edition(first) == tables.edition(last) + 1
    assert "macao" in tables.editions[tables.edition(last)]["gba_cities"]
    assert "macao" not in tables.editions[tables.edition(first)]["gba_cities"]
    assert tables.editions[tables.edition(date(2000, 1, 1))]["gba_cities"] == {}


def test_a_row_may_be_replaced_from_a_day_on() -> None:
    old = "      - {purpose: ID_MATCH, days: 30}"
    new = (
        "      - {purpose: ID_MATCH, days: 30, effective_to: 2026-12-31}\n"
        "      - {purpose: ID_MATCH, days: 60, effective_from: 2027-01-01}"
    )
    tables = load_revision(changed("tables/retention_maxima.yaml", old, new)).tables
    for day, days in ((date(2026, 12, 31), 30), (date(2027, 1, 1), 60)):
        assert tables.cuts[tables.edition(day)].maxima["ID_MATCH"].days_from(day) == days


def test_the_dictionary_is_complete_for_the_purposes_of_the_catalogue() -> None:
    tables = load_revision(policy_files()).tables
    allowed = tables.editions[-1]["allowed_fields"]
    assert set(allowed["CONTRIB_QUERY"]["MO2CN"]) == {
        *("pid_token", "fss_no", "scheme", "status", "institution", "detail")
    }
    assert "stay_from" in allowed["RESIDENCE_DAYS"]["CN2MO"]
    assert "stay_from" not in allowed["RESIDENCE_DAYS"]["MO2CN"]
    assert allowed["RESIDENCE_DAYS"]["CN2MO"]["address_text"]["mask"] == "district"
    assert allowed["PENSION_CLAIM"]["CN2MO"]["monthly_amount"]["condition"] == "consent"
    everywhere = {name for ways in allowed.values() for names in ways.values() for name in names}
    never = {"id_card_photo", "wage_base", "border_crossings", "diagnoses", "cause_of_death"}
    assert not everywhere & never
    for counted in ("STATS", "AO_PRODUCT"):
        assert set(allowed[counted]["CN2MO"]) == {"cell", "cell_count"}


@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        ("tables/thresholds.yaml", "value: 300", "value: -1", "-1 is less than the minimum"),
        ("tables/thresholds.yaml", "value: 300", "value: 0x", "'0x' is not of type 'integer'"),
        ("tables/thresholds.yaml", "name: replay_s", "nmae: replay_s", "nmae"),
        ("tables/thresholds.yaml", "    statute: Project", "    statut: Project", "statut"),
        ("tables/gba_cities.yaml", "city: zhuhai", "city: guangzhou", "stands twice"),
        ("tables/gba_cities.yaml", "city: zhuhai,", "city: zhuhai, city: hengqin,", "twice"),
        ("tables/gba_cities.yaml", "2024-09-10", "2024-13-10", "month"),
        ("tables/holidays.yaml", "2026-01-01", "2026-02-30", "day"),
        ("tables/masking.yaml", "how: permit", "how: stars", "'stars' is not one of"),
        ("tables/retention_maxima.yaml", "days: 30}", "days: 30, years: 1}", "valid under each"),
        ("tables/social_bodies.yaml", "[DEATH_NOTICE, ", "[DEATH_NOTE, ", "DEATH_NOTE"),
        ("texts/gw_gateway.yaml", "    pt: Falta um facto", "    pd: Falta um facto", "pd"),
        ("tables/purposes.yaml", "groups:", "groups: [", "expected"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(path: str, old: str, new: str, says: str) -> None:
    problem = refusal(changed(path, old, new))
    assert says in problem.sentence
    assert problem.metadata["file"] == path
    line = int(problem.metadata["line"])
    assert line > 1
    assert problem.sentence.startswith(f"{path}:{line}: ")


def test_the_line_is_that_of_the_row() -> None:
    problem = refusal(changed("tables/gba_cities.yaml", "city: foshan", "city: Foshan"))
    text = policy_files()["tables/gba_cities.yaml"].decode().splitlines()
    assert "foshan" in text[int(problem.metadata["line"]) - 1]


@pytest.mark.parametrize(
    "missing",
    ["decision.rego", "schema/texts/rules.json", "capabilities.json", "tables/holidays.yaml"],
)
def test_a_missing_file_is_named(missing: str) -> None:
    files = {path: raw for path, raw in policy_files().items() if path != missing}
    assert refusal(files).metadata["file"] == missing


def test_a_rule_has_its_text_in_one_file_only() -> None:
    text = policy_files()["texts/cn_security.yaml"]
    problem = refusal({**policy_files(), "texts/zz_more.yaml": text})
    assert "stands in texts/cn_security.yaml too" in problem.sentence
    assert problem.metadata["file"] == "texts/zz_more.yaml"


def test_without_any_text_there_is_no_revision() -> None:
    files = {path: raw for path, raw in policy_files().items() if not path.startswith("texts/")}
    assert "the file is missing" in refusal(files).sentence


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert "UTF-8" in refusal({**policy_files(), "cn/x.rego": b"package x\xff"}).sentence
    assert "UTF-8" in refusal({**policy_files(), "texts/mo_transfer.yaml": b"\xff"}).sentence


def test_a_directory_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no policy files"):
        load_directory(tmp_path)
    with pytest.raises(Refused):
        load_directory(tmp_path / "absent")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(Refused, match="larger"):
        read_policy_directory(tmp_path)


def test_the_default_directory_is_found_from_anywhere(tmp_path: Path) -> None:
    assert (default_policy_directory() / "decision.rego").is_file()
    program = "from xbgateway.policy.revision import load_directory;print(load_directory().id)"
    source = Path(__file__).resolve().parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == load_directory().id


def test_capabilities_forbid_what_is_not_a_function_of_the_input() -> None:
    names = {one["name"] for one in json.loads(policy_files()["capabilities.json"])["builtins"]}
    forbidden = {"http.send", "time.now_ns", "rand.intn", "uuid.rfc4122", "opa.runtime", "print"}
    assert not names & forbidden
    assert {"count", "sort", "object.union"} <= names
    assert json.loads(policy_files()["capabilities.json"])["allow_net"] == []
