"""The papers of a register document: what was agreed, approved, told, assessed or reported.

Field names follow ``model/facts.py`` and ``model/papers.py``. What an older document does not say
has a default that changes nothing. References are checked in ``document.py``.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from xbgateway.model.facts import Mode
from xbgateway.model.papers import Severity
from xbgateway.register.values import (
    Count,
    Day,
    Id,
    Ids,
    Purposes,
    Record,
    Text,
    Words,
    distinct,
)

Modes = Annotated[tuple[Mode, ...], Field(strict=False), AfterValidator(distinct)]


class Mechanism(Record):
    """A transfer mechanism (PIPL Art 38; GBA standard contract)."""

    kind: Literal["mechanism"]
    id: Id
    type: Literal["gba_sc", "security_assessment", "certification", "cn_sc", "exempt"]
    signed: bool
    effective_on: Day | None = None
    filed_on: Day | None = None
    filing_no: Text | None = None
    expires_on: Day | None = None
    purposes: Purposes
    parties: Ids
    pipia_ref: Id | None = None
    exempt_art: Text | None = None
    approved_on: Day | None = None
    extension_filed_on: Day | None = None
    kinds: Ids | None = None
    modes: Modes | None = None
    storage: Ids | None = None
    max_subjects: Count | None = None
    evidence_ref: Id | None = None


class Notice(Record):
    """What the person was told, or the provision that spares telling."""

    kind: Literal["notice"]
    id: Id
    items: Words
    exempt_cn_ref: Text | None = None
    exempt_mo_ref: Text | None = None


class Pipia(Record):
    """A protection impact assessment (PIPL Arts 55-56)."""

    kind: Literal["pipia"]
    id: Id
    approved_on: Day
    keep_until: Day
    purposes: Purposes
    recipients: Ids
    kinds: Ids | None = None


class StateAssessment(Record):
    """The state organ's assessment of PIPL Art 36."""

    kind: Literal["state_assessment"]
    id: Id
    valid_until: Day
    purposes: Purposes
    recipients: Ids
    kinds: Ids | None = None


class MoTransfer(Record):
    """The Macao ground of transfer (Law 8/2005 Arts 19-20)."""

    kind: Literal["mo_transfer"]
    id: Id
    transfer_kind: Literal["adequacy", "art20_1", "art20_2_auth", "none"]
    ground: Id | None = None
    notif_no: Text | None = None
    notif_on: Day | None = None
    auth_no: Text | None = None
    special: Literal["security", "crime", "public_health"] | None = None
    special_law_ref: Text | None = None


class Consent(Record):
    """A consent as registered (PIPL Arts 14-15, 23, 29, 31; Law 8/2005 Art 6)."""

    kind: Literal["consent"]
    id: Id
    consent_kind: Literal["general", "separate", "written", "guardian"]
    purposes: Purposes
    recipients: Ids
    given_on: Day
    withdrawn_on: Day | None = None
    expires_on: Day | None = None
    kinds: Ids | None = None


class Contract(Record):
    """A contract on provision or entrusted processing (PIPL Art 21; NDSR Art 12)."""

    kind: Literal["contract"]
    id: Id
    type: Literal["provision", "entrusting"]
    signed: bool
    effective_on: Day
    expires_on: Day | None = None
    purposes: Purposes
    parties: Ids
    kinds: Ids | None = None
    terms: Words = ()
    subprocessors: Ids = ()


class MoProcessing(Record):
    """Notification of processing to the Macao authority (Law 8/2005 Arts 21-22)."""

    kind: Literal["mo_processing"]
    id: Id
    started_on: Day
    notif_no: Text | None = None
    notif_on: Day | None = None
    registered_on: Day | None = None
    valid_until: Day | None = None
    auth_no: Text | None = None


class RiskAssessment(Record):
    """A risk assessment made before important data are provided (NDSR Art 31)."""

    kind: Literal["risk_assessment"]
    id: Id
    assessed_on: Day


class Evidence(Record):
    """What proves an exemption that a mechanism claims (CBDF Provisions Art 5)."""

    kind: Literal["evidence"]
    id: Id
    type: Literal["contract", "labour_rule", "emergency"]
    since: Day
    until: Day | None = None


class Application(Record):
    """An approved application: these recipients, these datasets, this scenario (Zhuhai)."""

    kind: Literal["application"]
    id: Id
    scenario: Id
    datasets: Ids
    recipients: Ids
    approved_on: Day
    valid_until: Day | None = None


class Incident(Record):
    """A security incident: while it is open, nothing new moves where it strikes (PIPL Art 57)."""

    kind: Literal["incident"]
    id: Id
    severity: Severity
    opened_on: Day
    closed_on: Day | None = None
    datasets: Ids = ()
    parties: Ids = ()
    mechanisms: Ids = ()


class ListedScenario(Record):
    """One scenario of an agreement with its own list of datasets."""

    scenario: Id
    datasets: Ids


class Agreement(Record):
    """An agreement on authorised operation of public data (Hangzhou plan)."""

    kind: Literal["agreement"]
    id: Id
    authority: Id
    operator: Id
    scenarios: Annotated[tuple[ListedScenario, ...], Field(strict=False)]
    signed_on: Day
    valid_until: Day
    trial_from: Day | None = None
    trial_until: Day | None = None
    regular_from: Day | None = None
    review_on: Day | None = None
    network_review_ref: Text | None = None
    emergency_plan_ref: Text | None = None
    irs_approval: Text | None = None
    provincial_approval: Text | None = None
    product_review: Text | None = None
    security_report_on: Day | None = None
    annual_report_on: Day | None = None
    reapplied_on: Day | None = None
    training_passed_on: Day | None = None
    suspended_on: Day | None = None
    rectify_by: Day | None = None
    cleared_on: Day | None = None
    exit_on: Day | None = None


Instrument = (
    Mechanism
    | Notice
    | Pipia
    | StateAssessment
    | MoTransfer
    | Consent
    | Contract
    | MoProcessing
    | RiskAssessment
    | Evidence
    | Application
    | Incident
    | Agreement
)
