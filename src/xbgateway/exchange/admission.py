"""Admission on both paths and the gathering of facts: what is asked, of whom, about what.

Reads the register in use and the catalogue, which are values in memory, and counters; writes
nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from xbgateway.model.clock import LOCAL, instant, parse_instant
from xbgateway.model.decision import Finding
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import ContentFacts, Facts, Leg, Standing
from xbgateway.model.limits import HEAD_START_S, INLINE_PAYLOAD_BYTES_MAX
from xbgateway.model.origins import exchange_id
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Effect
from xbgateway.policy.active import Active
from xbgateway.policy.tables import Tables
from xbgateway.register import (
    Catalogue,
    Content,
    DeliveryTerms,
    MethodEntry,
    content_facts,
    parse,
    standing,
    synthetic_verdict,
)
from xbgateway.register.current import Current
from xbgateway.seal import keyed_hash, random_bytes

from .counting import Carried, Counting
from .legs import Legs
from .lifetime import lives_s
from .stages import Admitted, Declaration, Submission

# What content may turn out to be, by what its declaration says of the identifiers in it.
_CARRIES = {
    "none": ("none",),
    "synthetic": ("none", "synthetic"),
    "real": ("none", "real"),
    "mixed": ("none", "synthetic", "real", "mixed"),
}


class Admission:
    """What this node knows of parties, services and scenarios, as questions."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        node: str,
        current: Current,
        catalogue: Catalogue,
        active: Active,
        legs: Legs,
        counting: Counting,
        counting_key: bytes,
    ) -> None:
        self._node = node
        self._current = current
        self._catalogue = catalogue
        self._active = active
        self._legs = legs
        self._counting = counting
        self._counting_key = counting_key

    @property
    def tables(self) -> Tables:
        """The officers' tables of the active revision."""
        return self._active.tables

    @property
    def in_use(self) -> tuple[str, str]:
        """What decides now: the version of the register, the id of the policies."""
        return self._current.register.version, self._active.now.revision.id

    def admit(
        self, submission: Submission, fingerprint: bytes, now: datetime, lane: int
    ) -> Admitted:
        """Check what is asked; decode what is carried. ``fingerprint`` is the submission's.

        ``lane`` is the exchange's own.

        Raises ``Refused`` with a reason of its own for each thing that is wrong.
        """
        for name in ("purpose", "scenario", "sent_at"):
            if not getattr(submission, name):
                raise Refused(
                    Reason.REFERENCE_MISSING, f"the submission names no {name}", field=name
                )
        try:
            parse_instant(submission.sent_at)
        except ValueError as error:
            raise Refused(
                Reason.REFERENCE_MALFORMED,
                "sent_at is not an RFC 3339 time with an offset",
                field="sent_at",
            ) from error
        if len(submission.payload) > INLINE_PAYLOAD_BYTES_MAX:
            raise Refused(
                Reason.PAYLOAD_TOO_LARGE,
                f"{len(submission.payload)} bytes are over the limit of {INLINE_PAYLOAD_BYTES_MAX}",
            )
        method = self._catalogue.method(submission.service, submission.method)
        recipient = self._recipient(submission)
        content = parse(method.request, submission.payload)
        terms = self._catalogue.terms(method.service, recipient, method.method)
        return Admitted(
            exchange=exchange_id(now, random_bytes(10), lane),
            lane=lane,
            now=now,
            submission=submission,
            fingerprint=fingerprint,
            recipient=recipient,
            peer=self._current.register.party(recipient).node,
            method=method,
            content=content,
            lives_s=lives_s(submission.lives_s, terms),
        )

    def _recipient(self, submission: Submission) -> str:
        """The providing party on another node; named by the caller only where there are several."""
        providers = [
            party.id
            for party in self._current.register.providers_of(submission.service)
            if party.node != self._node
        ]
        if submission.recipient is not None:
            if submission.recipient not in providers:
                raise Refused(
                    Reason.PARTY_UNKNOWN,
                    f"{submission.recipient} does not provide this service on another node",
                )
            return submission.recipient
        if len(providers) != 1:
            raise Refused(
                Reason.REFERENCE_MISSING,
                f"{len(providers)} parties provide this service; name one as recipient",
                field="recipient",
            )
        return providers[0]

    def fingerprint(self, submission: Submission) -> bytes:
        """Keyed hash over all that makes two submissions the same; never leaves the node."""
        parts = (
            *(submission.party, submission.service, submission.method, submission.purpose),
            *(submission.scenario, "\n".join(submission.references), submission.recipient or ""),
            *(submission.case_id or "", *filter(None, (submission.attachment,))),
        )
        return keyed_hash(
            self._counting_key, *(part.encode() for part in parts), submission.payload
        )

    # ---- facts -----------------------------------------------------------------------------

    def facts(self, admitted: Admitted) -> tuple[Facts, tuple[Effect, ...]]:
        """The request leg as its sender sees it, and what counts it once it is sent."""
        submission, content = admitted.submission, admitted.content
        request_leg = standing(
            self._current.register,
            self._catalogue,
            leg="request",
            sender=submission.party,
            recipient=admitted.recipient,
            service=submission.service,
            method=submission.method,
            purpose=submission.purpose,
            scenario_id=submission.scenario,
            references=submission.references,
        )
        carried = Carried(
            exchange=admitted.exchange,
            now=admitted.now,
            persons=content.persons(),
            fields=content.paths(),
            said=_said(content, admitted.now),
            case_id=submission.case_id,
        )
        tally = self._counting.tally(request_leg, carried)
        queries: tuple[int, int] | None = None
        asked: tuple[Effect, ...] = ()
        if admitted.method.answer_mode == "predicate":
            queries, asked = self._counting.queries(
                submission.party, content.subject_tokens(), admitted.now
            )
        moment = self._legs.moment(
            admitted.exchange,
            instant(admitted.now),
            content.paths(),
            len(content.subject_tokens()),
            synthetic_verdict(content.identifiers()),
            submission.tls,
            sent_at=submission.sent_at,
            queries=queries,
            counts=tally.counts,
            content=carried.said,
        )
        return Facts(request_leg, moment), (*tally.effects, *asked)

    def standing(self, declaration: Declaration, leg: Leg) -> Standing:
        """The standing half of a leg of a declared exchange, from this node's own registers."""
        forward = declaration.leg == leg
        return standing(
            self._current.register,
            self._catalogue,
            leg=leg,
            sender=declaration.sender if forward else declaration.recipient,
            recipient=declaration.recipient if forward else declaration.sender,
            service=declaration.service,
            method=declaration.method,
            purpose=declaration.purpose,
            scenario_id=declaration.scenario,
            references=declaration.references,
        )

    def declared_facts(self, standing: Standing, declaration: Declaration, at: str) -> Facts:
        """A leg as its recipient sees it: on the declaration, before anything is opened."""
        moment = self._legs.moment(
            declaration.exchange,
            at,
            declaration.fields,
            declaration.subjects,
            declaration.synthetic,
            declaration.tls,
            counts=declaration.counts,
        )
        return Facts(standing, moment)

    def content_facts(
        self,
        standing: Standing,
        declaration: Declaration,
        answer: bytes,
        asked: bytes,
        now: datetime,
    ) -> tuple[Facts, Content, tuple[Effect, ...]]:
        """The answer leg as its sender sees it, its content, and what counts it once it is sent.

        An answer that names nobody is about the persons whom ``asked``, the request, names. Raises
        ``Refused`` where the answer is not of its type.
        """
        content = about = self.content(declaration, answer, "answer")
        if standing.direction == "CN2MO" and not content.persons():
            about = self.content(declaration, asked, "request")
        carried = Carried(
            exchange=declaration.exchange,
            now=now,
            persons=about.persons(),
            fields=content.paths(),
            said=_said(content, now),
        )
        tally = self._counting.tally(standing, carried)
        moment = self._legs.moment(
            declaration.exchange,
            instant(now),
            content.paths(),
            len(content.subject_tokens()),
            synthetic_verdict(content.identifiers()),
            declaration.tls,
            counts=tally.counts,
            content=carried.said,
        )
        return Facts(standing, moment), content, tally.effects

    def least_facts(self, standing: Standing, declaration: Declaration, now: datetime) -> Facts:
        """The answer leg with nothing but its required fields: denied like this, denied for sure.

        Asked before delivery, so that a certain denial refuses before the effect, not after. Nobody
        joins the numbers.
        """
        required = self.method(declaration).answer.required
        carried = Carried(declaration.exchange, now, None, required)
        moment = self._legs.moment(
            declaration.exchange,
            instant(now),
            required,
            declaration.subjects,
            "none",
            declaration.tls,
            counts=self._counting.tally(standing, carried).counts,
        )
        return Facts(standing, moment)

    # ---- checks ----------------------------------------------------------------------------

    def method(self, declaration: Declaration) -> MethodEntry:
        """The declared method. Raises ``Refused`` where this node does not know it."""
        return self._catalogue.method(declaration.service, declaration.method)

    def terms(self, declaration: Declaration) -> DeliveryTerms:
        """How the declared recipient is given its exchanges."""
        return self._catalogue.terms(declaration.service, declaration.recipient, declaration.method)

    def rank(self, declaration: Declaration, at: str) -> str:
        """In which order a delivery that began at ``at`` comes, by its scenario's priority."""
        priority = self._current.register.priority(declaration.scenario)
        return instant(parse_instant(at) - timedelta(seconds=HEAD_START_S[priority]))

    def provides(self, declaration: Declaration) -> bool:
        """Whether the declared recipient provides the service from this node."""
        return any(
            party.id == declaration.recipient and party.node == self._node
            for party in self._current.register.providers_of(declaration.service)
        )

    def node_of(self, party: str) -> str:
        """The node that a party belongs to. Raises ``Refused(PARTY_UNKNOWN)``."""
        return self._current.register.party(party).node

    def is_of(self, party: str, node: str) -> bool:
        """Whether a party is registered and belongs to a node."""
        try:
            return self._current.register.party(party).node == node
        except Refused:
            return False

    def decides(self, party: str, role: str, now: datetime) -> bool:
        """Whether a role's authority is that of a party's side (table ``roles``)."""
        roles = self.tables.authorities(now.astimezone(LOCAL).date())
        return roles.get(role) == self._current.register.party(party).jurisdiction

    def content(self, declaration: Declaration, payload: bytes, leg: Leg) -> Content:
        """The decoded message of a leg. Raises ``Refused`` where it is not of its type."""
        method = self.method(declaration)
        return parse(method.request if leg == "request" else method.answer, payload)

    def check_content(self, declaration: Declaration, payload: bytes, leg: Leg) -> Content:
        """The opened content carries nothing that its declaration does not name or say.

        Less is no contradiction: what the sender's law took out or masked was counted before.

        Raises ``Refused``: ``CONTENT_UNDECLARED``, or what :func:`parse` raises.
        """
        content = self.content(declaration, payload, leg)
        undeclared = sorted(set(content.paths()) - set(declaration.fields))
        kinds = _CARRIES.get(declaration.synthetic, ())
        if (
            undeclared
            or len(content.subject_tokens()) > declaration.subjects
            or synthetic_verdict(content.identifiers()) not in kinds
        ):
            raise Refused(
                Reason.CONTENT_UNDECLARED,
                f"the {leg} carries more than it declares",
                fields=",".join(undeclared),
            )
        return content

    def findings(self, rules: Iterable[str]) -> tuple[Finding, ...]:
        """The rules that the other side named, with the texts of this node's own revision."""
        known = self._active.now.revision.texts
        return tuple(
            Finding(rule, known[rule]["article"], dict(known[rule]["text"]))
            for rule in rules
            if rule in known
        )

    def sentence(self, end: Outcome, reason: str, rules: tuple[str, ...]) -> str:
        """One English sentence for a person."""
        for finding in self.findings(rules[:1]):
            return finding.text.get("en", finding.rule)
        match end:
            case Outcome.EXPIRED:
                return "the other side found the request after its last moment; nothing was done"
            case Outcome.UNKNOWN:
                return "a crash fell into the call; whether it had an effect needs a person"
            case Outcome.NOT_EXECUTED:
                return f"the other side refused before any effect: {reason}"
            case _:
                return f"the service was called, its answer is withheld: {reason}"


def _said(content: Content, now: datetime) -> ContentFacts:
    return content_facts(content.meanings(), now.astimezone(LOCAL).date())


def check_request_id(text: str) -> None:
    """Raises ``Refused``: ``REQUEST_ID_MISSING`` or ``REFERENCE_MALFORMED``."""
    if not text:
        raise Refused(Reason.REQUEST_ID_MISSING, "the submission has no request_id")
    try:
        canonical = str(UUID(text)) == text.lower()
    except ValueError:
        canonical = False
    if not canonical:
        raise Refused(Reason.REFERENCE_MALFORMED, "request_id is not a UUID", field="request_id")
