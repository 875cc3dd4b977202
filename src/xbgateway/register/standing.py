"""What the registers say about one corridor: one leg, two parties, one method, one scenario.

Records become facts here and nowhere else. Nothing is judged: a scenario that does not list the
caller is a fact (``scenario_authorised`` is false) and the law's to refuse. Equal questions get the
*same* object back, since the policy's projection keeps what it derived by identity.
"""

import threading
from dataclasses import fields

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import BasisFacts, Leg, PartyFacts, Standing
from xbgateway.register import entries, papers
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.document import Register

_kept: dict[tuple[object, ...], Standing] = {}
_lock = threading.Lock()


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
    sending, receiving = register.party(sender), register.party(recipient)
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
        sender=party_facts(sending),
        recipient=party_facts(receiving),
        fields=shape.fields,
        basis=BasisFacts(**terms.basis.model_dump()),
        retention_days=terms.retention_days,
        log_retention_days=terms.log_retention_days,
        dataset=papers.dataset(register, entry.dataset),
        handling=papers.handling(terms, register.node(sending.node), register.node(receiving.node)),
        applications=papers.applications(register, scenario_id, entry.dataset, recipient),
        incidents=papers.incidents(
            register, entry.dataset, sender, recipient, {terms.mechanism, terms.state_assessment}
        ),
        onward=papers.onward(terms),
        document=papers.document(terms),
        agreement=papers.agreement(
            register, terms.agreement, scenario_id, entry.dataset, {sender, recipient}
        ),
        stops=papers.stops(scenario, register.dataset(entry.dataset), sending, receiving),
        **papers.instruments(register, terms, _named(register, references)),
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


def party_facts(party: entries.Party) -> PartyFacts:
    """A party as law sees it."""
    known = {one.name for one in fields(PartyFacts)}
    return PartyFacts(org=party.id, **party.model_dump(include=known))
