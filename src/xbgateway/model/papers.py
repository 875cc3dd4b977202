"""What registers hold for a corridor besides its parties and fields: data, contracts, agreements.

The part of the facts that a few rules each ask about, in the groups of the rule catalogue. Exact,
as registered: what a day makes of them is ``policy/papers.py`` and ``policy/operation.py``. Days
are ISO dates, local; ``None`` means that the register says nothing.
"""

from dataclasses import dataclass
from typing import Literal

Origin = Literal["CN", "MO", "MIXED"]
Stoppable = Literal["scenario", "dataset", "sender", "recipient"]
Severity = Literal["ordinary", "relatively_major", "major", "especially_major"]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """One dataset that was joined into another (Law 8/2005 Art 9; CBDF Provisions Art 4)."""

    dataset_id: str
    controller: str
    origin: Origin | None
    personal: bool
    important: bool


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """The dataset as the resource register knows it (catalogue: ``d``)."""

    level: str | None = None  # L1 .. L4, of the whole (DSL Art 21)
    origin: Origin | None = None  # where its data were collected (CBDF Provisions Art 4)
    stored_in: str | None = None  # CN, MO or other: where the primary copy lies (PIPL Art 36)
    offshore: bool = False  # kept in the offshore zone in Hengqin
    raw: bool = False  # single records, not a product (authorised operation)
    openness: str | None = None  # open, conditional, prohibited
    provincial: bool = False  # returned by the province
    inference_risk: bool = False  # persons or secrets were found to be inferable
    important_notice_ref: str | None = None  # NDSR Art 29: told or published as important
    collected_for: tuple[str, ...] | None = None  # purposes; None: the register does not limit
    min_age: int | None = None  # of the youngest person that it may hold, in years (PIPL Art 31)
    updated_on: str | None = None  # last refresh (Law 8/2005 Art 5)
    controllers: tuple[str, ...] = ()  # of this dataset and its sources, sorted
    sources: tuple[SourceFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class HandlingFacts:
    """How the scenario says that this leg is handled."""

    adverse_effect: str = "none"  # none, reviewed, automatic: who stops a benefit (PIPL Art 24)
    copies: str = "case"  # case or full: what the recipient gets of the dataset (PIPL Art 36)
    channel: str = "platform"  # platform or other (authorised operation)
    publication: bool = False  # the result is published
    storage: str | None = None  # region where the recipient keeps it
    retention_ref: str | None = None  # the law that asks for keeping after the purpose is met
    operator_reads: bool = False  # a node's technical operator has payloads (NDSR Art 16)


# What an older register, or none, says.
UNDESCRIBED = DatasetFacts()
PLAIN = HandlingFacts()


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """A contract on provision or entrusted processing (PIPL Art 21; NDSR Art 12; Law 8/2005 15)."""

    ref: str
    type: Literal["provision", "entrusting"]
    signed: bool
    effective_on: str
    expires_on: str | None
    purposes: tuple[str, ...]
    parties: tuple[str, ...]
    kinds: tuple[str, ...] | None  # of data; None: not limited
    terms: tuple[str, ...]  # what it lays down: purpose, manner, scope, duties, security, ...
    subprocessors: tuple[str, ...]  # whom the handler agreed to
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class MoProcessingFacts:
    """Notification of processing to the Macao authority (Law 8/2005 Arts 21-22)."""

    ref: str
    started_on: str
    notif_no: str | None
    notif_on: str | None
    registered_on: str | None  # simplified registration
    valid_until: str | None  # of the simplified registration
    auth_no: str | None  # prior authorisation
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class RiskAssessmentFacts:
    """A risk assessment made before important data are provided (NDSR Art 31)."""

    ref: str
    assessed_on: str
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """What proves an exemption (CBDF Provisions Art 5(1)(2)(3))."""

    ref: str
    type: Literal["contract", "labour_rule", "emergency"]
    since: str
    until: str | None
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """An approved application of this recipient for this dataset in this scenario (Zhuhai)."""

    ref: str
    approved_on: str
    valid_until: str | None
    withdrawn_on: str | None = None  # from this day on it is as none


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """A security incident and which part of this corridor it touches (PIPL Art 57)."""

    ref: str
    severity: Severity
    opened_on: str
    closed_on: str | None
    dataset: bool
    sender: bool
    recipient: bool
    mechanism: bool  # the contract or assessment that the transfer rests on


@dataclass(frozen=True, slots=True)
class OnwardFacts:
    """Where the recipient passes things on to (GBA standard contract)."""

    regions: tuple[str, ...]
    third_party: bool  # to somebody else than the institution itself
    conditions: tuple[str, ...]  # met: business_need, subject_informed, consent, agreement, record


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """The electronic certificate that the leg carries (Law 5/2005; Law 2/2020)."""

    certifier: str | None  # who vouches for its seal; None: unsealed
    timestamped: bool


@dataclass(frozen=True, slots=True)
class AgreementFacts:
    """An agreement on authorised operation of public data (Hangzhou plan)."""

    ref: str
    signed_on: str | None  # None: applied for, and no more
    valid_until: str | None
    trial_from: str | None
    trial_until: str | None
    regular_from: str | None  # regular operation approved from this day
    review_on: str | None  # audit of security and technical requirements
    network_review_ref: str | None
    emergency_plan_ref: str | None
    lists_scenario: bool
    lists_dataset: bool  # on that scenario's own list
    irs_approval: str | None
    provincial_approval: str | None
    product_review: str | None
    authority_kind: str  # kind of the party that signed for the public side
    names_operator: bool  # the operator is a party of this transfer
    security_report_on: str | None
    annual_report_on: str | None
    reapplied_on: str | None
    training_passed_on: str | None
    suspended_on: str | None
    rectify_by: str | None
    cleared_on: str | None
    exit_on: str | None  # expiry, early end or revocation


@dataclass(frozen=True, slots=True)
class StopFacts:
    """A record of this corridor that is out of use: not yet listed, suspended, or withdrawn."""

    what: Stoppable
    since: str
    until: str | None  # the first day on which it is in use again
