"""The one place where a refusal, a failure or an exchange's end becomes a ``google.rpc.Status``.

Form (AIP-193): one ``ErrorInfo`` with the stable reason, the domain and metadata (rule, article,
exchange_id, outcome, the text in the other languages as ``text-<language>``); one
``LocalizedMessage`` in the caller's language; one ``Help`` link; ``RetryInfo`` where trying again
may help. All of it stays within what a trailer may carry. What concerns the inside of the node is
told in the catalogue's words only; the particulars are in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from xbgateway.exchange.stages import Finished
from xbgateway.model import limits
from xbgateway.model.decision import Finding
from xbgateway.model.errors import Fatal, GatewayError, Reason
from xbgateway.model.outcome import Outcome
from xbgateway.model.reasons import CATALOGUE
from xbgateway.model.reasons_inside import NODE

from .texts import LANGUAGES, text_of

DOMAIN = "xbgateway"
DETAILS_KEY = "grpc-status-details-bin"
Trailers = tuple[tuple[str, str | bytes], ...]

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_VALUE_CHARS_MAX = 256
_RETRY_S: Mapping[Reason, float] = {
    Reason.TOO_MANY_REQUESTS: 0.5,
    Reason.QUOTA_EXCEEDED: 5.0,
    Reason.FACTS_UNSTABLE: 0.1,
    Reason.EXCHANGE_PENDING: 2.0,
    Reason.PEER_UNREACHABLE: 5.0,
    Reason.CLOCK_BACK: 5.0,
    Reason.DRAINING: 5.0,
}
_RETRY_OTHERWISE_S = 1.0
_ABOUT_EXCHANGE = ("exchange_id", "outcome")
# A header is percent-encoded, three characters for each byte that is not ASCII.
_MESSAGE_BYTES_MAX = limits.SERVICE_ERROR_BYTES_MAX
# What an exchange's end is called where its entries give no reason that we know.
_ENDS = {
    Outcome.PENDING: Reason.EXCHANGE_PENDING,
    Outcome.HELD: Reason.POLICY_HOLD,
    Outcome.NOT_EXECUTED: Reason.POLICY_DENIED,
    Outcome.EXECUTED: Reason.PAYLOAD_ERASED,  # executed, and its answer is no longer there
    Outcome.EXECUTED_ANSWER_WITHHELD: Reason.ANSWER_WITHHELD,
    Outcome.EXPIRED: Reason.EXCHANGE_EXPIRED,
    Outcome.UNKNOWN: Reason.EXCHANGE_UNKNOWN_EFFECT,
    Outcome.REFUSED: Reason.POLICY_DENIED,
}


class Ended(Exception):
    """An accepted or recorded exchange whose end is not an answer; carries it."""

    def __init__(self, finished: Finished) -> None:
        super().__init__(finished.exchange)
        self.finished = finished


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure, ready for ``context.abort``."""

    code: grpc.StatusCode
    reason: Reason
    message: str
    trailers: Trailers


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said about a failure, before it is spelt for the wire."""

    code: grpc.StatusCode
    reason: Reason
    message: str
    texts: Mapping[str, str]  # by language
    metadata: Mapping[str, str]
    retry_s: float | None = None


def of_error(error: GatewayError, language: str, page: str, incident: str) -> Failure:
    """The failure that a model error is. ``incident`` names its line in the log."""
    reason = error.reason
    code = grpc.StatusCode[CATALOGUE[reason].code]
    inside = isinstance(error, Fatal) or reason in NODE
    retry = code is grpc.StatusCode.UNAVAILABLE or reason in _RETRY_S
    told = _Told(
        code=code,
        reason=reason,
        message=CATALOGUE[reason].meaning if inside else error.sentence,
        texts={language: text_of(reason, language) for language in LANGUAGES},
        metadata=_inside(error, incident) if inside else error.metadata,
        retry_s=_RETRY_S.get(reason, _RETRY_OTHERWISE_S) if retry else None,
    )
    return _failure(told, language, page)


def _inside(error: GatewayError, incident: str) -> dict[str, str]:
    """Of what failed inside, a caller learns the incident and what became of the exchange."""
    kept = {key: error.metadata[key] for key in _ABOUT_EXCHANGE if key in error.metadata}
    return {"incident": incident, **kept}


def of_accident(language: str, page: str, incident: str) -> Failure:
    """The failure for whatever was not raised on purpose: nothing of it leaves the node."""
    return of_error(Fatal(Reason.INTERNAL, "unforeseen"), language, page, incident)


def of_finished(finished: Finished, language: str, page: str) -> Failure:
    """The failure that an exchange's end is, for ends that are no answer."""
    reason = _reason_of(finished)
    findings = finished.findings
    metadata = {"exchange_id": finished.exchange, "outcome": str(finished.outcome)}
    if findings:
        metadata |= {"rule": findings[0].rule, "article": findings[0].article}
    if len(findings) > 1:
        metadata["rules"] = ",".join(finding.rule for finding in findings)
    if finished.reason is not None and finished.reason != reason:
        metadata["detail"] = finished.reason
    if finished.hold is not None:
        metadata |= _waits_for(finished)
    told = _Told(
        code=_code_of(finished, reason),
        reason=reason,
        message=finished.sentence or CATALOGUE[reason].meaning,
        texts=_texts_of(reason, findings),
        metadata=metadata,
        retry_s=_RETRY_S[reason] if finished.outcome is Outcome.PENDING else None,
    )
    trailers = exchange_trailers(finished)
    if finished.outcome is Outcome.PENDING:
        # The caller's time is over: a retry inside gRPC would be cut by the same deadline, and
        # the exchange id would be lost with this answer (gRFC A6).
        trailers = (*trailers, ("grpc-retry-pushback-ms", "-1"))
    return _failure(told, language, page, trailers)


def exchange_trailers(finished: Finished) -> Trailers:
    """What every answer about an exchange carries in its trailing metadata."""
    return (
        ("xb-exchange-id", finished.exchange),
        ("xb-outcome", str(finished.outcome)),
        *((f"xb-{key}", value) for key, value in _waits_for(finished).items()),
        *_fields("xb-dropped-fields", finished.dropped),
        *_fields("xb-masked-fields", finished.masked),
    )


def _waits_for(finished: Finished) -> dict[str, str]:
    """Whom a held exchange waits for, until when, and under which name to follow it."""
    if finished.hold is None:
        return {}
    hold, operation = finished.hold, f"operations/{finished.exchange}"
    return {"role": hold.role, "deadline": hold.deadline, "operation": operation}


def _fields(key: str, paths: tuple[str, ...]) -> Trailers:
    """As many paths as a trailer may carry; a last ``...`` says that GetExchange has more."""
    kept: list[str] = []
    room = limits.TRAILER_LIST_CHARS_MAX
    for path in paths:
        room -= len(path) + 1
        if room < 0:
            kept.append("...")
            break
        kept.append(path)
    return ((key, ",".join(kept)),) if kept else ()


def _reason_of(finished: Finished) -> Reason:
    if finished.service_code is not None:
        return Reason.SERVICE_FAILED
    if finished.outcome is Outcome.PENDING:
        return Reason.EXCHANGE_PENDING
    known = finished.reason in Reason.__members__
    return Reason[finished.reason] if known and finished.reason else _ENDS[finished.outcome]


def _code_of(finished: Finished, reason: Reason) -> grpc.StatusCode:
    if finished.service_code is not None:
        code = _CODES.get(finished.service_code, grpc.StatusCode.UNKNOWN)
        return grpc.StatusCode.UNKNOWN if code is grpc.StatusCode.OK else code
    code = grpc.StatusCode[CATALOGUE[reason].code]
    if finished.outcome is not Outcome.PENDING and code is grpc.StatusCode.UNAVAILABLE:
        # Clients repeat UNAVAILABLE with the same request id, which would give the same end.
        return grpc.StatusCode.ABORTED
    return code


def _texts_of(reason: Reason, findings: tuple[Finding, ...]) -> dict[str, str]:
    first = findings[0].text if findings else {}
    return {language: first.get(language) or text_of(reason, language) for language in LANGUAGES}


def _failure(told: _Told, language: str, page: str, trailers: Trailers = ()) -> Failure:
    message = _cut(told.message, _MESSAGE_BYTES_MAX)
    details = _details(told, message, language, page, others=True)
    if len(details) > limits.STATUS_DETAILS_BYTES_MAX:
        details = _details(told, message, language, page, others=False)
    if not trailers:
        trailers = tuple(
            (f"xb-{key.replace('_', '-')}", told.metadata[key])
            for key in _ABOUT_EXCHANGE
            if told.metadata.get(key)
        )
    return Failure(told.code, told.reason, message, (*trailers, (DETAILS_KEY, details)))


def _details(told: _Told, message: str, language: str, page: str, *, others: bool) -> bytes:
    """The serialised status; without the ``others``, only what must be there."""
    chars = _VALUE_CHARS_MAX if others else _VALUE_CHARS_MAX // 4
    metadata = {key: value[:chars] for key, value in told.metadata.items() if value}
    if others:
        metadata |= {
            f"text-{one}": text for one, text in told.texts.items() if one != language and text
        }
    parts: list[Any] = [
        error_details_pb2.ErrorInfo(reason=told.reason, domain=DOMAIN, metadata=metadata),
        error_details_pb2.LocalizedMessage(
            locale=language, message=_cut(told.texts[language], 1024)
        ),
        error_details_pb2.Help(
            links=[
                error_details_pb2.Help.Link(
                    description="What this reason means and what to do",
                    url=f"{page}#{told.reason.lower()}",
                )
            ]
        ),
    ]
    if told.retry_s is not None:
        delay = Duration()
        delay.FromMilliseconds(int(told.retry_s * 1000))
        parts.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=told.code.value[0], message=message)
    for part in parts:
        packed = Packed()
        packed.Pack(part)
        status.details.append(packed)
    return bytes(status.SerializeToString())


def _cut(text: str, bytes_max: int) -> str:
    """The text, no longer than so many bytes in UTF-8; whole characters only."""
    return text.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")
