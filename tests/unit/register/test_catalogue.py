"""Descriptor sets become methods, shapes and labels; what cannot be listed is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import FieldFacts
from xbgateway.register.catalogue import Catalogue, build_catalogue
from xbgateway.register.document import Register, builtin_descriptor_set

SERVICE = "test.population.v1.PopulationService"
Compile = Callable[..., bytes]
Load = Callable[[dict[str, Any]], Register]
Document = dict[str, Any]

SCALARS = """
syntax = "proto3";
package one.v1;
{imports}
service OneService {{ rpc Do(In) returns (In); }}
message In {{ {fields} }}
{more}
"""


def _one(compiled: Compile, fields: str, more: str = "", *, label: bool = True) -> Catalogue:
    imports = 'import "xbgateway/api/catalogue/v1/options.proto";' if label else ""
    text = SCALARS.format(imports=imports, fields=fields, more=more)
    return Catalogue([compiled(text)], ["one.v1.OneService"])


def test_every_leaf_is_listed_once_and_nothing_else(catalogue: Catalogue) -> None:
    entry = catalogue.method(SERVICE, "Find")
    assert [f.path for f in entry.request.fields] == [
        *("alive", "born", "buried.city", "buried.street"),
        *("by_year", "by_year.city", "by_year.street", "cards"),
        *("family.members.home.city", "family.members.home.street", "family.members.name"),
        *("family.seat.city", "family.seat.street", "home.city", "home.street"),
        *("marker", "months", "more", "past.city", "past.street"),
        *("permit", "phones", "photo", "told", "wages"),
    ]
    assert entry.request is entry.answer


def test_labels_are_read_from_the_options(catalogue: Catalogue) -> None:
    entry = catalogue.method(SERVICE, "Find")
    fields = {f.path: f for f in entry.answer.fields}
    assert fields["permit"] == FieldFacts(
        path="permit",
        name="res_permit_no",
        level="L3",
        data_class="general",
        labelled=True,
        sens_cn=True,
        sens_mo=False,
        state_secret=True,
        purposes=("ID_MATCH", "*"),
        required=True,
        identifier="permit",
    )
    phones = fields["phones"]
    assert (phones.level, phones.labelled, phones.identifier) == ("L2", False, "phone")
    assert not fields["home.city"].labelled
    assert fields["home.city"].name == "city"


def test_a_method_is_known_with_its_label(catalogue: Catalogue) -> None:
    entry = catalogue.method(SERVICE, "Find")
    assert entry.path == f"/{SERVICE}/Find"
    assert (entry.dataset, entry.request_mode, entry.answer_mode) == (
        "DS-T-1",
        "predicate",
        "payload",
    )
    assert entry.honours_exchange_id
    assert [m.method for m in catalogue.methods(SERVICE)] == ["Find", "Watch"]


@pytest.mark.parametrize(
    ("service", "method", "reason"),
    [
        ("test.population.v1.Nobody", "Find", Reason.SERVICE_UNKNOWN),
        (SERVICE, "Lose", Reason.METHOD_UNKNOWN),
        (SERVICE, "Watch", Reason.METHOD_NOT_UNARY),
    ],
)
def test_unknown_names_have_their_own_reasons(
    catalogue: Catalogue, service: str, method: str, reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        catalogue.method(service, method)
    assert refused.value.reason is reason


def test_only_registered_services_can_be_called() -> None:
    life = "xbgateway.api.exchange.v1.ExchangeService"
    catalogue = Catalogue([builtin_descriptor_set()], [life])
    assert catalogue.services == (life,)
    assert catalogue.method(life, "Call").request.paths >= {"payload", "sent_at"}
    with pytest.raises(Refused):
        catalogue.methods("xbgateway.api.link.v1.LinkService")


def test_the_catalogue_is_built_from_a_register(
    load: Callable[[dict[str, Any]], Register], document: dict[str, Any], population: bytes
) -> None:
    built = build_catalogue(load(document))
    assert built.digest == Catalogue([population], [SERVICE]).digest
    assert built.services == (SERVICE,)


def test_the_pool_is_the_catalogues_own(catalogue: Catalogue) -> None:
    assert catalogue.pool.FindServiceByName(SERVICE).full_name == SERVICE
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindServiceByName(SERVICE)
    names = [f.name for f in catalogue.file_descriptor_set.file]
    assert names.index("google/protobuf/timestamp.proto") < names.index("population.proto")


def test_a_set_without_our_options_has_no_labels(compiled: Compile) -> None:
    fields = _one(compiled, "string a = 1;", label=False).method("one.v1.OneService", "Do").request
    assert [(f.path, f.labelled, f.level) for f in fields.fields] == [("a", False, None)]


def test_a_label_of_a_later_version_is_no_label(compiled: Compile) -> None:
    text = SCALARS.format(
        imports='import "xbgateway/api/catalogue/v1/options.proto";',
        fields="string a = 1 [(xbgateway.api.catalogue.v1.label) = {"
        "level: LEVEL_L1 data_class: DATA_CLASS_GENERAL sens_cn: SENSITIVITY_NO"
        " sens_mo: SENSITIVITY_NO identifier: IDENTIFIER_ACCOUNT}];",
        more="",
    )
    parsed = descriptor_pb2.FileDescriptorSet.FromString(compiled(text))
    options = next(f for f in parsed.file if f.name == "one.proto").message_type[0].field[0].options
    raw = options.SerializeToString()
    account = raw.index(b"\x38\x07")  # identifier: 7
    options.ParseFromString(raw[: account + 1] + b"\x63" + raw[account + 2 :])
    catalogue = Catalogue([parsed.SerializeToString()], ["one.v1.OneService"])
    (field,) = catalogue.method("one.v1.OneService", "Do").request.fields
    assert (field.level, field.identifier, field.labelled) == ("L1", None, False)


LABEL = "[(xbgateway.api.catalogue.v1.label) = {{{}}}]"


@pytest.mark.parametrize(
    ("fields", "more", "why"),
    [
        ("In again = 1;", "", "holds itself"),
        ("map<string, A> a = 1;", "message A { repeated In b = 1; }", "holds itself"),
        ("A a = 1 " + LABEL.format("level: LEVEL_L1") + ";", "message A { int32 b = 1; }", "leave"),
        ("int64 a = 1 " + LABEL.format("identifier: IDENTIFIER_BIR") + ";", "", "is text"),
        ("double a = 1 " + LABEL.format("subject: true") + ";", "", "name a subject"),
        ("A a = 1; A b = 2;", "WIDE", "more than 1024"),
    ],
)
def test_what_cannot_be_labelled_honestly_is_refused(
    compiled: Compile, fields: str, more: str, why: str
) -> None:
    if more == "WIDE":
        more = "message A { " + " ".join(f"int32 f{i} = {i};" for i in range(1, 600)) + " }"
    with pytest.raises(Refused, match=why) as refused:
        _one(compiled, fields, more)
    assert refused.value.reason is Reason.CONFIG_INVALID


def test_two_texts_under_one_name_are_refused(compiled: Compile) -> None:
    text = SCALARS.format(imports="", fields="string a = 1;", more="")
    first = compiled(text)
    Catalogue([first, compiled("// only a comment\n" + text)], ["one.v1.OneService"])
    second = compiled(text.replace("string a", "bytes a"))
    with pytest.raises(Refused, match=r"one\.proto: two descriptor sets differ"):
        Catalogue([first, second], ["one.v1.OneService"])


def test_broken_sets_are_refused(compiled: Compile, population: bytes) -> None:
    with pytest.raises(Refused, match="not a FileDescriptorSet"):
        Catalogue([population[:-3]], [SERVICE])
    with pytest.raises(Refused, match="no descriptor set has this service"):
        Catalogue([population], ["one.v1.OneService"])
    other = "syntax = 'proto3'; package other.v1; message Other { int32 a = 1; }"
    compiled(other, name="other.proto")
    text = SCALARS.format(
        imports='import "other.proto";', fields="other.v1.Other other = 1;", more=""
    )
    alone = compiled(text, imports=False)
    with pytest.raises(Refused, match=r"other\.proto: imported but not in"):
        Catalogue([alone], ["one.v1.OneService"])


def test_terms_of_delivery_are_of_methods_that_there_are(load: Load, document: Document) -> None:
    offer = document["services"][0]
    party = offer["provider"]
    assert build_catalogue(load(document)).terms(SERVICE, party, "Find").is_push
    offer["delivery"] = {"mode": "pull"}
    with pytest.raises(Refused, match="honours_exchange_id can be pulled, and Watch is not"):
        build_catalogue(load(document))
    offer["delivery"], offer["methods"] = {"horizon_s": 60}, {"Find": {"mode": "pull"}}
    made = build_catalogue(load(document))
    assert made.pulled(party) == (f"{SERVICE}/Find",)
    assert made.pushed(SERVICE) == ("Watch",)
    assert made.terms(SERVICE, party, "Watch").horizon_s == 60
    assert made.terms(SERVICE, "x", "Find").is_push
    offer["methods"] = {"Lose": {}}
    with pytest.raises(Refused, match="no such method"):
        build_catalogue(load(document))
