"""The steps that both directions and both legs share: facts, decide, minimise, seal, open.

A leg is one transfer, request or answer. Each step takes values and gives values; only
:meth:`Legs.decide` may wait, for the engine, when the memo has no answer. Nothing here writes.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from xbgateway.model.duty import KeepDuty
from xbgateway.model.entry import Answer, Request, Sealed, header
from xbgateway.model.errors import Fatal, Reason, Refused, Unavailable
from xbgateway.model.facts import (
    UNCOUNTED,
    UNREAD,
    ContentFacts,
    Counts,
    Facts,
    Moment,
    Protection,
    Standing,
)
from xbgateway.model.limits import (
    DOCUMENTS_REMEMBERED_MAX,
    FIRST_KEY_WAIT_S,
    INLINE_PAYLOAD_BYTES_MAX,
    STANDINGS_CACHED_MAX,
)
from xbgateway.model.record import (
    Beside,
    Effect,
    KeepDecision,
    KeepFacts,
    KeepStanding,
    KeepUntil,
    Pending,
    Until,
)
from xbgateway.policy.active import Active
from xbgateway.register import Content
from xbgateway.seal import (
    SUITE,
    KeyBundle,
    ReceivingEpochs,
    RestKey,
    SealingKeyRing,
    SendingEpochs,
    open_sealed,
    random_bytes,
    seal,
    seal_at_rest,
)

from .archive import standing_bytes
from .decided import Decided, refuse_unless_allowed
from .ports import Meter, Peers, Records
from .stages import Permitted

_WRAPS_REMEMBERED = 64
# One suite, keys in files; whoever gets this far came with a certificate or token that is valid.
_PROTECTION = Protection(suite=SUITE, key_store="software", certificate="valid")


class Peer:
    """What one node needs to seal for another and to open what comes from it."""

    def __init__(self, me: str, node: str) -> None:
        self.node = node
        self._me = me
        self._sending: SendingEpochs | None = None
        self._key_id = ""
        self._receiving = ReceivingEpochs(node, me)
        self._known = asyncio.Event()

    async def heard(self) -> None:
        """Give a peer that has just been linked a moment to announce its first key."""
        if self._sending is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_KEY_WAIT_S):
                    await self._known.wait()

    def announced(self, bundle: KeyBundle) -> None:
        """The peer announced a sealing key; the newest one is used from now on."""
        self._sending = SendingEpochs(self._me, bundle)
        self._key_id = bundle.key_id
        self._known.set()

    def sending(self) -> tuple[SendingEpochs, str]:
        """Epochs towards the peer's newest key. Raises ``Unavailable``."""
        if self._sending is None:
            raise Unavailable(
                Reason.PEER_UNREACHABLE, f"node {self.node} has not announced a sealing key yet"
            )
        return self._sending, self._key_id

    def secret(self, wrap: bytes, ring: SealingKeyRing, now: datetime) -> bytes:
        """The secret of an epoch of the peer."""
        return self._receiving.open(wrap, ring, now.timestamp())


class Legs:
    """The shared steps, bound to this node's policy and keys."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        active: Active,
        rest: RestKey,
        ring: SealingKeyRing,
        peers: dict[str, Peer],
        meter: Meter,
        records: Records,
    ) -> None:
        self._active = active
        self._rest = rest
        self._ring = ring
        self._meter = meter
        self._records = records
        self._wraps: dict[str, bytes] = {}
        self.peers = peers
        # What is content-addressed and already kept needs no second row.
        self._kept: set[str] = set()
        self._standings: dict[int, tuple[Standing, str, bytes]] = {}

    async def decide(self, facts: Facts) -> Decided:
        """Steps 2-3: the exact facts, their projection, and what the active revision says.

        Raises ``Unavailable`` with the engine's own reason where there is no decision: no
        decision is a denial (fail closed).
        """
        decider = self._active.now.decider
        projected = decider.project(facts)
        made = decider.lookup(projected)
        if made is None:
            loop, started = asyncio.get_running_loop(), time.perf_counter()
            try:
                made = await loop.run_in_executor(None, decider.evaluate, projected)
            except Unavailable:
                if self._active.now.decider is decider:
                    raise
                return await self.decide(facts)  # another revision came into use meanwhile
            self._meter.step("decide", time.perf_counter() - started)
        return Decided(facts, made, self._standing(facts.standing)[0])

    def _standing(self, standing: Standing) -> tuple[str, bytes]:
        """Digest and bytes of a standing half, made once per object."""
        known = self._standings.get(id(standing))
        if known is None or known[0] is not standing:
            if len(self._standings) >= STANDINGS_CACHED_MAX:
                self._standings.clear()
            known = self._standings[id(standing)] = (standing, *standing_bytes(standing))
        return known[1], known[2]

    def evidence(self, decided: Decided, exchange: str, key: bytes) -> list[Effect]:
        """Rows to recompute the decision from, and the duties that it leaves to people here."""
        effects: list[Effect] = [
            KeepFacts(
                decided.verdict.facts,
                exchange,
                seal_at_rest(key, b"facts", decided.facts_bytes),
                decided.verdict.revision,
            ),
        ]
        digest, raw = self._standing(decided.facts.standing)
        if digest not in self._kept:
            effects.append(KeepStanding(digest, self._rest_standing(raw)))
        name = decided.verdict.revision + decided.verdict.input
        if name not in self._kept:
            effects.append(
                KeepDecision(
                    decided.verdict.revision,
                    decided.verdict.input,
                    decided.made.input_bytes,
                    decided.made.decision_bytes,
                )
            )
        effects += self._active.now.duties.asked(decided.decision, decided.facts, exchange)
        return effects

    def later_evidence(
        self, decided: Decided, exchange: str, key: bytes, until: Until | None
    ) -> list[Effect]:
        """The same for a later decision of an exchange that is kept ``until`` then already."""
        effects = self.evidence(decided, exchange, key)
        if until is None or not until.covers(decided.until):
            effects.append(KeepUntil(exchange, decided.until))
        return effects

    def _rest_standing(self, raw: bytes) -> bytes:
        """Standing facts name organisations only; they rest under a key all the same."""
        wrapped, key = self._rest.new_exchange_key()
        return wrapped + seal_at_rest(key, b"standing", raw)

    def kept(self, effects: Iterable[Effect]) -> None:
        """The record stands: do not write its content-addressed rows again."""
        if len(self._kept) > DOCUMENTS_REMEMBERED_MAX:
            self._kept.clear()  # to write one again changes nothing
        for effect in effects:
            if isinstance(effect, KeepStanding):
                self._kept.add(effect.digest)
            elif isinstance(effect, KeepDecision):
                self._kept.add(effect.revision + effect.input_digest)
            elif isinstance(effect, KeepDuty):
                self._active.now.duties.kept(effect)

    def moment(  # noqa: PLR0917 - one value for each thing law asks
        self,
        exchange: str,
        at: str,
        fields: tuple[str, ...],
        subjects: int,
        synthetic: str,
        tls: str,
        sent_at: str | None = None,
        queries: tuple[int, int] | None = None,
        counts: Counts = UNCOUNTED,
        content: ContentFacts = UNREAD,
    ) -> Moment:
        """The moving half of the facts, at the instant ``at``; its constants: :class:`Moment`."""
        person_day, requester_hour = queries or (None, None)
        return Moment(
            exchange=exchange,
            salt=random_bytes(16).hex(),
            now=at,
            sent_at=sent_at,
            replayed=False,
            fields=fields,
            subjects=subjects,
            synthetic=synthetic,  # type: ignore[arg-type] # checked where it was made
            queries_person_day=person_day,
            queries_requester_hour=requester_hour,
            tls=tls,
            payload_sealed=True,
            sender_signed=True,
            gateway_signed=True,
            log_ok=True,
            counts=counts,
            content=content,
            protection=_PROTECTION,
        )

    def minimise(self, decided: Decided, content: Content) -> Permitted:
        """Step 4, of what is allowed: drop and mask what the decision asks, and say what went."""
        refuse_unless_allowed(decided.decision, decided.facts.standing.leg)
        actions = decided.decision.fields
        drops = tuple(a.path for a in actions if a.how == "drop")
        masks = tuple((a.path, a.how) for a in actions if a.how != "drop")
        present = content.paths()
        payload = content.apply(drops, masks)
        if len(payload) > INLINE_PAYLOAD_BYTES_MAX:
            raise Refused(
                Reason.PAYLOAD_TOO_LARGE,
                f"{len(payload)} bytes are over the inline limit of {INLINE_PAYLOAD_BYTES_MAX};"
                " what is larger goes as an attachment",
            )
        gone = set(drops)
        return Permitted(
            payload=payload,
            fields=tuple(path for path in present if path not in gone),
            dropped=tuple(path for path in drops if path in present),
            masked=tuple(path for path, _how in masks if path in present),
        )

    def seal(
        self, draft: Request | Answer, peer: str, declaration: bytes, payload: bytes, now: datetime
    ) -> tuple[Request | Answer, Beside]:
        """Step 5: seal for the recipient's node, bound to the entry that will be logged."""
        epochs, key_id = self.peers[peer].sending()
        epoch = epochs.current(now.timestamp())
        declared = hashlib.sha256(declaration).hexdigest()
        bound = header(draft, declaration=declared, suite=SUITE, key_id=key_id)
        sealed, commitment = seal(epoch, bound, payload)
        parts = Sealed(
            declaration=declared,
            commitment=commitment.hex(),
            sealed=hashlib.sha256(sealed).hexdigest(),
            sealed_bytes=len(sealed),
            suite=SUITE,
            key_id=key_id,
            wrap=epoch.wrap_hash.hex(),
        )
        return replace(draft, sealed=parts), Beside(declaration, sealed, epoch.wrap)

    def open(self, entry: Request | Answer, peer: str, sealed: bytes, now: datetime) -> bytes:
        """The payload of a mirrored entry. Raises ``Refused`` for each way it may not open."""
        parts = entry.sealed
        if parts is None:
            raise Refused(Reason.ENTRY_INVALID, "the entry carries no sealed payload")
        if parts.suite != SUITE:
            raise Refused(Reason.SUITE_UNKNOWN, f"suite {parts.suite} is not spoken here")
        wrap = self._wrap(parts.wrap)
        secret = self.peers[peer].secret(wrap, self._ring, now)
        return open_sealed(
            secret,
            bytes.fromhex(parts.wrap),
            header(entry),
            sealed,
            bytes.fromhex(parts.commitment),
        )

    async def with_payload(
        self, peers: Peers, entry: Request | Answer, pending: Pending
    ) -> Pending:
        """What came beside an entry, asked for once more where it is not what it should be.

        Raises ``Refused``: ``PAYLOAD_MISSING`` or ``PAYLOAD_ALTERED`` when it stays so.
        """
        try:
            self._check_arrived(entry, pending)
        except Refused:
            again = await peers.want(pending)
            if again is None:
                raise
            self._check_arrived(entry, again)
            return again
        return pending

    def _check_arrived(self, entry: Request | Answer, pending: Pending) -> None:
        check_beside(entry, pending.declaration, pending.sealed)
        assert entry.sealed is not None
        self._wrap(entry.sealed.wrap)

    def _wrap(self, digest: str) -> bytes:
        """An epoch's wrap: one for a minute's messages, so the last few are remembered."""
        wrap = self._wraps.get(digest)
        if wrap is None:
            wrap = self._records.wrap(bytes.fromhex(digest))
            if wrap is None:
                raise Refused(Reason.PAYLOAD_MISSING, "the epoch's wrap did not come along")
            if len(self._wraps) >= _WRAPS_REMEMBERED:
                del self._wraps[next(iter(self._wraps))]
            self._wraps[digest] = wrap
        return wrap

    def new_key(self) -> tuple[bytes, bytes]:
        """``(wrapped, key)`` of an exchange's own key."""
        return self._rest.new_exchange_key()

    def unwrap(self, wrapped: bytes | None) -> bytes:
        """An exchange's own key.

        Raises ``Refused(PAYLOAD_ERASED)`` once it was destroyed, and ``Fatal`` where this node's
        rest key does not fit: that is no fault of the exchange, and ends none.
        """
        if wrapped is None:
            raise Refused(Reason.PAYLOAD_ERASED, "the exchange's key was destroyed")
        try:
            return self._rest.unwrap(wrapped)
        except Refused as refused:
            raise Fatal(refused.reason, refused.sentence) from refused


def check_beside(entry: Request | Answer, declaration: bytes, sealed: bytes) -> None:
    """What came beside an entry is what the entry names, to the byte.

    Raises ``Refused``: ``PAYLOAD_MISSING`` or ``PAYLOAD_ALTERED``.
    """
    parts = entry.sealed
    if parts is None:
        raise Refused(Reason.ENTRY_INVALID, "the entry carries no sealed payload")
    if not declaration or not sealed:
        raise Refused(Reason.PAYLOAD_MISSING, "nothing came beside the entry")
    if (
        hashlib.sha256(declaration).hexdigest() != parts.declaration
        or hashlib.sha256(sealed).hexdigest() != parts.sealed
        or len(sealed) != parts.sealed_bytes
    ):
        raise Refused(Reason.PAYLOAD_ALTERED, "what came beside the entry is not what it names")
