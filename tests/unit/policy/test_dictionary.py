"""The services' labels, the data dictionary and the engine's built-ins agree with the tables."""

import json
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tests.harness.facts import policy_files

from xbgateway.api.catalogue.v1 import options_pb2
from xbgateway.api.socialsecurity.v1 import (
    contribution_pb2,
    life_pb2,
    overpayment_pb2,
    pension_pb2,
)
from xbgateway.policy.engine.capabilities import permitted
from xbgateway.policy.engine.embedded import LIBRARY, Library
from xbgateway.policy.revision import load_revision
from xbgateway.register.identifiers import MASKS

TABLES = load_revision(policy_files()).tables
LISTED: dict[str, set[str]] = {}
for _row in TABLES.rows:
    if _row.table == "allowed_fields":
        LISTED.setdefault(_row.values["field"], set()).update(_row.values["purposes"])


def leaves(message: Descriptor) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        if field.message_type is None:
            yield field
        else:
            yield from leaves(field.message_type)


def labelled(module: ModuleType) -> Iterator[FieldDescriptor]:
    for message in module.DESCRIPTOR.message_types_by_name.values():
        yield from leaves(message)


@pytest.mark.parametrize("module", [contribution_pb2, life_pb2, overpayment_pb2, pension_pb2])
def test_labels_name_dictionary_fields_and_allow_no_more_than_the_table(
    module: ModuleType,
) -> None:
    count = 0
    for field in labelled(module):
        label = field.GetOptions().Extensions[options_pb2.label]
        name = label.name or field.name
        assert name in LISTED, f"{field.full_name}: the table has no row for {name!r}"
        purposes = set(label.purposes)
        if "*" not in LISTED[name] and purposes != {"*"}:
            assert purposes <= LISTED[name], f"{field.full_name}: {purposes - LISTED[name]}"
        count += 1
    assert count > 0


def test_every_field_that_may_travel_is_of_one_kind() -> None:
    kinds = TABLES.editions[-1]["field_kinds"]
    assert set(LISTED) <= set(kinds)
    special = TABLES.editions[-1]["special_fields"]
    assert {"diagnosis_code", "disability_grade"} <= set(special["health"])
    assert set(special["credit"]) == {"arrears_flag"}


def test_every_role_that_a_rule_asks_is_in_the_table() -> None:
    texts = "\n".join(raw.decode() for path, raw in policy_files().items() if path.endswith("rego"))
    asked = set(re.findall(r'"role": "([a-z_]+)"', texts))
    assert asked
    assert asked <= set(TABLES.editions[-1]["roles"])


def test_the_complete_input_is_what_the_schema_requires() -> None:
    schema = json.loads(policy_files()["schema/input.v1.json"])["properties"]
    shape = policy_files()["lib/shape.rego"].decode()
    for name, section in schema.items():
        for key in section.get("properties", {}):
            optional = name == "retention" and key in {"days", "max_days"}
            assert optional or f'"{key}"' in shape, f"{name}.{key}"


def test_the_masking_table_shows_what_the_gateway_does() -> None:
    rows = [row.values for row in TABLES.rows if row.table == "masking"]
    identifiers = [row for row in rows if "identifier" in row]
    assert {row["identifier"] for row in identifiers} == set(MASKS)
    for row in identifiers:
        assert MASKS[row["how"]](row["example"]) == row["shows"], row


def test_the_capabilities_are_those_of_the_engine_without_what_is_not_deterministic() -> None:
    own = json.loads(policy_files()["capabilities.json"])
    engines = json.loads(permitted(Library(LIBRARY).capabilities, None))
    assert {one["name"] for one in own["builtins"]} == {one["name"] for one in engines["builtins"]}
