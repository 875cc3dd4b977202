"""Everything law may ask about one transfer, exact, read once, with one clock reading.

A transfer is one leg of an exchange: the request or the answer. Its facts have two halves:

* :class:`Standing` is what the registers say about a corridor (these parties, this method, this
  scenario, these instruments). It changes only when a register changes, is shared by every
  transfer on that corridor and is kept once, by its digest. Papers that few rules ask about are in
  ``papers.py``.
* :class:`Moment` is what is true of this transfer alone: the clock, the fields present, the
  counters, the verdicts on signatures and freshness.

``policy/projection.py`` turns both into the coarse input that the rules see; ``exchange`` gathers
them. Names follow the fact document of the rule catalogue (``docs/rules.md``). Days are ISO dates
in the local time of both sides (UTC+8), instants RFC 3339 UTC. ``None`` means the register has
nothing; the projection leaves it out and the shape rule denies where an applicable rule needs it,
or gives it a word of its own (``none``, ``unknown``) that the rules know.
"""

from dataclasses import dataclass
from typing import Literal

from .papers import (
    PLAIN,
    UNDESCRIBED,
    AgreementFacts,
    ApplicationFacts,
    ContractFacts,
    DatasetFacts,
    DocumentFacts,
    EvidenceFacts,
    HandlingFacts,
    IncidentFacts,
    MoProcessingFacts,
    OnwardFacts,
    RiskAssessmentFacts,
    StopFacts,
)
from .quick import quick

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
    role: str  # holder, processor, product_operator, technical_operator
    registered_in_gba: bool
    state_organ: bool
    ciio: bool
    restricted_list: bool
    powers: tuple[str, ...]  # purposes that its statute gives it
    central_organ: bool = False  # of the central state (incident reporting terms)
    persons_held: int | None = None  # about whom it holds personal information (NDSR Art 28)
    security_officer: bool = False  # NDSR Art 30; Law 13/2019: officer and contact are named
    annual_report_on: str | None = None  # on data risk (NDSR Art 33) or cybersecurity (Law 13/2019)
    designated_on: str | None = None  # since when it operates critical infrastructure
    child_rules_ref: str | None = None  # its rules for persons under 14 (PIPL Art 31)
    controls: tuple[str, ...] = ()  # of Law 8/2005 Art 16 that are in place
    subprocessors: tuple[str, ...] = ()  # whom it lets process for it (PIPL Art 21)
    free_trade_zone: str | None = None  # CBDF Provisions Art 6
    on_platform: bool = False  # works inside the platform of authorised operation


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
    shape: str = "text"  # bool, enum, int, decimal, text, bytes: what a value can say


@dataclass(frozen=True, slots=True)
class BasisFacts:
    """Legal ground on each side (PIPL Art 13; Law 8/2005 Art 6)."""

    cn: str | None
    cn_ref: str | None
    mo: str | None
    mo_ref: str | None
    explicit_law_ref: str | None
    necessity: str | None = None  # why this is necessary, as stated (PIPL Art 28; NDSR Art 35(6))
    emergency_since: str | None = None  # the instant it began (PIPL Art 13(4))
    competent_approval_ref: str | None = None  # for a judicial body abroad (PIPL Art 41)


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
    kinds: tuple[str, ...] | None = None  # of data (table field_kinds); None: not limited


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What the person was told (PIPL Arts 17, 30, 39; Law 8/2005 Art 10)."""

    ref: str
    items: tuple[str, ...]
    exempt_cn_ref: str | None = None  # the provision of PIPL Arts 18 or 35 that spares the notice
    exempt_mo_ref: str | None = None  # the provision of Law 8/2005 Art 10 that spares it
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class PipiaFacts:
    """A protection impact assessment (PIPL Arts 55-56)."""

    ref: str
    approved_on: str
    keep_until: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    kinds: tuple[str, ...] | None = None
    withdrawn_on: str | None = None  # from this day on it is as none


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
    exempt_art: str | None  # NDSR35-6, CBDF3, CBDF4, CBDF5-1 .. CBDF5-4, CBDF6
    approved_on: str | None = None  # result of the assessment, day of the certificate
    extension_filed_on: str | None = None  # CBDF Provisions Art 9
    kinds: tuple[str, ...] | None = None
    modes: tuple[str, ...] | None = None  # manners of transfer; None: not limited
    storage: tuple[str, ...] | None = None  # regions where recipients may keep it
    max_subjects: int | None = None  # NDSR Art 38
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class StateAssessmentFacts:
    """The state organ's assessment of PIPL Art 36."""

    ref: str
    valid_until: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    kinds: tuple[str, ...] | None = None
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class MoTransferFacts:
    """The Macao ground of transfer (Law 8/2005 Arts 19-20)."""

    kind: str  # adequacy, art20_1, art20_2_auth, none
    ground: str | None
    notif_no: str | None
    notif_on: str | None
    auth_no: str | None
    special: str | None = None  # security, crime, public_health (Law 8/2005 Art 20(3))
    special_law_ref: str | None = None  # the special law or agreement that it then needs
    withdrawn_on: str | None = None  # from this day on it is as none


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
    consent: ConsentFacts | None = None
    notice: NoticeFacts | None = None
    pipia: PipiaFacts | None = None
    mechanism: MechanismFacts | None = None
    state_assessment: StateAssessmentFacts | None = None
    mo_transfer: MoTransferFacts | None = None
    retention_days: int | None = None
    log_retention_days: int | None = None
    dataset: DatasetFacts = UNDESCRIBED
    handling: HandlingFacts = PLAIN
    applications: tuple[ApplicationFacts, ...] = ()
    incidents: tuple[IncidentFacts, ...] = ()  # all that touch this corridor, closed ones too
    contract: ContractFacts | None = None
    mo_processing: MoProcessingFacts | None = None
    risk_assessment: RiskAssessmentFacts | None = None
    evidence: EvidenceFacts | None = None  # of the exemption that the mechanism claims
    onward: OnwardFacts | None = None
    document: DocumentFacts | None = None
    agreement: AgreementFacts | None = None
    stops: tuple[StopFacts, ...] = ()  # of the scenario, the dataset and both parties


@dataclass(frozen=True, slots=True)
class Counts:
    """Distinct persons and requests *after this transfer*; ``None``: nobody counted.

    A person counts once, however often named (union of subjects). Years are calendar years of the
    sender, without transfers exempt under CBDF Provisions Arts 3-6. A window is the number of days
    in the table ``thresholds``, over one sender, recipient and purpose.
    """

    pi_year: int | None = None
    spi_year: int | None = None  # persons of whom sensitive information went
    assessed: int | None = None  # since the assessment in force began
    batches_window: int | None = None
    pi_window: int | None = None
    spi_window: int | None = None
    requests_window: int | None = None  # on the same person


@dataclass(frozen=True, slots=True)
class CaseState:
    """The case that the exchange belongs to, and what was decided in it."""

    status: Literal["open", "waiting", "answered", "closed", "invalidated"] | None = None
    opened_on: str | None = None
    held_on: str | None = None  # since when this very exchange waits for a person
    self_approved: bool = False  # an approval came from who asked
    evidence_held: Literal["none", "case", "own_government"] | None = None  # what is asked for


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """What was found in the content itself, where it says so."""

    min_age: int | None = None  # of the youngest person, in years
    record_on: str | None = None  # day of the oldest record
    objected: tuple[str, ...] = ()  # paths that a person objects to or wants rectified, sorted
    stay_from: str | None = None  # first day of a stay declared as Hengqin time
    stay_region: str | None = None
    min_cell: int | None = None  # smallest count of an aggregate
    bucket_months: int | None = None  # narrowest span of time that a yes/no answer tells apart


@dataclass(frozen=True, slots=True)
class Protection:
    """How the sender's side protects: names of the table ``crypto_suites``."""

    suite: str | None = None
    key_store: Literal["hsm", "software"] | None = None
    certificate: Literal["valid", "expired", "revoked"] | None = None  # of the sender


# One object each, so that whoever has nothing to say costs the projection one comparison.
UNCOUNTED = Counts()
NO_CASE = CaseState()
UNREAD = ContentFacts()
UNSTATED = Protection()


@quick
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
    approvers: tuple[str, ...] = ()  # who that was, as far as this node knows: role=party/person
    admitted_at: str | None = None  # of what was held: when it first came, for its freshness
    counts: Counts = UNCOUNTED
    case: CaseState = NO_CASE
    content: ContentFacts = UNREAD
    protection: Protection = UNSTATED


@quick
@dataclass(frozen=True, slots=True)
class Facts:
    """One leg's facts. Recorded sealed beside the log by the node that decided."""

    standing: Standing
    moment: Moment
