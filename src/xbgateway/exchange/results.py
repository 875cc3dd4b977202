"""The stored result of an exchange: what the same request id gets again, after any crash."""

from typing import Any

import orjson

from xbgateway.model.decision import Finding
from xbgateway.model.outcome import Outcome

from .stages import Finished

_VERSION = 1


def pack_finished(finished: Finished) -> bytes:
    """One JSON line about the result, then the payload as it is."""
    head = {
        "v": _VERSION,
        "exchange": finished.exchange,
        "outcome": finished.outcome,
        "reason": finished.reason,
        "sentence": finished.sentence,
        "code": finished.service_code,
        "answered": finished.payload is not None,
        "dropped": finished.dropped,
        "masked": finished.masked,
        "findings": [_pack_finding(finding) for finding in finished.findings],
    }
    return orjson.dumps(head) + b"\n" + (finished.payload or b"")


def unpack_finished(raw: bytes) -> Finished:
    """The result that was packed; the decision of a dry run is never stored."""
    line, _, payload = raw.partition(b"\n")
    head = orjson.loads(line)
    return Finished(
        exchange=head["exchange"],
        outcome=Outcome(head["outcome"]),
        reason=head["reason"],
        sentence=head["sentence"],
        service_code=head["code"],
        payload=payload if head["answered"] else None,
        dropped=tuple(head["dropped"]),
        masked=tuple(head["masked"]),
        findings=tuple(Finding(**finding) for finding in head["findings"]),
    )


def _pack_finding(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__slots__}
