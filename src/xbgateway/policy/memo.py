"""Decisions, each computed once: a bounded memo in front of the engine, fail closed.

A decision is a pure function of revision and input, so the memo cannot go stale; it can only be too
small. Whatever is not a well-formed decision of the loaded revision is :class:`Unavailable`.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, cast

import orjson

from xbgateway.model.decision import VERBS, Decision, Duty, FieldAction, Finding, Verdict
from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.facts import Facts
from xbgateway.model.limits import POLICY_DEADLINE_MS
from xbgateway.policy.engine.port import Snapshot
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.revision import Revision

# Distinct inputs remembered: some hundreds occur a day; one takes about 8 kB.
DECISIONS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Decided:
    """An input and what the revision says of it, as values and as the bytes that are recorded."""

    input_bytes: bytes
    decision: Decision
    decision_bytes: bytes


class Memo:
    """The latest decisions by (revision, input digest). ``hits``, ``misses``, ``evicted`` count."""

    def __init__(self, capacity: int = DECISIONS_MAX) -> None:
        assert capacity > 0
        self.hits = 0
        self.misses = 0
        self.evicted = 0
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, str], Decided] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, revision: str, digest: str) -> Decided | None:
        """The remembered decision, counted as hit or miss."""
        with self._lock:
            known = self._known.get((revision, digest))
            if known is None:
                self.misses += 1
                return None
            self._known.move_to_end((revision, digest))
            self.hits += 1
            return known

    def put(self, revision: str, digest: str, decided: Decided) -> None:
        """Remember, forgetting the one unused longest where there is no room."""
        with self._lock:
            self._known[revision, digest] = decided
            self._known.move_to_end((revision, digest))
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
                self.evicted += 1


class Decider:
    """Projects, looks up, evaluates. One per active revision; many threads may share it."""

    def __init__(
        self,
        snapshot: Snapshot,
        projector: Projector,
        revision: Revision,
        memo: Memo | None = None,
        timeout_ms: int = POLICY_DEADLINE_MS,
    ) -> None:
        if snapshot.revision != revision.id:
            raise Unavailable(
                Reason.POLICY_STALE,
                "the engine holds another revision than the one to decide by",
                loaded=snapshot.revision,
                wanted=revision.id,
            )
        self.revision = revision
        self._snapshot = snapshot
        self._projector = projector
        self._memo = memo
        self._timeout_ms = timeout_ms

    def project(self, facts: Facts) -> Projected:
        """The input of these facts. Raises as :meth:`Projector.projected` does."""
        return self._projector.projected(facts)

    def lookup(self, projected: Projected) -> Decided | None:
        """The decision if it is known already; never evaluates."""
        if self._memo is None:
            return None
        return self._memo.get(self.revision.id, projected.digest)

    def evaluate(self, projected: Projected) -> Decided:
        """Ask the engine, in the calling thread (milliseconds), and remember.

        Raises Unavailable: POLICY_UNDEFINED, POLICY_ERROR, POLICY_TIMEOUT, POLICY_STALE,
        POLICY_INPUT_LIMIT or POLICY_UNAVAILABLE. Failures are not remembered.
        """
        raw = self._snapshot.decide(projected.input_bytes, self._timeout_ms)
        decision = parse_decision(raw, projected.digest, self.revision.id)
        decided = Decided(projected.input_bytes, decision, raw)
        if self._memo is not None:
            self._memo.put(self.revision.id, projected.digest, decided)
        return decided

    def decide(self, facts: Facts) -> Decided:
        """Project, then look up or evaluate. Raises as those do."""
        projected = self.project(facts)
        return self.lookup(projected) or self.evaluate(projected)


def parse_decision(raw: bytes, input_digest: str, revision: str) -> Decision:
    """Read a decision document of ``data.xb.decision``.

    Raises Unavailable: POLICY_STALE for another revision; POLICY_ERROR for a document that is not
    well formed or contradicts itself (an allowance with denials, a denial without).
    """
    try:
        document: dict[str, Any] = orjson.loads(raw)
        decision = _read(document, input_digest, hashlib.sha256(raw).hexdigest())
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Unavailable(
            Reason.POLICY_ERROR, f"the decision document is not well formed: {problem!r}"
        ) from None
    if decision.revision != revision:
        raise Unavailable(
            Reason.POLICY_STALE, "another revision decided", wanted=revision, got=decision.revision
        )
    expected = "deny" if decision.denials else "hold" if decision.holds else "allow"
    if decision.verdict != expected:
        raise Unavailable(
            Reason.POLICY_ERROR,
            f"the decision says {decision.verdict}, its findings say {expected}",
        )
    return decision


def _read(document: dict[str, Any], input_digest: str, decision_digest: str) -> Decision:
    duties = document["obligations"]
    drops = tuple(FieldAction(one["path"], "drop", one["rule"]) for one in duties["drop"])
    masks = tuple(FieldAction(one["path"], one["how"], one["rule"]) for one in duties["mask"])
    log_keep_days, data_keep_days = duties["log_keep_days"], duties["data_keep_days"]
    if not isinstance(log_keep_days, int) or not isinstance(data_keep_days, int | None):
        raise TypeError("a retention is not a number of days")
    return Decision(
        verdict=cast("Verdict", document["decision"]),
        revision=document["revision"],
        denials=_findings(document["deny"]),
        holds=_findings(document["holds"]),
        warnings=_findings(document["warns"]),
        fields=drops + masks,
        log_keep_days=log_keep_days,
        data_keep_days=data_keep_days,
        input_digest=input_digest,
        decision_digest=decision_digest,
        duties=tuple(map(_duty, duties.get("duties", ()))),
        waivers=_findings(document.get("waives", [])),
        observed=_findings(document.get("observes", [])),
    )


def _duty(one: dict[str, Any]) -> Duty:
    value = one.get("value")
    if one["verb"] not in VERBS or not isinstance(value, int | None):
        raise ValueError(f"{one['verb']!r} is no duty")
    return Duty(
        one["verb"], tuple(one["rules"]), one.get("who"), one.get("about"), value, one.get("unit")
    )


def _findings(found: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(
        Finding(one["rule"], one["article"], dict(one["text"]), one.get("path"), one.get("role"))
        for one in found
    )
