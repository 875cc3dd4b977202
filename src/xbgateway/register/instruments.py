"""The papers of a register document: what was agreed, approved, told, assessed or reported.

Field names follow ``model/facts.py`` and ``model/papers.py``. What an older document does not say
has a default that changes nothing. References are checked in ``document.py``.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from xbgateway.model.facts import Jurisdiction, Mode
from xbgateway.model.papers import Severity
from xbgateway.register.values import (
    Count,
    Day,
    Id,
    Ids,
    Instant,
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
    authority: Jurisdiction | None = None  # with whom a contract is filed
    withdrawn_on: Day | None = None


class Notice(Record):
    """What the person was told, or the provision that spares telling."""

    kind: Literal["notice"]
    id: Id
    items: Words
    exempt_cn_ref: Text | None = None
    exempt_mo_ref: Text | None = None
    issued_on: Day | None = None
    withdrawn_on: Day | None = None


class Pipia(Record):
    """A protection impact assessment (PIPL Arts 55-56)."""

    kind: Literal["pipia"]
    id: Id
    approved_on: Day | None = None  # None: a draft
    keep_until: Day | None = None
    purposes: Purposes
    recipients: Ids
    kinds: Ids | None = None
    withdrawn_on: Day | None = None

    @model_validator(mode="after")
    def _approved_whole(self) -> "Pipia":
        if (self.approved_on is None) != (self.keep_until is None):
            raise ValueError("approved_on and keep_until stand together")
        return self


class StateAssessment(Record):
    """The state organ's assessment of PIPL Art 36."""

    kind: Literal["state_assessment"]
    id: Id
    valid_until: Day | None = None  # None: a draft
    purposes: Purposes
    recipients: Ids
    kinds: Ids | None = None
    withdrawn_on: Day | None = None


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
    withdrawn_on: Day | None = None


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
    child: bool = False  # the person is under 14 (PIPL Art 31)
    guardian_ref: Text | None = None  # proof of guardianship; never a name
    deletion_confirmed_on: Day | None = None


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
    withdrawn_on: Day | None = None
    deletion_confirmed_on: Day | None = None


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
    withdrawn_on: Day | None = None


class RiskAssessment(Record):
    """A risk assessment made before important data are provided (NDSR Art 31)."""

    kind: Literal["risk_assessment"]
    id: Id
    assessed_on: Day
    withdrawn_on: Day | None = None


class Evidence(Record):
    """What proves an exemption that a mechanism claims (CBDF Provisions Art 5)."""

    kind: Literal["evidence"]
    id: Id
    type: Literal["contract", "labour_rule", "emergency"]
    since: Day
    until: Day | None = None
    withdrawn_on: Day | None = None


class Application(Record):
    """An application of these recipients for these datasets in this scenario (Zhuhai)."""

    kind: Literal["application"]
    id: Id
    scenario: Id
    datasets: Ids
    recipients: Ids
    applied_on: Day | None = None
    approved_on: Day | None = None
    rejected_on: Day | None = None
    valid_until: Day | None = None
    withdrawn_on: Day | None = None


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
    opened_at: Instant | None = None  # when it was found; terms in hours begin with it
    operator: Literal["ciio", "central", "other"] = "other"  # whose term to report counts
    reported_on: Day | None = None
    informed_on: Day | None = None  # the persons concerned


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
    applied_on: Day | None = None
    reviewed_on: Day | None = None
    rejected_on: Day | None = None
    published_on: Day | None = None
    province_filed_on: Day | None = None
    signed_on: Day | None = None  # None: an application
    valid_until: Day | None = None
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
    revoked_on: Day | None = None
    revocation_ref: Text | None = None
    access_closed_on: Day | None = None
    deletion_confirmed_on: Day | None = None
    logs_kept_until: Day | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Agreement":
        if (self.signed_on is None) != (self.valid_until is None):
            raise ValueError("signed_on and valid_until stand together")
        if self.signed_on is None and self.applied_on is None:
            raise ValueError("neither signed_on nor applied_on")
        if self.revoked_on and not (self.exit_on and self.exit_on <= self.revoked_on):
            raise ValueError("whoever is revoked has left: exit_on is at most revoked_on")
        return self


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
