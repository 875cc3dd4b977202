"""Every leaf field and method of the social security protos is labelled, as the dictionary says."""

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from xbgateway.api.catalogue.v1 import options_pb2 as catalogue
from xbgateway.api.socialsecurity.v1 import contribution_pb2, life_pb2, overpayment_pb2, pension_pb2

FILES = (contribution_pb2, life_pb2, overpayment_pb2, pension_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
PURPOSE = {
    "QueryContributions": "CONTRIB_QUERY",
    "IssueCertificate": "CONTRIB_CERT",
    "MatchBeneficiary": "ID_MATCH",
    "RequestCorrection": "RIGHTS_REQUEST",
    "MatchCertificate": "CONTRIB_CERT",
    "SubmitAttestation": "PROOF_OF_LIFE",
    "CheckPension": "PENSION_VERIFY",
    "RecordNotice": "OVERPAY_RECOVERY",
}


def leaves(message: Descriptor, path: str = "") -> list[tuple[str, FieldDescriptor]]:
    found = []
    for field in message.fields:
        if field.message_type is not None:
            found += leaves(field.message_type, f"{path}{field.name}.")
        else:
            found.append((path + field.name, field))
    return found


LEGS = [
    pytest.param(method, message, id=message.name)
    for method in METHODS
    for message in (method.input_type, method.output_type)
]


def label(field: FieldDescriptor) -> catalogue.FieldLabel:
    given: catalogue.FieldLabel = field.GetOptions().Extensions[catalogue.label]
    return given


@pytest.mark.parametrize(("method", "message"), LEGS)
def test_every_leaf_is_labelled_in_full(method: MethodDescriptor, message: Descriptor) -> None:
    assert method.name in PURPOSE
    for path, field in leaves(message):
        given = label(field)
        assert given.level, path
        assert given.data_class, path
        assert given.sens_cn, path
        assert given.sens_mo, path
        assert given.purposes, path
        assert not given.state_secret, path


@pytest.mark.parametrize(("method", "message"), LEGS)
def test_required_fields_may_travel_for_the_purpose(
    method: MethodDescriptor, message: Descriptor
) -> None:
    required = [label(field) for _, field in leaves(message) if label(field).required]
    assert required
    for given in required:
        assert {"*", PURPOSE[method.name]} & set(given.purposes)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_methods_are_labelled_and_name_one_person(method: MethodDescriptor) -> None:
    given = method.GetOptions().Extensions[catalogue.method]
    assert given.dataset.startswith("DS-")
    assert given.request_mode
    assert given.answer_mode
    assert given.honours_exchange_id == (method.name != "RecordNotice")
    subjects = [path for path, field in leaves(method.input_type) if label(field).subject]
    assert len(subjects) == 1


@pytest.mark.parametrize(
    ("message", "purpose", "surplus"),
    [
        (
            contribution_pb2.QueryContributionsResponse,
            "CONTRIB_QUERY",
            {
                *("records.start_on", "records.end_on"),
                *("periods.period_from", "periods.period_to", "periods.months"),
                *("periods.period_type", "periods.wage_band"),
                *("person.name_hant", "person.name_hans", "person.name_latin"),
                *("person.bir_no", "person.birth_date", "record_digest", "periods.scheme"),
            },
        ),
        (
            life_pb2.SubmitAttestationRequest,
            "PROOF_OF_LIFE",
            {"attestation.mobile", "attestation.address_text"},
        ),
        (overpayment_pb2.RecordNoticeRequest, "OVERPAY_RECOVERY", {"mobile"}),
        (pension_pb2.CheckPensionRequest, "PENSION_VERIFY", set()),
        (pension_pb2.CheckPensionResponse, "PENSION_VERIFY", set()),
    ],
)
def test_what_a_purpose_may_not_carry_shows(
    message: type[object], purpose: str, surplus: set[str]
) -> None:
    descriptor: Descriptor = message.DESCRIPTOR  # type: ignore[attr-defined]
    found = {
        path
        for path, field in leaves(descriptor)
        if not {"*", purpose} & set(label(field).purposes)
    }
    assert found == surplus
