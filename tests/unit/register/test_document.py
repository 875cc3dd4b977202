"""The register document: what is believed, and what is refused where."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.register.document import Register, load_register

Document = dict[str, Any]
Load = Callable[[Document], Register]

SERVICE = "test.population.v1.PopulationService"


def test_a_whole_document_is_believed(load: Load, document: Document) -> None:
    register = load(document)
    assert register.node("macao").cosign_key == "0d" * 32
    assert register.party("cn.window").name.zh_hant == "一"
    assert [p.id for p in register.parties_of("macao")] == ["mo.fss"]
    assert register.parties_of("hengqin") == ()
    assert [p.id for p in register.providers_of(SERVICE)] == ["mo.fss"]
    assert register.scenario("SC-1").answer.consent == "CNS-1"
    assert register.instrument("N-2").kind == "notice"
    assert register.dataset("DS-T-1") is not None
    assert register.dataset("DS-T-2") is None


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda r: r.node("x"), Reason.PEER_UNKNOWN),
        (lambda r: r.parties_of("x"), Reason.PEER_UNKNOWN),
        (lambda r: r.party("x"), Reason.PARTY_UNKNOWN),
        (lambda r: r.providers_of("x"), Reason.SERVICE_UNKNOWN),
        (lambda r: r.scenario("x"), Reason.REFERENCE_UNKNOWN),
        (lambda r: r.instrument("x"), Reason.REFERENCE_UNKNOWN),
    ],
    ids=["node", "parties_of", "party", "providers_of", "scenario", "instrument"],
)
def test_what_is_not_registered_is_refused_by_name(
    load: Load, document: Document, ask: Callable[[Register], object], reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        ask(load(document))
    assert refused.value.reason is reason
    assert "x" in refused.value.metadata.values()


def test_the_version_names_the_values_and_not_the_writing(
    load: Load, document: Document, tmp_path: Path
) -> None:
    version = load(document).version
    assert len(version) == 64
    shuffled = dict(random.Random(7).sample(list(document.items()), len(document)))
    assert load(shuffled).version == version
    text = "# a comment\n" + yaml.safe_dump(document, default_flow_style=True)
    assert load_register(text.encode(), tmp_path).version == version
    document["parties"][0]["ciio"] = True
    assert load(document).version != version


def test_another_descriptor_set_is_another_version(
    load: Load, document: Document, tmp_path: Path, population: bytes
) -> None:
    before = load(document).version
    (tmp_path / "population.binpb").write_bytes(population + b"\x0a\x00")
    text = yaml.safe_dump(document).encode()
    assert load_register(text, tmp_path).version != before


def _set(document: Document, place: str, value: object) -> None:
    target: Any = document
    *path, last = [int(p) if p.isdigit() else p for p in place.split("/")]
    for part in path:
        target = target[part]
    target[last] = value


@pytest.mark.parametrize(
    "case",
    [
        ("version", 2, "version", "1"),
        ("environment", "staging", "environment", "prod"),
        ("nodes/0/log_key", "ab", "nodes[0].log_key", "pattern"),
        ("nodes/0/log_key", "0b" * 32, "nodes[0].cosign_key", "already uses"),
        ("nodes/1/id", "zhuhai", "nodes[1].id", "twice"),
        ("nodes/0/surprise", 1, "nodes[0].surprise", "not permitted"),
        ("parties/0/node", "x", "parties[0].node", "unknown node x"),
        ("parties/0/ciio", "yes", "parties[0].ciio", "boolean"),
        ("parties/0/name", {"en": "one"}, "parties[0].name.zh-Hans", "required"),
        ("services/0/provider", "x", "services[0].provider", "unknown party x"),
        ("services/0/descriptor_set", "x.binpb", "services[0].descriptor_set", "cannot read"),
        ("services/0/delivery", {"mode": "post"}, "services[0].delivery.mode", "'push' or 'pull'"),
        ("services/0/delivery", {"horizon_s": 0}, "services[0].delivery.horizon_s", "equal to 1"),
        (
            "services/0/delivery",
            {"visibility_s": 9},
            "services[0].delivery",
            "visibility_s means nothing for mode push",
        ),
        (
            "services/0/delivery",
            {"mode": "pull", "backoff_s_min": 9},
            "services[0].delivery",
            "backoff_s_min means nothing for mode pull",
        ),
        (
            "services/0/methods",
            {"M": {"backoff_s_min": 90}},
            "services[0].methods.M",
            "backoff_s_min is above backoff_s_max",
        ),
        ("datasets/0/owner", "x", "datasets[0].owner", "unknown party x"),
        ("scenarios/0/datasets", ["x"], "scenarios[0].datasets[0]", "unknown dataset x"),
        ("scenarios/0/services", ["a.B"], "scenarios[0].services[0]", "unknown service a.B"),
        ("scenarios/0/callers", ["mo.fss", "x"], "scenarios[0].callers[1]", "unknown party x"),
        ("scenarios/0/providers", ["x"], "scenarios[0].providers[0]", "unknown party x"),
        ("scenarios/0/request/notice", "x", "scenarios[0].request.notice", "unknown x"),
        ("scenarios/0/answer/notice", "GBA-1", "scenarios[0].answer.notice", "is a mechanism"),
        ("scenarios/0/request/basis/cn", "whim", "scenarios[0].request.basis.cn", "consent"),
        ("scenarios/0/request/retention_days", -1, "scenarios[0].request.retention_days", "0"),
        ("instruments/0/type", "none", "instruments[0].type", "gba_sc"),
        ("instruments/0/parties", ["x"], "instruments[0].parties[0]", "unknown party x"),
        ("instruments/0/pipia_ref", "N-1", "instruments[0].pipia_ref", "no pipia"),
        ("instruments/0/effective_on", "2026-02-30", "instruments[0].effective_on", "day"),
        ("instruments/3/recipients", ["x"], "instruments[3].recipients[0]", "unknown party x"),
        ("instruments/1/kind", "rumour", "instruments[1]", "kind"),
        ("instruments/2/id", "N-1", "instruments[2].id", "twice"),
        ("instruments/1/id", "a,b", "instruments[1].id", "pattern"),
        ("instruments/0/evidence_ref", "N-1", "instruments[0].evidence_ref", "no evidence"),
        ("instruments/0/max_subjects", -1, "instruments[0].max_subjects", "0"),
        ("instruments/0/modes", ["telepathy"], "instruments[0].modes[0]", "payload"),
        ("parties/0/persons_held", "many", "parties[0].persons_held", "integer"),
        ("datasets/0/sources", ["DS-T-1", "x"], "datasets[0].sources[1]", "unknown dataset x"),
        ("datasets/0/origin", "HK", "datasets[0].origin", "MIXED"),
        ("scenarios/0/request/contract", "N-1", "scenarios[0].request.contract", "is a notice"),
        (
            "scenarios/0/request/onward",
            {"regions": []},
            "scenarios[0].request.onward.third_party",
            "required",
        ),
    ],
)
def test_a_spoilt_document_is_refused_at_its_place(
    load: Load, document: Document, case: tuple[str, object, str, str]
) -> None:
    place, value, path, why = case
    _set(document, place, value)
    with pytest.raises(Refused) as refused:
        load(document)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.metadata["path"] == path
    assert why in refused.value.metadata["why"]
    line = int(refused.value.metadata["line"])
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False).splitlines()
    assert 1 <= line <= len(text)
    if isinstance(value, str) and why != "already uses":
        assert value in text[line - 1] or place == "instruments/1/kind"


def test_one_service_of_two_providers_and_never_twice_of_one(
    load: Load, document: Document
) -> None:
    second = {**document["services"][0], "provider": "cn.window"}
    document["services"].append(second)
    assert [p.id for p in load(document).providers_of(SERVICE)] == ["mo.fss", "cn.window"]
    second["provider"] = "mo.fss"
    with pytest.raises(Refused, match=r"services\[1\].*twice"):
        load(document)


def _refused(text: str | bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        load_register(text.encode() if isinstance(text, str) else text, None)
    assert refused.value.reason is Reason.CONFIG_INVALID
    return refused.value


def test_the_same_key_twice_is_refused() -> None:
    error = _refused("version: 1\nenvironment: test\nnodes: []\nversion: 1\n")
    assert (error.metadata["line"], error.metadata["path"]) == ("4", "version")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("[1, 2]", "dictionary"),
        ("a: [", "expected"),
        ("a: !!python/object/apply:os.getcwd []", "not a plain value"),
        ("? [1]\n: 2", "keys are text"),
        ("1: 2", "keys are text"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: *nobody", "undefined alias"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"a: \x00", "not YAML"),
    ],
)
def test_what_is_not_a_plain_document_is_refused(text: str | bytes, why: str) -> None:
    assert why in _refused(text).metadata["why"]


def test_aliases_cannot_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "more values" in _refused("\n".join(lines)).metadata["why"]


def test_a_huge_document_is_not_read() -> None:
    error = _refused(b"#" * (limits.REGISTER_BYTES_MAX + 1))
    assert "at most" in error.sentence


def test_merge_keys_and_plain_days_are_read_as_written(
    document: Document, tmp_path: Path, population: bytes, load: Load
) -> None:
    (tmp_path / "population.binpb").write_bytes(population)
    expected = load(document)
    request = document["scenarios"][0].pop("request")
    document["scenarios"][0].pop("answer")
    text = yaml.safe_dump(document, allow_unicode=True)
    leg = yaml.safe_dump(request, default_flow_style=True, width=10_000).strip()
    anchored = f"  request: &leg {leg}\n  answer: {{<<: *leg, direction: MO2CN, consent: CNS-1}}\n"
    text = text.replace("- callers:\n", "- callers:\n", 1)
    text = text.replace("  id: SC-1\n", "  id: SC-1\n" + anchored)
    assert "'2026-03-02'" in text
    text = text.replace("'2026-03-02'", "2026-03-02")
    assert load_register(text.encode(), tmp_path).version == expected.version


def test_without_a_folder_only_the_builtin_services_can_be_named(document: Document) -> None:
    text = yaml.safe_dump(document)
    assert "without a folder" in _refused(text).metadata["why"]
    offer = document["services"][0]
    offer["service"] = "xbgateway.api.exchange.v1.ExchangeService"
    offer["descriptor_set"] = "builtin"
    document["scenarios"] = []
    register = load_register(yaml.safe_dump(document).encode(), None)
    assert register.providers_of(offer["service"])[0].id == "mo.fss"
