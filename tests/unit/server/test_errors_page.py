"""Every reason is explained, once, in four languages; and the page says just that."""

import importlib.util
import re
from pathlib import Path

import grpc
import pytest

from xbgateway.model.errors import Reason
from xbgateway.model.reasons import CATALOGUE, GROUPS
from xbgateway.server.texts import LANGUAGES, chosen, text_of

ROOT = Path(__file__).resolve().parents[3]


def test_the_catalogue_is_complete_and_each_reason_stands_in_one_group() -> None:
    assert set(CATALOGUE) == set(Reason)
    assert sum(len(group) for group in GROUPS.values()) == len(Reason)


def test_codes_are_grpcs_and_no_reason_means_success() -> None:
    for reason, explanation in CATALOGUE.items():
        assert grpc.StatusCode[explanation.code] is not grpc.StatusCode.OK
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,61}[A-Z0-9]", reason)
        assert explanation.meaning.endswith(".")
        assert explanation.hint.endswith(".")


def test_the_page_is_what_the_catalogue_says() -> None:
    spec = importlib.util.spec_from_file_location("gen", ROOT / "scripts" / "gen_errors_doc.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert page == generator.render()
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == list(CATALOGUE)


def test_every_reason_has_a_text_in_every_language() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for reason in Reason:
        texts = {language: text_of(reason, language) for language in LANGUAGES}
        assert chinese.search(texts["zh-Hant"])
        assert chinese.search(texts["zh-Hans"])
        assert not chinese.search(texts["pt"] + texts["en"])
        assert texts["pt"] != texts["en"]


def test_simplified_and_traditional_are_not_mixed_up() -> None:
    only_traditional, only_simplified = set("證書節點請時間據開關"), set("证书节点请时间据开关")
    shared = only_traditional & only_simplified
    for reason in Reason:
        assert not set(text_of(reason, "zh-Hans")) & (only_traditional - shared)
        assert not set(text_of(reason, "zh-Hant")) & (only_simplified - shared)


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("", "en"),
        ("fr", "en"),
        ("fr, pt-PT;q=0.9, en;q=0.8", "pt"),
        ("zh-MO", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("ZH-TW", "zh-Hant"),
        ("zh-CN,zh;q=0.9", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("en-GB", "en"),
        (";;,,--", "en"),
    ],
)
def test_the_callers_language(wanted: str, language: str) -> None:
    assert chosen(wanted) == language
