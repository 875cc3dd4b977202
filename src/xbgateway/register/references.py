"""What one record of a register says of others: each thing it names is there, and of its kind.

The same checks whether a whole document is loaded or one record of it changes. Pure; nothing is
judged but whether a reference leads somewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xbgateway.register.entries import Dataset, Document, Party, Scenario, ServiceOffer
from xbgateway.register.instruments import Agreement, Application, Incident, ListedScenario

Place = tuple[str | int, ...]
Wrong = Iterator[tuple[Place, str]]

LISTS = ("nodes", "parties", "datasets", "scenarios", "instruments")
_LEG_INSTRUMENTS = (
    "mechanism",
    "notice",
    "pipia",
    "state_assessment",
    "mo_transfer",
    "consent",
    "contract",
    "mo_processing",
    "risk_assessment",
    "agreement",
)


@dataclass(frozen=True, slots=True)
class Known:
    """The names that records may use; made once for a whole document."""

    nodes: frozenset[str]
    parties: frozenset[str]
    datasets: frozenset[str]
    services: frozenset[str]
    scenarios: frozenset[str]
    kinds: Mapping[str, str]  # of each instrument
    rested_on: frozenset[str]  # instruments that an incident can strike

    @classmethod
    def of(cls, document: Document) -> "Known":
        """Everything that a document has."""
        kinds: dict[str, str] = {i.id: i.kind for i in document.instruments}
        return cls(
            nodes=frozenset(n.id for n in document.nodes),
            parties=frozenset(p.id for p in document.parties),
            datasets=frozenset(d.id for d in document.datasets),
            services=frozenset(o.service for o in document.services),
            scenarios=frozenset(s.id for s in document.scenarios),
            kinds=kinds,
            rested_on=frozenset(
                i for i, kind in kinds.items() if kind in {"mechanism", "state_assessment"}
            ),
        )


def contradictions(document: Document) -> Wrong:
    """Every place where one record says something that another does not bear out."""
    yield from _duplicates(document)
    known = Known.of(document)
    for name in ("parties", "services", "datasets", "scenarios", "instruments"):
        for i, record in enumerate(getattr(document, name)):
            for place, why in of_record(record, known):
                yield (name, i, *place), why


def of_record(record: Any, known: Known) -> Wrong:
    """What one record names that is not there, by its place within the record."""
    match record:
        case Party():
            yield from _link("node", record.node, known.nodes, "node")
        case ServiceOffer():
            yield from _link("provider", record.provider, known.parties, "party")
        case Dataset():
            yield from _link("owner", record.owner, known.parties, "party")
            yield from _unknown("sources", record.sources, known.datasets, "dataset")
        case Scenario():
            yield from _scenario(record, known)
        case _:
            yield from _instrument(record, known)


def _duplicates(document: Document) -> Wrong:
    for name in LISTS:
        seen: set[str] = set()
        for i, record in enumerate(getattr(document, name)):
            if record.id in seen:
                yield (name, i, "id"), f"{record.id} is registered twice"
            seen.add(record.id)
    offers: set[tuple[str, str]] = set()
    sets: dict[str, ServiceOffer] = {}
    for i, offer in enumerate(document.services):
        if (offer.service, offer.provider) in offers:
            yield ("services", i), f"{offer.provider} provides {offer.service} twice"
        offers.add((offer.service, offer.provider))
        if sets.setdefault(offer.service, offer).descriptor_set != offer.descriptor_set:
            yield ("services", i, "descriptor_set"), "one service, two descriptor sets"
    yield from _node_keys(document)


def _node_keys(document: Document) -> Wrong:
    """A key has one node and one use, also after it was replaced."""
    keys: set[str] = set()
    for i, node in enumerate(document.nodes):
        for name, used in (
            ("log_key", (node.log_key,)),
            ("cosign_key", (node.cosign_key,)),
            ("former_log_keys", node.former_log_keys),
            ("former_cosign_keys", node.former_cosign_keys),
        ):
            for key in used:
                if key in keys:
                    yield ("nodes", i, name), "a key that another place already uses"
                keys.add(key)
        former = {*node.former_log_keys, *node.former_cosign_keys}
        if not former.issuperset(node.compromised_keys):
            yield ("nodes", i, "compromised_keys"), "a key that is not among the former ones"


def _scenario(scenario: Scenario, known: Known) -> Wrong:
    yield from _unknown("datasets", scenario.datasets, known.datasets, "dataset")
    yield from _unknown("services", scenario.services, known.services, "service")
    yield from _unknown("callers", scenario.callers, known.parties, "party")
    yield from _unknown("providers", scenario.providers, known.parties, "party")
    for leg_name in ("request", "answer"):
        leg = getattr(scenario, leg_name)
        for kind in _LEG_INSTRUMENTS:
            reference: str | None = getattr(leg, kind)
            if reference is None or known.kinds.get(reference) == kind:
                continue
            found = known.kinds.get(reference)
            why = f"{reference} is a {found}, not a {kind}" if found else f"unknown {reference}"
            yield (leg_name, kind), why


def _instrument(instrument: Any, known: Known) -> Wrong:
    for name in ("parties", "recipients"):
        yield from _unknown(name, getattr(instrument, name, ()), known.parties, "party")
    for name, kind in (("pipia_ref", "pipia"), ("evidence_ref", "evidence")):
        reference: str | None = getattr(instrument, name, None)
        if reference is not None and known.kinds.get(reference) != kind:
            yield (name,), f"{reference} is no {kind} in this register"
    mechanisms = getattr(instrument, "mechanisms", ())
    yield from _unknown("mechanisms", mechanisms, known.rested_on, "mechanism")
    if isinstance(instrument, Agreement):
        for name in ("authority", "operator"):
            yield from _link(name, getattr(instrument, name), known.parties, "party")
        for i, listed in enumerate(instrument.scenarios):
            for place, why in _listed(listed, known):
                yield ("scenarios", i, *place), why
    if isinstance(instrument, Application | Incident):
        yield from _listed(instrument, known)


def _listed(record: Application | Incident | ListedScenario, known: Known) -> Wrong:
    """Scenario and datasets that a paper names are there."""
    yield from _unknown("datasets", record.datasets, known.datasets, "dataset")
    scenario: str | None = getattr(record, "scenario", None)
    if scenario is not None:
        yield from _link("scenario", scenario, known.scenarios, "scenario")


def _link(key: str, target: str, known: frozenset[str], what: str) -> Wrong:
    if target not in known:
        yield (key,), f"unknown {what} {target}"


def _unknown(key: str, named: Iterable[str], known: frozenset[str], what: str) -> Wrong:
    for i, name in enumerate(named):
        if name not in known:
            yield (key, i), f"unknown {what} {name}"
