"""Between the wire's messages and the model's values. Nothing is checked or decided here."""

from hashlib import sha256

from google.protobuf.timestamp_pb2 import Timestamp

from xbgateway.api.exchange.v1 import exchange_pb2 as wire
from xbgateway.api.log.v1 import log_pb2
from xbgateway.exchange.asking import HoldDecision
from xbgateway.exchange.stages import Finished
from xbgateway.model import limits
from xbgateway.model.clock import instant, parse_instant
from xbgateway.model.decision import Decision, Finding
from xbgateway.model.entry import Request, decode
from xbgateway.model.errors import Refused
from xbgateway.model.outcome import Outcome, Placed
from xbgateway.model.rungs import Rung

from .ports import ExchangeView, LogEntry, LogView, Proven


def words_of(request: wire.CallRequest) -> dict[str, str]:
    """The words of a Call as metadata would carry them; see ``submission.declared``."""
    words = {
        "request-id": request.request_id,
        "purpose": request.purpose,
        "scenario": request.scenario,
        "references": ",".join(request.references),
        "recipient": request.recipient,
        "validate-only": "true" if request.validate_only else "false",
        "attachment": request.attachment,
    }
    if request.HasField("sent_at"):
        try:
            words["sent-at"] = instant(request.sent_at.ToDatetime())
        except (ValueError, OverflowError):
            words["sent-at"] = "out of range"
    return words


def outcome_of(outcome: Outcome) -> wire.Outcome.ValueType:
    """The wire's name of an outcome."""
    return wire.Outcome.Value(f"OUTCOME_{outcome.name}")


def timestamp(at: str) -> Timestamp:
    """An instant, RFC 3339 UTC, as the wire has it."""
    made = Timestamp()
    made.FromDatetime(parse_instant(at))
    return made


def exchange_of(view: ExchangeView) -> wire.Exchange:
    """An exchange as its party sees it."""
    found = wire.Exchange(
        exchange_id=view.exchange,
        outcome=outcome_of(view.state.outcome),
        reason=view.state.reason or "",
        sender=view.sender,
        recipient=view.recipient,
        service=view.service,
        method=view.method,
        purpose=view.purpose,
        create_time=timestamp(view.at),
        entries=[_position(placed) for placed in view.state.evidence],
        dropped_fields=view.dropped,
        masked_fields=view.masked,
        answers=[_answer(role, said) for role, said in view.answers],
        rungs=[_rung(rung) for rung in view.rungs],
    )
    request = view.state.request
    if request is not None and isinstance(request.entry, Request):
        found.expire_time.CopyFrom(timestamp(request.entry.not_after))
    found.etag = sha256(found.SerializeToString(deterministic=True)).hexdigest()[:16]
    return found


def _rung(rung: Rung) -> wire.Rung:
    kind = wire.RungKind.Value(f"RUNG_KIND_{rung.kind.name}")
    told = wire.Rung(kind=kind, entry=_position(rung.placed))
    if rung.at is not None:
        told.time.CopyFrom(timestamp(rung.at))
    return told


def _answer(role: str, said: HoldDecision) -> wire.HoldAnswer:
    return wire.HoldAnswer(
        role=role,
        approved=said.approved,
        officer=said.officer,
        note=said.note,
        decide_time=timestamp(said.at),
    )


def _position(placed: Placed) -> wire.EntryPosition:
    position = placed.position
    return wire.EntryPosition(kind=placed.entry.kind, origin=position.origin, index=position.index)


def answered(finished: Finished, exchange: wire.Exchange | None) -> wire.CallResponse:
    """The response of a Call: the answer, or for a dry run the decision."""
    response = wire.CallResponse(payload=finished.payload or b"", exchange=exchange)
    if finished.decision is not None:
        response.decision.CopyFrom(decision_of(finished.decision, finished))
    return response


def decision_of(decision: Decision, finished: Finished) -> wire.Decision:
    """A decision with its findings in all languages."""
    return wire.Decision(
        verdict=decision.verdict,
        revision=decision.revision,
        findings=[
            *(_finding(finding, "deny") for finding in decision.denials),
            *(_finding(finding, "hold") for finding in decision.holds),
            *(_finding(finding, "warn") for finding in decision.warnings),
            *(_finding(finding, "observe") for finding in decision.observed),
        ],
        dropped_fields=finished.dropped,
        masked_fields=finished.masked,
    )


def decision_trailer(decision: Decision, finished: Finished) -> bytes:
    """A decision small enough for a trailer: texts go first, then findings and fields."""
    full = decision_of(decision, finished)
    for finding in full.findings:
        if full.ByteSize() > limits.STATUS_DETAILS_BYTES_MAX:
            finding.ClearField("text")
    for many in (full.dropped_fields, full.masked_fields, full.findings):
        while many and full.ByteSize() > limits.STATUS_DETAILS_BYTES_MAX:
            many.pop()
    return full.SerializeToString()


def _finding(finding: Finding, effect: str) -> wire.Finding:
    return wire.Finding(
        rule=finding.rule, article=finding.article, text=finding.text, effect=effect
    )


def receipt_of(exchange: str, proven: list[Proven]) -> wire.Receipt:
    """A receipt with its proofs."""
    return wire.Receipt(
        exchange_id=exchange,
        entries=[
            wire.ProvenEntry(entry=entry, proof=proof, origin=origin, index=index)
            for entry, proof, origin, index in proven
        ],
    )


def log_of(view: LogView) -> log_pb2.Log:
    """A log as auditors list it."""
    return log_pb2.Log(
        origin=view.origin,
        role=view.role,
        size=view.size,
        checkpoint=view.checkpoint,
        held_size=view.held_size,
        stopped=view.stopped,
    )


def log_entry_of(entry: LogEntry) -> log_pb2.LogEntry:
    """An entry with its place."""
    return log_pb2.LogEntry(origin=entry.origin, index=entry.index, entry=entry.entry)


def exchange_in(entry: bytes) -> str | None:
    """The exchange that an entry belongs to; None for entries of none, and for what is no entry."""
    try:
        return getattr(decode(entry), "exchange", None)
    except Refused:
        return None  # a peer's malformed entry has no meaning
