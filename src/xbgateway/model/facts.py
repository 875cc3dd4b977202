"""Everything law may ask about one transfer, exact, read once, with one clock reading.

A transfer is one leg of an exchange: the request or the answer. Its facts have two halves:

* :class:`Standing` is what the registers say about a corridor (these parties, this method, this
  scenario, these instruments). It changes only when a register changes, is shared by every
  transfer on that corridor and is kept once, by its digest.
* :class:`Moment` is what is true of this transfer alone: the clock, the fields present, the
  counters, the verdicts on signatures and freshness.

``policy/projection.py`` turns both into the coarse input that the rules see; ``exchange`` gathers
them. Names follow the fact document of the rule catalogue (``docs/rules.md``). Days are ISO dates
in the local time of both sides (UTC+8), instants RFC 3339 UTC. ``None`` means the register has
nothing; the projection leaves it out and the shape rule denies where an applicable rule needs it.
"""

from dataclasses import dataclass
from typing import Literal

Leg = Literal["request", "answer"]
Mode = Literal["payload", "predicate", "digest", "aggregate", "psi"]
Direction = Literal["CN2MO", "MO2CN", "CN_INTERNAL", "MO_INTERNAL"]
Jurisdiction = Literal["CN", "MO"]


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """One party as its register knows it (catalogue: ``s`` and ``r``)."""

    org: str
    jurisdiction: Jurisdiction
    region: str  # city or zone: zhuhai, hengqin, macao, ...
    kind: str  # social_security, medical_insurance, health, civil_registry, window, bank, ...
    role: str  # holder, processor, product_operator
    registered_in_gba: bool
    state_organ: bool
    ciio: bool
    restricted_list: bool
    powers: tuple[str, ...]  # purposes that its statute gives it


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One leaf field of the message as its provider labelled it; ``None`` where it did not."""

    path: str  # dotted path in the message, repeated fields without index
    name: str  # name in the data dictionary
    level: str | None  # L1 .. L4
    data_class: str | None  # general, important, core
    labelled: bool  # level, class and sensitivity all stand on the field
    sens_cn: bool
    sens_mo: bool
    state_secret: bool
    purposes: tuple[str, ...]  # dictionary codes as labelled by the provider
    required: bool
    identifier: str | None  # bir, permit, prc_id, hrp, fss, phone, account: how it is masked


@dataclass(frozen=True, slots=True)
class BasisFacts:
    """Legal ground on each side (PIPL Art 13; Law 8/2005 Art 6)."""

    cn: str | None
    cn_ref: str | None
    mo: str | None
    mo_ref: str | None
    explicit_law_ref: str | None


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """A consent as registered (PIPL Arts 14-15, 23, 29, 31; Law 8/2005 Art 6)."""

    ref: str
    kind: str  # general, separate, written, guardian
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    given_on: str
    withdrawn_on: str | None
    expires_on: str | None


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What the person was told (PIPL Arts 17, 30, 39; Law 8/2005 Art 10)."""

    ref: str
    items: tuple[str, ...]
    exempt_cn_ref: str | None = None  # the provision of PIPL Arts 18 or 35 that spares the notice
    exempt_mo_ref: str | None = None  # the provision of Law 8/2005 Art 10 that spares it


@dataclass(frozen=True, slots=True)
class PipiaFacts:
    """A protection impact assessment (PIPL Arts 55-56)."""

    ref: str
    approved_on: str
    keep_until: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MechanismFacts:
    """The transfer mechanism (PIPL Art 38; GBA standard contract)."""

    type: str  # gba_sc, security_assessment, certification, cn_sc, exempt
    ref: str
    signed: bool
    effective_on: str | None
    filed_on: str | None
    filing_no: str | None
    expires_on: str | None
    purposes: tuple[str, ...]
    parties: tuple[str, ...]
    pipia_ref: str | None
    exempt_art: str | None


@dataclass(frozen=True, slots=True)
class StateAssessmentFacts:
    """The state organ's assessment of PIPL Art 36."""

    ref: str
    valid_until: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoTransferFacts:
    """The Macao ground of transfer (Law 8/2005 Arts 19-20)."""

    kind: str  # adequacy, art20_1, art20_2_auth, none
    ground: str | None
    notif_no: str | None
    notif_on: str | None
    auth_no: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registers say about one leg of one method in one scenario between two parties."""

    register_version: str  # digest of the register documents it was read from
    leg: Leg
    direction: Direction | None  # as labelled by the scenario for this leg
    service: str
    method: str
    mode: Mode | None
    purpose: str
    scenario_id: str
    scenario_authorised: bool  # the scenario lists this dataset, purpose and both parties
    dataset_id: str
    dataset_registered: bool
    environment: Literal["prod", "test"]
    sender: PartyFacts
    recipient: PartyFacts
    fields: tuple[FieldFacts, ...]  # every leaf field that the message type can carry
    basis: BasisFacts
    consent: ConsentFacts | None
    notice: NoticeFacts | None
    pipia: PipiaFacts | None
    mechanism: MechanismFacts | None
    state_assessment: StateAssessmentFacts | None
    mo_transfer: MoTransferFacts | None
    retention_days: int | None
    log_retention_days: int | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true of this one transfer. ``salt`` makes the digest of the facts hiding."""

    exchange: str
    salt: str  # hex, 16 bytes
    now: str  # the one clock reading
    sent_at: str | None  # the client's own time of submission; None where not at its own node
    # Here always false: a request_id with another body is refused before law is asked
    # (REQUEST_ID_REUSED); the fact is kept for rules, and for paths that would let it come so far.
    replayed: bool
    fields: tuple[str, ...]  # paths present in the message, sorted, as they would travel
    subjects: int | None  # distinct persons named
    synthetic: Literal["synthetic", "real", "mixed", "none"]  # kind of identifiers carried
    queries_person_day: int | None  # predicate queries on this person today, with this one
    queries_requester_hour: int | None  # by this requester in this hour, with this one
    tls: str  # TLSv1.3
    # Here always true, since nothing else comes so far: there is no way to send but sealed, the
    # edge lets in whom it has identified, the mirror takes what a signed checkpoint covers, and a
    # log that has stopped or cannot be written gives an error in place of a decision.
    payload_sealed: bool  # the payload travels sealed under a suite of the project
    sender_signed: bool  # the client's identity was proven for this submission
    gateway_signed: bool  # the entry stands (or will stand) under a signed checkpoint
    log_ok: bool  # what is decided can be logged
    approvals: tuple[str, ...] = ()  # roles whose officers approved this exchange, sorted


@dataclass(frozen=True, slots=True)
class Facts:
    """One leg's facts. Recorded sealed beside the log by the node that decided."""

    standing: Standing
    moment: Moment
