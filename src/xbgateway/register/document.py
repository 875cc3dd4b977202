"""Loads the register document: parties, services, datasets, scenarios, instruments.

Everything is checked before anything is believed: form, types, and every reference from one record
to another. It never asks the network or a clock, and it never judges: whether a transfer is lawful
is the policies' question. ``catalogue.py`` builds on the descriptor sets read here,
``standing.py`` turns records into facts.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import _yaml
from xbgateway.register.entries import Dataset, Document, Node, Party, Scenario, ServiceOffer
from xbgateway.register.instruments import (
    Agreement,
    Application,
    Incident,
    Instrument,
    ListedScenario,
)

BUILTIN = "builtin"

_LISTS = ("nodes", "parties", "datasets", "scenarios", "instruments")
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


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """One loaded register: immutable, compared by identity, named by ``version``."""

    version: str  # hex SHA-256 of the canonical document and its descriptor sets' digests
    document: Document
    descriptor_sets: Mapping[str, bytes]  # as named in ``services``, serialised
    _nodes: Mapping[str, Node]
    _parties: Mapping[str, Party]
    _datasets: Mapping[str, Dataset]
    _scenarios: Mapping[str, Scenario]
    _instruments: Mapping[str, Instrument]
    _parties_of: Mapping[str, tuple[Party, ...]]
    _providers_of: Mapping[str, tuple[Party, ...]]

    @property
    def environment(self) -> str:
        """``prod`` or ``test``."""
        return self.document.environment

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, in the order of the document."""
        return self.document.nodes

    def node(self, node_id: str) -> Node:
        """Raises ``Refused(PEER_UNKNOWN)``."""
        if (node := self._nodes.get(node_id)) is None:
            raise Refused(Reason.PEER_UNKNOWN, "no such node in the register", node=node_id)
        return node

    def party(self, party_id: str) -> Party:
        """Raises ``Refused(PARTY_UNKNOWN)``."""
        if (party := self._parties.get(party_id)) is None:
            raise Refused(Reason.PARTY_UNKNOWN, "no such party in the register", party=party_id)
        return party

    def parties_of(self, node_id: str) -> tuple[Party, ...]:
        """The parties that live on a node, perhaps none; raises ``Refused(PEER_UNKNOWN)``."""
        return self._parties_of[self.node(node_id).id]

    def providers_of(self, service: str) -> tuple[Party, ...]:
        """The parties that provide a service; raises ``Refused(SERVICE_UNKNOWN)``."""
        if (providers := self._providers_of.get(service)) is None:
            raise Refused(Reason.SERVICE_UNKNOWN, "nobody provides this service", service=service)
        return providers

    def dataset(self, dataset_id: str) -> Dataset | None:
        """``None`` where the dataset is not registered: law has a word for that."""
        return self._datasets.get(dataset_id)

    def scenario(self, scenario_id: str) -> Scenario:
        """Raises ``Refused(REFERENCE_UNKNOWN)``."""
        if (scenario := self._scenarios.get(scenario_id)) is None:
            raise Refused(Reason.REFERENCE_UNKNOWN, "no such scenario", scenario=scenario_id)
        return scenario

    def instrument(self, instrument_id: str) -> Instrument:
        """Raises ``Refused(REFERENCE_UNKNOWN)``."""
        if (instrument := self._instruments.get(instrument_id)) is None:
            raise Refused(Reason.REFERENCE_UNKNOWN, "no such instrument", instrument=instrument_id)
        return instrument


def load_register(text: bytes, base: Path | None) -> Register:
    """The register that ``text`` (YAML, at most 4 MiB) says; ``base`` holds its descriptor sets.

    Without ``base`` only ``builtin`` descriptor sets can be named. Raises
    ``Refused(CONFIG_INVALID)`` with the ``path`` in the document, the ``line`` and ``why``.
    """
    raw, lines = _yaml.read(text)
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        raise _misshapen(error, raw, lines) from error
    for place, why in _contradictions(document):
        raise _yaml.invalid(place, why, _yaml.line_of(lines, place))
    sets: dict[str, bytes] = {}
    for i, offer in enumerate(document.services):
        if offer.descriptor_set not in sets:
            place = ("services", i, "descriptor_set")
            try:
                sets[offer.descriptor_set] = _descriptor_set(offer.descriptor_set, base)
            except (OSError, ValueError) as error:
                why = f"cannot read the descriptor set: {error}"
                raise _yaml.invalid(place, why, _yaml.line_of(lines, place)) from error
    return register_of(document, sets)


def register_of(document: Document, sets: Mapping[str, bytes]) -> Register:
    """The register of a document that is known to be sound, with the descriptor sets it names."""
    parties = {p.id: p for p in document.parties}
    providers: dict[str, tuple[Party, ...]] = {}
    for offer in document.services:
        known = providers.get(offer.service, ())
        providers[offer.service] = (*known, parties[offer.provider])
    return Register(
        version=_version(document, sets),
        document=document,
        descriptor_sets=sets,
        _nodes={n.id: n for n in document.nodes},
        _parties=parties,
        _datasets={d.id: d for d in document.datasets},
        _scenarios={s.id: s for s in document.scenarios},
        _instruments={i.id: i for i in document.instruments},
        _parties_of={
            n.id: tuple(p for p in document.parties if p.node == n.id) for n in document.nodes
        },
        _providers_of=providers,
    )


def _version(document: Document, sets: Mapping[str, bytes]) -> str:
    """Comments, order of keys and the way of writing do not count; every value does."""
    canonical = orjson.dumps(
        {
            "document": document.model_dump(mode="json", by_alias=True),
            "descriptor_sets": {n: hashlib.sha256(b).hexdigest() for n, b in sets.items()},
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return hashlib.sha256(canonical).hexdigest()


def _descriptor_set(name: str, base: Path | None) -> bytes:
    if name == BUILTIN:
        return builtin_descriptor_set()
    if base is None:
        raise ValueError("a register without a folder can only name builtin")
    with (base / name).open("rb") as file:
        content = file.read(limits.DESCRIPTOR_SET_BYTES_MAX + 1)
    if len(content) > limits.DESCRIPTOR_SET_BYTES_MAX:
        raise ValueError(f"larger than {limits.DESCRIPTOR_SET_BYTES_MAX} bytes")
    return content


def builtin_descriptor_set() -> bytes:
    """The serialised ``FileDescriptorSet`` of the gateway's own API, from the package."""
    return resources.files("xbgateway").joinpath("api/descriptors.binpb").read_bytes()


def _misshapen(error: ValidationError, raw: Any, lines: Mapping[_yaml.Place, int]) -> Refused:
    """The first complaint, at the place where the reader of the file finds it."""
    complaints = error.errors(include_url=False, include_input=False)
    first = complaints[0]
    place = _place(first["loc"], raw)
    why = first["msg"]
    if len(complaints) > 1:
        why += f" (and {len(complaints) - 1} more)"
    return _yaml.invalid(place, why, _yaml.line_of(lines, place))


def _place(loc: tuple[int | str, ...], raw: Any) -> _yaml.Place:
    """Drops what pydantic adds to a location: the name of the variant of a union."""
    place: list[int | str] = []
    for part in loc:
        if isinstance(raw, dict) and part not in raw and raw.get("kind") == part:
            continue
        place.append(part)
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
    return tuple(place)


def _contradictions(document: Document) -> Iterator[tuple[_yaml.Place, str]]:
    """Every place where one record says something that another does not bear out."""
    yield from _duplicates(document)
    nodes = {n.id for n in document.nodes}
    parties = {p.id for p in document.parties}
    yield from _links("parties", "node", document.parties, nodes)
    yield from _links("services", "provider", document.services, parties)
    yield from _links("datasets", "owner", document.datasets, parties)
    known = {d.id for d in document.datasets}
    for i, dataset in enumerate(document.datasets):
        for place, why in _unknown("sources", dataset.sources, known, "dataset"):
            yield ("datasets", i, *place), why
    for i, scenario in enumerate(document.scenarios):
        for place, why in _scenario(scenario, document, parties):
            yield ("scenarios", i, *place), why
    for i, instrument in enumerate(document.instruments):
        for place, why in _instrument(instrument, document, parties):
            yield ("instruments", i, *place), why


def _links(
    name: str, key: str, records: Iterable[object], known: set[str]
) -> Iterator[tuple[_yaml.Place, str]]:
    for i, record in enumerate(records):
        if (target := getattr(record, key)) not in known:
            what = "node" if key == "node" else "party"
            yield (name, i, key), f"unknown {what} {target}"


def _duplicates(document: Document) -> Iterator[tuple[_yaml.Place, str]]:
    for name in _LISTS:
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
    keys: set[str] = set()
    for i, node in enumerate(document.nodes):
        for name in ("log_key", "cosign_key"):
            if (key := getattr(node, name)) in keys:
                yield ("nodes", i, name), "a key that another place already uses"
            keys.add(key)


def _scenario(
    scenario: Scenario, document: Document, parties: set[str]
) -> Iterator[tuple[_yaml.Place, str]]:
    services = {o.service for o in document.services}
    datasets = {d.id for d in document.datasets}
    yield from _unknown("datasets", scenario.datasets, datasets, "dataset")
    yield from _unknown("services", scenario.services, services, "service")
    yield from _unknown("callers", scenario.callers, parties, "party")
    yield from _unknown("providers", scenario.providers, parties, "party")
    kinds = {i.id: i.kind for i in document.instruments}
    for leg_name in ("request", "answer"):
        leg = getattr(scenario, leg_name)
        for kind in _LEG_INSTRUMENTS:
            reference: str | None = getattr(leg, kind)
            if reference is None or kinds.get(reference) == kind:
                continue
            found = kinds.get(reference)
            why = f"{reference} is a {found}, not a {kind}" if found else f"unknown {reference}"
            yield (leg_name, kind), why


def _instrument(
    instrument: Instrument, document: Document, parties: set[str]
) -> Iterator[tuple[_yaml.Place, str]]:
    kinds = {i.id: i.kind for i in document.instruments}
    for name in ("parties", "recipients"):
        yield from _unknown(name, getattr(instrument, name, ()), parties, "party")
    for name, kind in (("pipia_ref", "pipia"), ("evidence_ref", "evidence")):
        reference: str | None = getattr(instrument, name, None)
        if reference is not None and kinds.get(reference) != kind:
            yield (name,), f"{reference} is no {kind} in this register"
    rested_on = {i for i, kind in kinds.items() if kind in {"mechanism", "state_assessment"}}
    yield from _unknown("mechanisms", getattr(instrument, "mechanisms", ()), rested_on, "mechanism")
    if isinstance(instrument, Agreement):
        named = [(name, getattr(instrument, name)) for name in ("authority", "operator")]
        yield from (((name,), f"unknown party {p}") for name, p in named if p not in parties)
        for i, listed in enumerate(instrument.scenarios):
            for place, why in _listed(listed, document):
                yield ("scenarios", i, *place), why
    if isinstance(instrument, Application | Incident):
        yield from _listed(instrument, document)


def _listed(
    record: Application | Incident | ListedScenario, document: Document
) -> Iterator[tuple[_yaml.Place, str]]:
    """Scenario and datasets that a paper names are there."""
    yield from _unknown("datasets", record.datasets, {d.id for d in document.datasets}, "dataset")
    scenario: str | None = getattr(record, "scenario", None)
    if scenario is not None and scenario not in {s.id for s in document.scenarios}:
        yield ("scenario",), f"unknown scenario {scenario}"


def _unknown(
    key: str, named: Iterable[str], known: set[str], what: str
) -> Iterator[tuple[_yaml.Place, str]]:
    for i, name in enumerate(named):
        if name not in known:
            yield (key, i), f"unknown {what} {name}"
