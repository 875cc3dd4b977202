"""Failures as they go over the wire: one of each detail, bounded, in the caller's language."""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.scale import scaled

from xbgateway.exchange.stages import Finished
from xbgateway.model import limits
from xbgateway.model.decision import Finding
from xbgateway.model.errors import Fatal, GatewayError, Reason, Refused, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.server.status import DETAILS_KEY, Failure, exchange_trailers, of_error, of_finished

EXCHANGE = "0193-exchange"
TEXTS = {"zh-Hant": "不得傳輸", "zh-Hans": "不得传输", "pt": "Proibido", "en": "Forbidden"}
DENIAL = Finding("cn.pipl.38", "PIPL Art. 38", TEXTS)


def read(failure: Failure) -> tuple[status_pb2.Status, dict[str, Any]]:
    (raw,) = [value for key, value in failure.trailers if key == DETAILS_KEY]
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    details: dict[str, Any] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        assert name not in details
        details[name] = getattr(error_details_pb2, name)()
        packed.Unpack(details[name])
    assert status.code == failure.code.value[0]
    assert status.message == failure.message
    return status, details


def test_a_denial_names_rule_article_and_text() -> None:
    finished = Finished(
        EXCHANGE,
        Outcome.REFUSED,
        reason="POLICY_DENIED",
        sentence="Forbidden",
        findings=(DENIAL, Finding("mo.8-2005.19", "Law 8/2005 Art. 19", TEXTS)),
    )
    failure = of_finished(finished, "zh-Hant", "https://errors.example/page")
    _, details = read(failure)
    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    info = details["ErrorInfo"]
    assert (info.reason, info.domain) == ("POLICY_DENIED", "xbgateway")
    assert dict(info.metadata) == {
        "exchange_id": EXCHANGE,
        "outcome": "refused",
        "rule": "cn.pipl.38",
        "article": "PIPL Art. 38",
        "rules": "cn.pipl.38,mo.8-2005.19",
        "text-zh-Hans": "不得传输",
        "text-pt": "Proibido",
        "text-en": "Forbidden",
    }
    text = details["LocalizedMessage"]
    assert (text.locale, text.message) == ("zh-Hant", "不得傳輸")
    assert details["Help"].links[0].url == "https://errors.example/page#policy_denied"
    assert "RetryInfo" not in details
    assert ("xb-exchange-id", EXCHANGE) in failure.trailers


@pytest.mark.parametrize(
    ("outcome", "reason", "code", "told"),
    [
        (Outcome.PENDING, None, "UNAVAILABLE", "EXCHANGE_PENDING"),
        (Outcome.HELD, None, "FAILED_PRECONDITION", "POLICY_HOLD"),
        (Outcome.NOT_EXECUTED, "hold_rejected", "PERMISSION_DENIED", "POLICY_DENIED"),
        (Outcome.NOT_EXECUTED, "SERVICE_UNAVAILABLE", "ABORTED", "SERVICE_UNAVAILABLE"),
        # The same request id would give the same end: nothing that clients repeat by themselves.
        (Outcome.NOT_EXECUTED, "POLICY_TIMEOUT", "ABORTED", "POLICY_TIMEOUT"),
        (Outcome.EXECUTED, None, "NOT_FOUND", "PAYLOAD_ERASED"),
        (Outcome.EXECUTED_ANSWER_WITHHELD, None, "PERMISSION_DENIED", "ANSWER_WITHHELD"),
        (Outcome.EXECUTED_ANSWER_WITHHELD, "SEAL_BROKEN", "DATA_LOSS", "SEAL_BROKEN"),
        (Outcome.EXPIRED, None, "ABORTED", "EXCHANGE_EXPIRED"),
        (Outcome.UNKNOWN, None, "UNKNOWN", "EXCHANGE_UNKNOWN_EFFECT"),
        (Outcome.REFUSED, "POLICY_HOLD", "FAILED_PRECONDITION", "POLICY_HOLD"),
    ],
)
def test_every_end_of_an_exchange(
    outcome: Outcome, reason: str | None, code: str, told: str
) -> None:
    failure = of_finished(Finished(EXCHANGE, outcome, reason=reason), "en", "page")
    _, details = read(failure)
    assert (failure.code.name, details["ErrorInfo"].reason) == (code, told)
    assert details["ErrorInfo"].metadata["outcome"] == outcome
    assert ("RetryInfo" in details) == (outcome is Outcome.PENDING)


@pytest.mark.parametrize(("theirs", "passed_on"), [(5, 5), (2, 2), (0, 2), (99, 2), (16, 16)])
def test_a_services_own_error_is_passed_on(theirs: int, passed_on: int) -> None:
    finished = Finished(
        EXCHANGE,
        Outcome.EXECUTED,
        reason="SERVICE_FAILED",
        sentence="查無此人",
        service_code=theirs,
    )
    failure = of_finished(finished, "en", "page")
    _, details = read(failure)
    assert failure.code.value[0] == passed_on
    assert failure.message == "查無此人"
    assert details["ErrorInfo"].reason == "SERVICE_FAILED"


def test_what_is_inside_stays_inside_and_the_exchange_is_named() -> None:
    error = Fatal(Reason.LOG_FORK, "at /srv/log", path="/srv/log", exchange_id=EXCHANGE)
    _, details = read(of_error(error, "en", "page", "incident-1"))
    metadata = dict(details["ErrorInfo"].metadata)
    assert metadata["incident"] == "incident-1"
    assert metadata["exchange_id"] == EXCHANGE
    assert "path" not in metadata
    store = Unavailable(Reason.STORE_UNAVAILABLE, "disk /dev/sda1 is full")
    assert "/dev" not in of_error(store, "en", "page", "x").message


ERRORS = st.builds(
    lambda kind, reason, sentence, metadata: kind(reason, sentence, **metadata),
    st.sampled_from([Refused, Unavailable, Fatal]),
    st.sampled_from(list(Reason)),
    st.text(max_size=3000),
    st.dictionaries(st.sampled_from(["field", "rule", "uri", "detail"]), st.text(max_size=3000)),
)
CODED = st.text(st.characters(codec="utf-8"), max_size=3000)


@given(ERRORS, st.sampled_from(["zh-Hant", "zh-Hans", "pt", "en"]))
def test_whatever_is_raised_fits_a_trailer(error: GatewayError, language: str) -> None:
    failure = of_error(error, language, "docs/errors.md", "i" * 16)
    _, details = read(failure)
    assert details["ErrorInfo"].reason == error.reason
    assert details["LocalizedMessage"].locale == language
    sizes = [len(value) for _, value in failure.trailers]
    assert sum(sizes) <= limits.STATUS_DETAILS_BYTES_MAX + 1024
    assert len(failure.message.encode()) <= 512


@given(st.lists(CODED, max_size=40), CODED)
def test_whatever_the_law_says_fits_a_trailer(rules: list[str], text: str) -> None:
    findings = tuple(Finding(rule, text, {"zh-Hant": text, "en": text}) for rule in rules)
    finished = Finished(
        EXCHANGE, Outcome.REFUSED, reason="POLICY_DENIED", sentence=text, findings=findings
    )
    failure = of_finished(finished, "zh-Hant", "docs/errors.md")
    (raw,) = [value for key, value in failure.trailers if key == DETAILS_KEY]
    assert len(raw) <= limits.STATUS_DETAILS_BYTES_MAX
    read(failure)


def test_long_texts_give_way_to_what_must_be_there() -> None:
    texts = dict.fromkeys(("zh-Hant", "zh-Hans", "pt", "en"), "法" * 2000)
    finding = Finding("cn.pipl.38", "個人信息保護法第三十八條" * 40, texts)
    finished = Finished(
        EXCHANGE, Outcome.REFUSED, reason="POLICY_DENIED", sentence="法" * 2000, findings=(finding,)
    )
    failure = of_finished(finished, "pt", "docs/errors.md")
    status, details = read(failure)
    assert status.ByteSize() <= limits.STATUS_DETAILS_BYTES_MAX
    info = details["ErrorInfo"].metadata
    assert (info["exchange_id"], info["rule"]) == (EXCHANGE, "cn.pipl.38")
    assert "text-zh-Hant" not in info
    assert details["LocalizedMessage"].message.startswith("法法法")


def test_long_lists_of_fields_are_cut_and_say_so() -> None:
    few = Finished(EXCHANGE, Outcome.EXECUTED, dropped=("request:a", "answer:b"))
    assert ("xb-dropped-fields", "request:a,answer:b") in exchange_trailers(few)
    many = tuple(f"answer:records.field_{n}" for n in range(scaled(200)))
    trailers = dict(exchange_trailers(Finished(EXCHANGE, Outcome.EXECUTED, masked=many)))
    assert "xb-dropped-fields" not in trailers
    masked = str(trailers["xb-masked-fields"])
    assert len(masked) <= limits.TRAILER_LIST_CHARS_MAX + 4
    assert masked.endswith(",...")
