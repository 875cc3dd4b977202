"""A decision on one leg with everything it can be recomputed from. Values; nothing is asked."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache

from xbgateway.model.clock import LOCAL, parse_instant
from xbgateway.model.decision import Decision
from xbgateway.model.entry import Verdict
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import Facts
from xbgateway.model.record import Until
from xbgateway.policy.memo import Decided as Made

from .archive import facts_bytes


@dataclass(frozen=True)
class Decided:
    """A decision with the documents it can be recomputed from."""

    facts: Facts
    made: Made
    standing_digest: str

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return self.made.decision

    @property
    def until(self) -> Until:
        """``log_keep`` and ``data_keep`` as days, from the decision's own clock reading."""
        decision = self.made.decision
        return _until(self.facts.moment.now[:13], decision.log_keep_days, decision.data_keep_days)

    @cached_property
    def facts_bytes(self) -> bytes:
        """The recorded form of the facts; made only where the decision goes on record."""
        return facts_bytes(self.facts, self.standing_digest)

    @cached_property
    def verdict(self) -> Verdict:
        """The digests that stand in an entry."""
        return Verdict(
            facts=hashlib.sha256(self.facts_bytes).hexdigest(),
            input=self.decision.input_digest,
            decision=self.decision.decision_digest,
            revision=self.decision.revision,
        )


@lru_cache(maxsize=256)
def _until(hour: str, log_days: int, data_days: int | None) -> Until:
    today = parse_instant(hour + ":00:00Z").astimezone(LOCAL).date()
    evidence = (today + timedelta(days=log_days)).isoformat()
    payload = None if data_days is None else (today + timedelta(days=data_days)).isoformat()
    return Until(evidence, payload)


def refuse_unless_allowed(decision: Decision, leg: str) -> None:
    """Raises ``Refused`` with the first rule that denies or holds, named with its article."""
    if decision.verdict == "allow":
        return
    findings = decision.denials if decision.verdict == "deny" else decision.holds
    reason = Reason.POLICY_DENIED if decision.verdict == "deny" else Reason.POLICY_HOLD
    first = findings[0]
    raise Refused(
        reason,
        first.text.get("en", first.rule),
        rule=first.rule,
        article=first.article,
        leg=leg,
        rules=",".join(f.rule for f in findings),
        **{f"text.{language}": text for language, text in first.text.items()},
    )
