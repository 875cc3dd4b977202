"""What one register document may say, as written: the shape of every record, nothing across them.

Field names follow ``model/facts.py``. Unknown keys are refused, types are strict, dates are ISO
text. References between records are checked in ``document.py``.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from xbgateway.model.facts import Direction, Jurisdiction


def _day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError("write the day as YYYY-MM-DD")
    return text


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("the same value twice")
    return values


# An id travels in metadata and log entries: plain, short, no comma and no blank.
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
FullName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=255)]
Purpose = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
PublicKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="hex, 32 bytes")]
Days = Annotated[int, Field(ge=0, le=36_525)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Ids = Annotated[tuple[Id, ...], Field(strict=False), AfterValidator(_distinct)]
FullNames = Annotated[tuple[FullName, ...], Field(strict=False), AfterValidator(_distinct)]
Purposes = Annotated[tuple[Purpose, ...], Field(strict=False), AfterValidator(_distinct)]
Words = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_distinct)]

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


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Texts(_Record):
    """One text in the four languages of the gateway."""

    zh_hans: Text = Field(alias="zh-Hans")
    zh_hant: Text = Field(alias="zh-Hant")
    pt: Text
    en: Text


class Node(_Record):
    """One gateway node and the public halves of its log keys."""

    id: Id
    trust_domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,254}$")]
    jurisdiction: Jurisdiction
    address: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")]
    log_key: PublicKey
    cosign_key: PublicKey


class Party(_Record):
    """One institution: the names of facts are those of ``PartyFacts``."""

    id: Id
    node: Id
    name: Texts
    jurisdiction: Jurisdiction
    region: Id
    kind: Id
    role: Literal["holder", "processor", "product_operator"]
    registered_in_gba: bool
    state_organ: bool
    ciio: bool
    restricted_list: bool
    powers: Purposes = ()
    auditor: bool = False


class ServiceOffer(_Record):
    """One party provides one gRPC service, described by a file of descriptors or ``builtin``."""

    service: FullName
    provider: Id
    descriptor_set: Text


class Dataset(_Record):
    """One dataset of the resource register."""

    id: Id
    owner: Id
    title: Texts


class Basis(_Record):
    """Legal ground on each side (PIPL Art 13; Law 8/2005 Art 6)."""

    cn: CnBasis | None = None
    cn_ref: Text | None = None
    mo: MoBasis | None = None
    mo_ref: Text | None = None
    explicit_law_ref: Text | None = None


class Leg(_Record):
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


class Scenario(_Record):
    """Who may call what, for which purposes, on which grounds."""

    id: Id
    title: Texts
    purposes: Purposes
    datasets: Ids
    services: FullNames
    callers: Ids
    providers: Ids
    request: Leg
    answer: Leg


class Mechanism(_Record):
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


class Notice(_Record):
    """What the person was told, or the provision that spares telling."""

    kind: Literal["notice"]
    id: Id
    items: Words
    exempt_cn_ref: Text | None = None
    exempt_mo_ref: Text | None = None


class Pipia(_Record):
    """A protection impact assessment (PIPL Arts 55-56)."""

    kind: Literal["pipia"]
    id: Id
    approved_on: Day
    keep_until: Day
    purposes: Purposes
    recipients: Ids


class StateAssessment(_Record):
    """The state organ's assessment of PIPL Art 36."""

    kind: Literal["state_assessment"]
    id: Id
    valid_until: Day
    purposes: Purposes
    recipients: Ids


class MoTransfer(_Record):
    """The Macao ground of transfer (Law 8/2005 Arts 19-20)."""

    kind: Literal["mo_transfer"]
    id: Id
    transfer_kind: Literal["adequacy", "art20_1", "art20_2_auth", "none"]
    ground: Id | None = None
    notif_no: Text | None = None
    notif_on: Day | None = None
    auth_no: Text | None = None


class Consent(_Record):
    """A consent as registered (PIPL Arts 14-15, 23, 29, 31; Law 8/2005 Art 6)."""

    kind: Literal["consent"]
    id: Id
    consent_kind: Literal["general", "separate", "written", "guardian"]
    purposes: Purposes
    recipients: Ids
    given_on: Day
    withdrawn_on: Day | None = None
    expires_on: Day | None = None


Instrument = Mechanism | Notice | Pipia | StateAssessment | MoTransfer | Consent


class Document(_Record):
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
