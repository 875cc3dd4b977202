"""The demo's register: every reference resolves, and dates hold on any day."""

from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor_pool import Default
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled

from xbgateway.api.catalogue.v1 import options_pb2 as catalogue
from xbgateway.api.socialsecurity.v1 import (  # noqa: F401 - registers the descriptors
    contribution_pb2,
    life_pb2,
    overpayment_pb2,
    pension_pb2,
)
from xbgateway.demo.register import NodeKeys, demo_register

TODAY = date(2026, 3, 16)


def nodes(*ids: str) -> list[NodeKeys]:
    return [
        NodeKeys(
            *(name, f"{name}.xbg.test", f"localhost:{17443 + place}"),
            log_key=f"{2 * place + 1:064x}",
            cosign_key=f"{2 * place + 2:064x}",
        )
        for place, name in enumerate(ids)
    ]


def made(today: date = TODAY, *ids: str) -> dict[str, Any]:
    return demo_register(nodes(*(ids or ("zhuhai", "macao"))), today)


def by_id(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert len({r["id"] for r in records}) == len(records)
    return {r["id"]: r for r in records}


def test_it_is_plain_yaml_without_aliases_and_reads_back_the_same() -> None:
    text = yaml.safe_dump(made(), allow_unicode=True, sort_keys=False)
    assert "&id" not in text
    assert yaml.safe_load(text) == made()


def test_every_reference_resolves() -> None:
    register = made()
    parties, instruments = by_id(register["parties"]), by_id(register["instruments"])
    datasets, all_nodes = by_id(register["datasets"]), by_id(register["nodes"])
    offers = {offer["service"]: offer["provider"] for offer in register["services"]}
    for party in parties.values():
        assert all_nodes[party["node"]]["jurisdiction"] == party["jurisdiction"]
        assert set(party["name"]) == {"zh-Hans", "zh-Hant", "pt", "en"}
    for scenario in register["scenarios"]:
        assert set(scenario["callers"]) <= set(parties)
        assert [offers[s] for s in scenario["services"]] == scenario["providers"]
        assert {datasets[d]["owner"] for d in scenario["datasets"]} == set(scenario["providers"])
        for party in (*scenario["callers"], *scenario["providers"]):
            assert set(scenario["purposes"]) <= set(parties[party]["powers"])
        for leg in (scenario["request"], scenario["answer"]):
            kinds = {
                kind: instruments[leg[kind]]["kind"]
                for kind in ("mechanism", "notice", "pipia", "state_assessment", "mo_transfer")
            }
            assert all(kind == found for kind, found in kinds.items())


def test_datasets_are_those_that_the_methods_are_labelled_with() -> None:
    register = made()
    labelled = set()
    for offer in register["services"]:
        service = Default().FindServiceByName(offer["service"])
        labelled |= {m.GetOptions().Extensions[catalogue.method].dataset for m in service.methods}
    assert labelled == set(by_id(register["datasets"]))


def test_directions_follow_the_sides_of_caller_and_provider() -> None:
    register = made()
    side = {p["id"]: p["jurisdiction"] for p in register["parties"]}
    for scenario in register["scenarios"]:
        (provider,) = scenario["providers"]
        for caller in scenario["callers"]:
            assert scenario["request"]["direction"] == f"{side[caller]}2{side[provider]}"
            assert scenario["answer"]["direction"] == f"{side[provider]}2{side[caller]}"


@given(st.dates(date(2024, 10, 1), date(2090, 12, 31)))
@settings(max_examples=scaled(50))
def test_on_any_day_everything_is_in_force_but_the_one_assessment(today: date) -> None:
    register = made(today)
    instruments = by_id(register["instruments"])
    day = today.isoformat()
    contract = instruments["GBA-2026-001"]
    assert contract["effective_on"] <= contract["filed_on"] <= day < contract["expires_on"]
    assert instruments["MT-2026-001"]["notif_on"] <= day
    assert instruments["PIA-2026-0014"]["approved_on"] <= day
    kept = date.fromisoformat(instruments["PIA-2026-0014"]["keep_until"])
    assert kept - date.fromisoformat(instruments["PIA-2026-0014"]["approved_on"]) > timedelta(1096)
    for scenario in register["scenarios"]:
        for leg in (scenario["request"], scenario["answer"]):
            valid = instruments[leg["state_assessment"]]["valid_until"] >= day
            assert valid == (scenario["id"] != "SC-POL-EXPIRED")
            term = date.fromisoformat(contract["expires_on"]) - date.fromisoformat(
                contract["effective_on"]
            )
            assert leg["retention_days"] <= term.days


def test_a_third_node_takes_the_window() -> None:
    homes = {p["id"]: p["node"] for p in made(TODAY, "zhuhai", "macao", "hengqin")["parties"]}
    assert homes["cn.hengqin.window"] == "hengqin"
    assert homes["cn.zhuhai.hrss"] == "zhuhai"
    homes = {p["id"]: p["node"] for p in made()["parties"]}
    assert homes["cn.hengqin.window"] == "zhuhai"


@pytest.mark.parametrize(
    "ids", [("zhuhai",), ("zhuhai", "macao", "lisbon"), ("zhuhai", "macao", "macao")]
)
def test_other_nodes_are_refused(ids: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="nodes zhuhai and macao"):
        made(TODAY, *ids)


def test_a_short_key_is_refused() -> None:
    bad = NodeKeys("macao", "macao.xbg.test", "localhost:1", "ab" * 31, "cd" * 32)
    with pytest.raises(ValueError, match="32 bytes"):
        demo_register([*nodes("zhuhai"), bad], TODAY)
