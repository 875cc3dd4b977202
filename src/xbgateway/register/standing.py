"""What the registers say about one corridor: one leg, two parties, one method, one scenario.

Records become facts here and nowhere else. Nothing is judged: a scenario that does not list the
caller is a fact (``scenario_authorised`` is false) and the law's to refuse. Equal questions get the
*same* object back, since the policy's projection keeps what it derived by identity.
"""

import threading
from typing import TypeVar

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import (
    BasisFacts,
    ConsentFacts,
    Leg,
    MechanismFacts,
    MoTransferFacts,
    NoticeFacts,
    PartyFacts,
    PipiaFacts,
    Standing,
    StateAssessmentFacts,
)
from xbgateway.register import entries
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.document import Register

_kept: dict[tuple[object, ...], Standing] = {}
_lock = threading.Lock()

_Kind = TypeVar("_Kind", bound=entries.Instrument)


def standing(
    register: Register,
    catalogue: Catalogue,
    *,
    leg: Leg,
    sender: str,
    recipient: str,
    service: str,
    method: str,
    purpose: str,
    scenario_id: str,
    references: tuple[str, ...] = (),
) -> Standing:
    """Facts about a corridor; for the answer leg the provider is the sender.

    ``references`` are ids of a consent and a notice that take the place of the scenario's. Raises
    ``Refused``: ``REFERENCE_UNKNOWN`` (scenario or instrument), ``REFERENCE_MALFORMED`` (an
    instrument that callers cannot name, or two of one kind), ``PARTY_UNKNOWN``,
    ``SERVICE_UNKNOWN``, ``METHOD_UNKNOWN``, ``METHOD_NOT_UNARY``.
    """
    key = (
        *(register.version, catalogue.digest, leg, sender, recipient),
        *(service, method, purpose, scenario_id, references),
    )
    if (known := _kept.get(key)) is not None:
        return known
    fresh = _built(
        register,
        catalogue,
        leg=leg,
        sender=sender,
        recipient=recipient,
        service=service,
        method=method,
        purpose=purpose,
        scenario_id=scenario_id,
        references=references,
    )
    with _lock:
        if key not in _kept and len(_kept) >= limits.STANDINGS_CACHED_MAX:
            del _kept[next(iter(_kept))]  # the oldest
        return _kept.setdefault(key, fresh)


def _built(
    register: Register,
    catalogue: Catalogue,
    *,
    leg: Leg,
    sender: str,
    recipient: str,
    service: str,
    method: str,
    purpose: str,
    scenario_id: str,
    references: tuple[str, ...],
) -> Standing:
    entry = catalogue.method(service, method)
    scenario = register.scenario(scenario_id)
    terms = scenario.request if leg == "request" else scenario.answer
    caller, provider = (sender, recipient) if leg == "request" else (recipient, sender)
    shape = entry.request if leg == "request" else entry.answer
    named = _named(register, references)
    consent = named.get("consent", terms.consent)
    notice = named.get("notice", terms.notice)
    sending, receiving = party_facts(register.party(sender)), party_facts(register.party(recipient))
    return Standing(
        register_version=register.version,
        leg=leg,
        direction=terms.direction,
        service=service,
        method=method,
        mode=entry.request_mode if leg == "request" else entry.answer_mode,
        purpose=purpose,
        scenario_id=scenario_id,
        scenario_authorised=(
            service in scenario.services
            and entry.dataset in scenario.datasets
            and purpose in scenario.purposes
            and caller in scenario.callers
            and provider in scenario.providers
            and any(p.id == provider for p in register.providers_of(service))
        ),
        dataset_id=entry.dataset,
        dataset_registered=register.dataset(entry.dataset) is not None,
        environment=register.document.environment,
        sender=sending,
        recipient=receiving,
        fields=shape.fields,
        basis=BasisFacts(
            cn=terms.basis.cn,
            cn_ref=terms.basis.cn_ref,
            mo=terms.basis.mo,
            mo_ref=terms.basis.mo_ref,
            explicit_law_ref=terms.basis.explicit_law_ref,
        ),
        consent=_consent(_of_kind(register, consent, entries.Consent)),
        notice=_notice(_of_kind(register, notice, entries.Notice)),
        pipia=_pipia(_of_kind(register, terms.pipia, entries.Pipia)),
        mechanism=_mechanism(_of_kind(register, terms.mechanism, entries.Mechanism)),
        state_assessment=_state_assessment(
            _of_kind(register, terms.state_assessment, entries.StateAssessment)
        ),
        mo_transfer=_mo_transfer(_of_kind(register, terms.mo_transfer, entries.MoTransfer)),
        retention_days=terms.retention_days,
        log_retention_days=terms.log_retention_days,
    )


def _named(register: Register, references: tuple[str, ...]) -> dict[str, str]:
    """The caller's references by kind: at most one consent and one notice."""
    named: dict[str, str] = {}
    for reference in references:
        kind = register.instrument(reference).kind
        if kind not in ("consent", "notice") or kind in named:
            raise Refused(
                Reason.REFERENCE_MALFORMED,
                "a caller names at most one consent and one notice",
                instrument=reference,
                kind=kind,
            )
        named[kind] = reference
    return named


def _of_kind(register: Register, reference: str | None, kind: type[_Kind]) -> _Kind | None:
    if reference is None:
        return None
    instrument = register.instrument(reference)
    assert isinstance(instrument, kind)  # the loader checked the scenario's, _named the caller's
    return instrument


def party_facts(party: entries.Party) -> PartyFacts:
    """A party as law sees it."""
    return PartyFacts(
        org=party.id,
        jurisdiction=party.jurisdiction,
        region=party.region,
        kind=party.kind,
        role=party.role,
        registered_in_gba=party.registered_in_gba,
        state_organ=party.state_organ,
        ciio=party.ciio,
        restricted_list=party.restricted_list,
        powers=party.powers,
    )


def _consent(entry: entries.Consent | None) -> ConsentFacts | None:
    if entry is None:
        return None
    return ConsentFacts(
        ref=entry.id,
        kind=entry.consent_kind,
        purposes=entry.purposes,
        recipients=entry.recipients,
        given_on=entry.given_on,
        withdrawn_on=entry.withdrawn_on,
        expires_on=entry.expires_on,
    )


def _notice(entry: entries.Notice | None) -> NoticeFacts | None:
    if entry is None:
        return None
    return NoticeFacts(
        ref=entry.id,
        items=entry.items,
        exempt_cn_ref=entry.exempt_cn_ref,
        exempt_mo_ref=entry.exempt_mo_ref,
    )


def _pipia(entry: entries.Pipia | None) -> PipiaFacts | None:
    if entry is None:
        return None
    return PipiaFacts(
        ref=entry.id,
        approved_on=entry.approved_on,
        keep_until=entry.keep_until,
        purposes=entry.purposes,
        recipients=entry.recipients,
    )


def _mechanism(entry: entries.Mechanism | None) -> MechanismFacts | None:
    if entry is None:
        return None
    return MechanismFacts(
        type=entry.type,
        ref=entry.id,
        signed=entry.signed,
        effective_on=entry.effective_on,
        filed_on=entry.filed_on,
        filing_no=entry.filing_no,
        expires_on=entry.expires_on,
        purposes=entry.purposes,
        parties=entry.parties,
        pipia_ref=entry.pipia_ref,
        exempt_art=entry.exempt_art,
    )


def _state_assessment(entry: entries.StateAssessment | None) -> StateAssessmentFacts | None:
    if entry is None:
        return None
    return StateAssessmentFacts(
        ref=entry.id,
        valid_until=entry.valid_until,
        purposes=entry.purposes,
        recipients=entry.recipients,
    )


def _mo_transfer(entry: entries.MoTransfer | None) -> MoTransferFacts | None:
    if entry is None:
        return None
    return MoTransferFacts(
        kind=entry.transfer_kind,
        ground=entry.ground,
        notif_no=entry.notif_no,
        notif_on=entry.notif_on,
        auth_no=entry.auth_no,
    )
