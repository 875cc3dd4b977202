"""Papers of a register as facts of one corridor: those that its leg names, those that strike it.

Below ``standing.py``, which asks for each. A record and its facts have the same names; what differs
is said here. Nothing is judged.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypedDict, TypeVar

from xbgateway.model.facts import (
    ConsentFacts,
    MechanismFacts,
    MoTransferFacts,
    NoticeFacts,
    PipiaFacts,
    StateAssessmentFacts,
)
from xbgateway.model.papers import (
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
    SourceFacts,
    StopFacts,
    Stoppable,
)
from xbgateway.register import instruments as records
from xbgateway.register.document import Register
from xbgateway.register.entries import Dataset, Leg, Node, Party, Scenario

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Record = TypeVar("_Record", bound=records.Instrument)
_Facts = TypeVar("_Facts", bound="DataclassInstance")


# Before every day that a register can name.
_EVER = "0001-01-01"


class Instruments(TypedDict):
    """What a leg names, as facts; ``None`` for what it does not name."""

    consent: ConsentFacts | None
    notice: NoticeFacts | None
    pipia: PipiaFacts | None
    mechanism: MechanismFacts | None
    state_assessment: StateAssessmentFacts | None
    mo_transfer: MoTransferFacts | None
    contract: ContractFacts | None
    mo_processing: MoProcessingFacts | None
    risk_assessment: RiskAssessmentFacts | None
    evidence: EvidenceFacts | None


def instruments(register: Register, terms: Leg, named: Mapping[str, str]) -> Instruments:
    """The papers of one leg; ``named`` by the caller takes the place of the scenario's."""
    consent = named.get("consent", terms.consent)
    mechanism = _record(register, terms.mechanism, records.Mechanism)
    evidence = mechanism.evidence_ref if mechanism else None
    return Instruments(
        consent=_facts(
            ConsentFacts, _record(register, consent, records.Consent), kind="consent_kind"
        ),
        notice=_facts(
            NoticeFacts, _record(register, named.get("notice", terms.notice), records.Notice)
        ),
        pipia=_facts(PipiaFacts, _record(register, terms.pipia, records.Pipia)),
        mechanism=_facts(MechanismFacts, mechanism),
        state_assessment=_facts(
            StateAssessmentFacts,
            _record(register, terms.state_assessment, records.StateAssessment),
        ),
        mo_transfer=_facts(
            MoTransferFacts,
            _record(register, terms.mo_transfer, records.MoTransfer),
            kind="transfer_kind",
        ),
        contract=_facts(ContractFacts, _record(register, terms.contract, records.Contract)),
        mo_processing=_facts(
            MoProcessingFacts, _record(register, terms.mo_processing, records.MoProcessing)
        ),
        risk_assessment=_facts(
            RiskAssessmentFacts, _record(register, terms.risk_assessment, records.RiskAssessment)
        ),
        evidence=_facts(EvidenceFacts, _record(register, evidence, records.Evidence)),
    )


def dataset(register: Register, dataset_id: str) -> DatasetFacts:
    """The dataset with what was joined into it; of an unregistered one nothing is known."""
    found = register.dataset(dataset_id)
    if found is None:
        return UNDESCRIBED
    joined = [one for one in map(register.dataset, found.sources) if one is not None]
    described = {one.name for one in fields(DatasetFacts)} - {"sources"}
    return DatasetFacts(
        controllers=tuple(sorted({found.owner, *(one.owner for one in joined)})),
        sources=tuple(
            SourceFacts(one.id, one.owner, one.origin, one.personal, one.important)
            for one in joined
        ),
        **found.model_dump(include=described),
    )


def handling(terms: Leg, *nodes: Node) -> HandlingFacts:
    """How the scenario says that this leg is handled, on the nodes that it passes."""
    return HandlingFacts(
        adverse_effect=terms.adverse_effect,
        copies=terms.copies,
        channel=terms.channel,
        publication=terms.publication,
        storage=terms.storage,
        retention_ref=terms.retention_ref,
        operator_reads=any(node.operator_reads for node in nodes),
    )


def applications(
    register: Register, scenario_id: str, dataset_id: str, recipient: str
) -> tuple[ApplicationFacts, ...]:
    """Every application that was approved, of this recipient for this dataset in this scenario."""
    return tuple(
        ApplicationFacts(one.id, one.approved_on, one.valid_until, one.withdrawn_on)
        for one in register.applications(scenario_id, recipient)
        if one.approved_on is not None and dataset_id in one.datasets
    )


def incidents(
    register: Register,
    dataset_id: str,
    sender: str,
    recipient: str,
    mechanisms: Collection[str | None],
) -> tuple[IncidentFacts, ...]:
    """Every incident that strikes the dataset or a source of it, a party, or a paper relied on."""
    known = register.dataset(dataset_id)
    datasets = (dataset_id, *(known.sources if known else ()))
    rested_on = sorted(one for one in mechanisms if one is not None)
    found = (
        IncidentFacts(
            ref=one.id,
            severity=one.severity,
            opened_on=one.opened_on,
            closed_on=one.closed_on,
            dataset=not set(datasets).isdisjoint(one.datasets),
            sender=sender in one.parties,
            recipient=recipient in one.parties,
            mechanism=any(each in mechanisms for each in one.mechanisms),
        )
        for one in register.incidents((*datasets, sender, recipient, *rested_on))
    )
    return tuple(
        one for one in found if one.dataset or one.sender or one.recipient or one.mechanism
    )


def onward(terms: Leg) -> OnwardFacts | None:
    """Where the recipient passes things on to, if anywhere."""
    if terms.onward is None:
        return None
    return OnwardFacts(**terms.onward.model_dump())


def document(terms: Leg) -> DocumentFacts | None:
    """The electronic certificate that the leg carries, if any."""
    if terms.document is None:
        return None
    return DocumentFacts(**terms.document.model_dump())


def agreement(
    register: Register,
    reference: str | None,
    scenario_id: str,
    dataset_id: str,
    parties: Collection[str],
) -> AgreementFacts | None:
    """The agreement on authorised operation, and whether it lists what is asked for."""
    found = _record(register, reference, records.Agreement)
    if found is None:
        return None
    listed = [one for one in found.scenarios if one.scenario == scenario_id]
    return AgreementFacts(
        ref=found.id,
        lists_scenario=bool(listed),
        lists_dataset=any(dataset_id in one.datasets for one in listed),
        authority_kind=register.party(found.authority).kind,
        names_operator=found.operator in parties,
        **found.model_dump(include={one.name for one in fields(AgreementFacts)}),
    )


def stops(
    scenario: Scenario, dataset: Dataset | None, sender: Party, recipient: Party
) -> tuple[StopFacts, ...]:
    """When each of these is out of use: not listed yet, suspended, withdrawn."""
    parts: Mapping[Stoppable, Scenario | Dataset | Party | None] = {
        "scenario": scenario,
        "dataset": dataset,
        "sender": sender,
        "recipient": recipient,
    }
    found = [
        StopFacts(what, since, until)
        for what, one in parts.items()
        if one is not None
        for since, until in ((one.suspended_on, one.resumed_on), (one.withdrawn_on, None))
        if since is not None
    ]
    if scenario.applied_on is not None:
        found.append(StopFacts("scenario", _EVER, scenario.listed_on))
    return tuple(found)


def _record(register: Register, reference: str | None, kind: type[_Record]) -> _Record | None:
    """The paper of that kind; a draft that nobody approved is none."""
    if reference is None:
        return None
    instrument = register.instrument(reference)
    assert isinstance(instrument, kind)  # the loader checked the scenario's, standing the caller's
    return None if _is_draft(instrument) else instrument


def _is_draft(paper: records.Instrument) -> bool:
    if isinstance(paper, records.Pipia):
        return paper.approved_on is None
    return isinstance(paper, records.StateAssessment) and paper.valid_until is None


def _facts(
    target: type[_Facts], record: records.Instrument | None, /, **renamed: str
) -> _Facts | None:
    """The record's values under the names of its facts; what facts do not have is left out."""
    if record is None:
        return None
    values = {"ref": record.id, **record.model_dump(exclude={"id", "kind"})}
    values |= {name: values[old] for name, old in renamed.items()}
    names = [each.name for each in fields(target)]
    return target(**{name: values[name] for name in names if name in values})
