"""What one register document may say, as written: the shape of every record, nothing across them.

Field names follow ``model/facts.py``. Unknown keys are refused, types are strict, dates are ISO
text. Papers are in ``instruments.py``; references between records are checked in ``document.py``.
"""

from typing import Annotated, Literal

from pydantic import Field

from xbgateway.model.delivery import Priority
from xbgateway.model.facts import Direction, Jurisdiction
from xbgateway.model.papers import Origin
from xbgateway.register.delivering import PUSH, DeliveryTerms
from xbgateway.register.instruments import Instrument
from xbgateway.register.values import (
    Age,
    Count,
    Day,
    Days,
    FullName,
    FullNames,
    Id,
    Ids,
    Instant,
    PublicKey,
    PublicKeys,
    Purposes,
    Record,
    Text,
    Words,
)

CnBasis = Literal[
    "consent",
    "contract",
    "hr",
    "statutory_duty",
    "emergency",
    "news",
    "public_info",
    "other_law",
]
MoBasis = Literal[
    "consent", "contract", "legal_obligation", "vital", "public_interest", "legitimate"
]

MethodName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$", max_length=255)]


class Texts(Record):
    """One text in the four languages of the gateway."""

    zh_hans: Text = Field(alias="zh-Hans")
    zh_hant: Text = Field(alias="zh-Hant")
    pt: Text
    en: Text


class Node(Record):
    """One gateway node and the public halves of its log keys."""

    id: Id
    trust_domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,254}$")]
    jurisdiction: Jurisdiction
    address: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")]
    log_key: PublicKey
    cosign_key: PublicKey
    # For offline verification; a running node learns of a roll from the log itself.
    former_log_keys: PublicKeys = ()
    former_cosign_keys: PublicKeys = ()
    compromised_keys: PublicKeys = ()  # of the former ones
    operator_reads: bool = False


class Party(Record):
    """One institution: the names of facts are those of ``PartyFacts``."""

    id: Id
    node: Id
    name: Texts
    jurisdiction: Jurisdiction
    region: Id
    kind: Id
    role: Literal["holder", "processor", "product_operator", "technical_operator"]
    registered_in_gba: bool
    state_organ: bool
    ciio: bool
    restricted_list: bool
    powers: Purposes = ()
    auditor: bool = False
    officer_roles: Ids = ()  # offices that its tokens may claim (table roles)
    central_organ: bool = False
    persons_held: Count | None = None
    security_officer: bool = False
    annual_report_on: Day | None = None
    designated_on: Day | None = None
    child_rules_ref: Text | None = None
    controls: Words = ()
    subprocessors: Ids = ()
    free_trade_zone: Id | None = None
    on_platform: bool = False
    suspended_on: Day | None = None
    resumed_on: Day | None = None
    withdrawn_on: Day | None = None


class ServiceOffer(Record):
    """One party provides one gRPC service, described by a file of descriptors or ``builtin``."""

    service: FullName
    provider: Id
    descriptor_set: Text
    delivery: DeliveryTerms = PUSH
    methods: dict[MethodName, DeliveryTerms] = Field(default_factory=dict)  # in place of it


class Dataset(Record):
    """One dataset of the resource register."""

    id: Id
    owner: Id
    title: Texts
    personal: bool = True
    important: bool = False
    level: Literal["L1", "L2", "L3", "L4"] | None = None
    origin: Origin | None = None
    stored_in: Literal["CN", "MO", "other"] | None = None
    offshore: bool = False
    raw: bool = False
    openness: Literal["open", "conditional", "prohibited"] | None = None
    provincial: bool = False
    inference_risk: bool = False
    important_notice_ref: Text | None = None
    collected_for: Purposes | None = None
    min_age: Age | None = None
    updated_on: Day | None = None
    sources: Ids = ()
    suspension: Literal["objection", "incident", "quality"] | None = None
    suspended_on: Day | None = None
    resumed_on: Day | None = None
    withdrawn_on: Day | None = None


class Basis(Record):
    """Legal ground on each side (PIPL Art 13; Law 8/2005 Art 6)."""

    cn: CnBasis | None = None
    cn_ref: Text | None = None
    mo: MoBasis | None = None
    mo_ref: Text | None = None
    explicit_law_ref: Text | None = None
    necessity: Text | None = None
    emergency_since: Instant | None = None
    competent_approval_ref: Text | None = None


class Onward(Record):
    """Where the recipient passes things on to, and which conditions it meets."""

    regions: Ids
    third_party: bool
    conditions: Words = ()


class Certificate(Record):
    """The electronic certificate that a leg carries (Law 5/2005; Law 2/2020)."""

    certifier: Id | None = None
    timestamped: bool = False


class Leg(Record):
    """What the scenario says about one leg; instruments by id."""

    direction: Direction | None = None
    retention_days: Days | None = None
    log_retention_days: Days | None = None
    basis: Basis
    mechanism: Id | None = None
    notice: Id | None = None
    pipia: Id | None = None
    state_assessment: Id | None = None
    mo_transfer: Id | None = None
    consent: Id | None = None
    contract: Id | None = None
    mo_processing: Id | None = None
    risk_assessment: Id | None = None
    agreement: Id | None = None
    onward: Onward | None = None
    document: Certificate | None = None
    adverse_effect: Literal["none", "reviewed", "automatic"] = "none"
    copies: Literal["case", "full"] = "case"
    channel: Literal["platform", "other"] = "platform"
    publication: bool = False
    storage: Id | None = None
    retention_ref: Text | None = None


class Scenario(Record):
    """Who may call what, for which purposes, on which grounds, and whose turn comes first."""

    id: Id
    title: Texts
    purposes: Purposes
    datasets: Ids
    services: FullNames
    callers: Ids
    providers: Ids
    request: Leg
    answer: Leg
    priority: Priority = "normal"  # of its exchanges where they wait for the provider
    applied_on: Day | None = None  # None: listed when the document was written
    reviewed_on: Day | None = None
    listed_on: Day | None = None
    suspended_on: Day | None = None
    resumed_on: Day | None = None
    withdrawn_on: Day | None = None


class Document(Record):
    """The whole register document, version 1."""

    version: Literal[1]
    environment: Literal["prod", "test"]
    nodes: Annotated[tuple[Node, ...], Field(strict=False, min_length=1)]
    parties: Annotated[tuple[Party, ...], Field(strict=False)] = ()
    services: Annotated[tuple[ServiceOffer, ...], Field(strict=False)] = ()
    datasets: Annotated[tuple[Dataset, ...], Field(strict=False)] = ()
    scenarios: Annotated[tuple[Scenario, ...], Field(strict=False)] = ()
    instruments: Annotated[
        tuple[Annotated[Instrument, Field(discriminator="kind")], ...], Field(strict=False)
    ] = ()
