"""Loads the register document: parties, services, datasets, scenarios, instruments.

Everything is checked before anything is believed: form, types, and every reference from one record
to another. It never asks the network or a clock, and it never judges: whether a transfer is lawful
is the policies' question. ``catalogue.py`` builds on the descriptor sets read here,
``standing.py`` turns records into facts.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from xbgateway.model import limits
from xbgateway.model.delivery import Priority
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import _yaml
from xbgateway.register.entries import Dataset, Document, Node, Party, Scenario
from xbgateway.register.instruments import Application, Incident, Instrument
from xbgateway.register.references import contradictions
from xbgateway.register.values import Record

BUILTIN = "builtin"
# What has a list of its own in a document; papers share one and say their kind themselves.
_KINDS: Mapping[type[Record], str] = {Party: "party", Dataset: "dataset", Scenario: "scenario"}
_LISTS_OF = {"party": "parties", "dataset": "datasets", "scenario": "scenarios"}
Key = tuple[str, str]  # kind and id of a record


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """One loaded register: immutable, compared by identity, named by ``version``."""

    version: str  # hex SHA-256 over what is fixed and the etag of every record
    document: Document
    descriptor_sets: Mapping[str, bytes]  # as named in ``services``, serialised
    etags: Mapping[Key, str]  # hex SHA-256 of each record's canonical bytes
    makers: Mapping[Key, str]  # the node of each paper that was made while nodes ran
    fixed: bytes  # digest of what no officer's change touches: nodes, services, descriptors
    _nodes: Mapping[str, Node]
    _parties: Mapping[str, Party]
    _datasets: Mapping[str, Dataset]
    _scenarios: Mapping[str, Scenario]
    _instruments: Mapping[str, Instrument]
    _parties_of: Mapping[str, tuple[Party, ...]]
    _providers_of: Mapping[str, tuple[Party, ...]]
    _applications: Mapping[Key, tuple[Application, ...]]  # by scenario and recipient
    _incidents: Mapping[str, tuple[Incident, ...]]  # by the id of whatever they strike

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

    def priority(self, scenario_id: str) -> Priority:
        """Of a scenario's exchanges; of one that is not registered any more, the usual one."""
        scenario = self._scenarios.get(scenario_id)
        return scenario.priority if scenario else "normal"

    def instrument(self, instrument_id: str) -> Instrument:
        """Raises ``Refused(REFERENCE_UNKNOWN)``."""
        if (instrument := self._instruments.get(instrument_id)) is None:
            raise Refused(Reason.REFERENCE_UNKNOWN, "no such instrument", instrument=instrument_id)
        return instrument

    def applications(self, scenario_id: str, recipient: str) -> tuple[Application, ...]:
        """The applications for a scenario that name a recipient, by id (nodes agree on that)."""
        return self._applications.get((scenario_id, recipient), ())

    def incidents(self, struck: Iterable[str]) -> tuple[Incident, ...]:
        """The incidents that name any of these datasets, parties or papers, each once, by id."""
        found = {one.id: one for name in struck for one in self._incidents.get(name, ())}
        return tuple(found[name] for name in sorted(found))

    def records(self, kind: str) -> tuple[Record, ...]:
        """Every record of a kind, in the order of the document; none of a kind that is not."""
        name = _LISTS_OF.get(kind)
        if name is not None:
            records: tuple[Record, ...] = getattr(self.document, name)
            return records
        return tuple(one for one in self.document.instruments if one.kind == kind)

    def record(self, kind: str, record_id: str) -> Record | None:
        """One record, or ``None``."""
        match kind:
            case "party":
                return self._parties.get(record_id)
            case "dataset":
                return self._datasets.get(record_id)
            case "scenario":
                return self._scenarios.get(record_id)
        found = self._instruments.get(record_id)
        return found if found is not None and found.kind == kind else None


def kind_of(record: Record) -> str:
    """``party``, ``dataset``, ``scenario``, or the kind that a paper says."""
    known = _KINDS.get(type(record))
    return known or str(getattr(record, "kind"))  # noqa: B009 - of papers only


def key_of(record: Record) -> Key:
    """Kind and id of a record."""
    return kind_of(record), str(getattr(record, "id"))  # noqa: B009 - every record here has one


def body_of(record: Record) -> dict[str, Any]:
    """A record as the object that documents and changes write.

    What has its default is left out: a record says the same in every release that knows its fields.
    """
    return record.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def etag_of(record: Record) -> str:
    """What a record says, as hex SHA-256; the order of keys and the way of writing do not count."""
    canonical = orjson.dumps(body_of(record), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


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
    for place, why in contradictions(document):
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
    records = (
        *document.parties, *document.datasets, *document.scenarios, *document.instruments,
    )  # fmt: skip
    etags = {key_of(record): etag_of(record) for record in records}
    return indexed(document, sets, etags, {}, _fixed(document, sets))


def indexed(
    document: Document,
    sets: Mapping[str, bytes],
    etags: Mapping[Key, str],
    makers: Mapping[Key, str],
    fixed: bytes,
) -> Register:
    """A register of checked records, with everything found by its name."""
    parties = {p.id: p for p in document.parties}
    providers: dict[str, tuple[Party, ...]] = {}
    for offer in document.services:
        known = providers.get(offer.service, ())
        providers[offer.service] = (*known, parties[offer.provider])
    lived: dict[str, list[Party]] = {n.id: [] for n in document.nodes}
    for party in document.parties:
        lived[party.node].append(party)
    applications: dict[Key, tuple[Application, ...]] = {}
    incidents: dict[str, tuple[Incident, ...]] = {}
    for paper in sorted(document.instruments, key=lambda one: one.id):
        if isinstance(paper, Application):
            for recipient in paper.recipients:
                asked = (paper.scenario, recipient)
                applications[asked] = (*applications.get(asked, ()), paper)
        elif isinstance(paper, Incident):
            for struck in dict.fromkeys((*paper.datasets, *paper.parties, *paper.mechanisms)):
                incidents[struck] = (*incidents.get(struck, ()), paper)
    return Register(
        version=_version(etags, fixed),
        document=document,
        descriptor_sets=sets,
        etags=etags,
        makers=makers,
        fixed=fixed,
        _nodes={n.id: n for n in document.nodes},
        _parties=parties,
        _datasets={d.id: d for d in document.datasets},
        _scenarios={s.id: s for s in document.scenarios},
        _instruments={i.id: i for i in document.instruments},
        _parties_of={node: tuple(found) for node, found in lived.items()},
        _providers_of=providers,
        _applications=applications,
        _incidents=incidents,
    )


def _version(etags: Mapping[Key, str], fixed: bytes) -> str:
    """Every value counts; comments, the way of writing and the order of records do not.

    Each record comes in by its etag, so that a change costs one digest and not one of everything.
    """
    lines = sorted(f"{kind} {record_id} {etag}\n" for (kind, record_id), etag in etags.items())
    return hashlib.sha256(fixed + "".join(lines).encode()).hexdigest()


def _fixed(document: Document, sets: Mapping[str, bytes]) -> bytes:
    kept = {"version", "environment", "nodes", "services"}
    canonical = orjson.dumps(
        {
            "document": document.model_dump(mode="json", by_alias=True, include=kept),
            "descriptor_sets": {n: hashlib.sha256(b).hexdigest() for n, b in sets.items()},
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return hashlib.sha256(canonical).digest()


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
