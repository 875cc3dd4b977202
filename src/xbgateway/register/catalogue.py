"""The catalogue: every method that a registered service offers, its messages and their labels.

Built once from the descriptor sets that the register names, in a pool of its own: what a provider
registers never meets the gateway's generated code. It serves look-ups by name, the proxy's message
types and gRPC reflection. It never reads a message: that is ``content.py``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import FieldFacts, Mode
from xbgateway.register._labels import MEANT_AS, FieldLabel, Labels
from xbgateway.register.delivering import PUSH, DeliveryTerms
from xbgateway.register.document import Register, builtin_descriptor_set
from xbgateway.register.entries import ServiceOffer
from xbgateway.register.shape import Form, MessageShape, Step

# Files whose text is ours or the language's: our copy stands for everybody's.
_OURS = ("google/protobuf/", "google/api/", "xbgateway/api/catalogue/v1/options.proto")
_TEXT = FieldDescriptor.TYPE_STRING
_NAMING = {FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_INT32} | {
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


@dataclass(frozen=True, slots=True, eq=False)
class MethodEntry:
    """One method of a registered service."""

    service: str
    method: str
    path: str  # "/pkg.Service/Method", as gRPC names it
    request: MessageShape
    answer: MessageShape
    dataset: str  # "" where the provider named none
    request_mode: Mode | None
    answer_mode: Mode | None
    honours_exchange_id: bool
    unary: bool


class Catalogue:
    """Methods by name; immutable once built, safe to share between threads."""

    def __init__(
        self,
        sets: Iterable[bytes],
        services: Iterable[str],
        offers: Iterable[ServiceOffer] = (),
    ) -> None:
        """Raises ``Refused(CONFIG_INVALID)`` naming the file, message, service or offer at fault.

        ``offers`` say how providers are given their exchanges; without one: pushed, by default.
        """
        files = _merged(sets)
        self.file_descriptor_set = descriptor_pb2.FileDescriptorSet(file=files)
        self.digest = hashlib.sha256(
            self.file_descriptor_set.SerializeToString(deterministic=True)
        ).hexdigest()
        self.pool = _pool(files)
        self._methods: dict[str, dict[str, MethodEntry]] = {}
        self._shapes = _Shapes(self.pool)
        for name in sorted(set(services)):
            self._methods[name] = self._entries(name)
        self._terms = {
            (offer.service, offer.provider, method.method): terms
            for i, offer in enumerate(offers)
            for method, terms in self._delivered(i, offer)
        }

    @property
    def services(self) -> tuple[str, ...]:
        """Full names of the registered services, sorted."""
        return tuple(self._methods)

    def methods(self, service: str) -> tuple[MethodEntry, ...]:
        """Every method of a service; raises ``Refused(SERVICE_UNKNOWN)``."""
        return tuple(self._of(service).values())

    def method(self, service: str, method: str) -> MethodEntry:
        """Raises ``Refused(SERVICE_UNKNOWN | METHOD_UNKNOWN | METHOD_NOT_UNARY)``."""
        entry = self._of(service).get(method)
        if entry is None:
            raise Refused(
                Reason.METHOD_UNKNOWN,
                "the service has no such method",
                service=service,
                method=method,
            )
        if not entry.unary:
            raise Refused(
                Reason.METHOD_NOT_UNARY,
                "streams are not carried",
                service=service,
                method=method,
            )
        return entry

    def terms(self, service: str, provider: str, method: str) -> DeliveryTerms:
        """How a provider is given the exchanges of a method."""
        return self._terms.get((service, provider, method), PUSH)

    def pulled(self, provider: str) -> tuple[str, ...]:
        """What a provider fetches itself, as ``service/method``."""
        return tuple(
            f"{service}/{method}"
            for (service, party, method), terms in self._terms.items()
            if party == provider and terms.mode == "pull"
        )

    def pushed(self, service: str) -> tuple[str, ...]:
        """The methods of a service that some provider is called for."""
        found = {m for (s, _, m), terms in self._terms.items() if s == service and terms.is_push}
        return tuple(sorted(found))

    def _delivered(
        self, number: int, offer: ServiceOffer
    ) -> Iterator[tuple[MethodEntry, DeliveryTerms]]:
        methods = self._methods[offer.service]
        place = f"services.{number}"
        for name in offer.methods:
            if name not in methods:
                raise _invalid(f"{place}.methods.{name}", "the service has no such method")
        for name, method in methods.items():
            terms = offer.methods.get(name, offer.delivery)
            if terms.mode == "pull" and not method.honours_exchange_id:
                # A lease may run out after the effect, and the exchange is handed out again.
                raise _invalid(
                    f"{place}.methods.{name}" if name in offer.methods else f"{place}.delivery",
                    f"only a method labelled honours_exchange_id can be pulled, and {name} is not",
                )
            yield method, terms

    def _of(self, service: str) -> Mapping[str, MethodEntry]:
        if (methods := self._methods.get(service)) is None:
            raise Refused(Reason.SERVICE_UNKNOWN, "no such service is registered", service=service)
        return methods

    def _entries(self, service: str) -> dict[str, MethodEntry]:
        try:
            descriptor = self.pool.FindServiceByName(service)
        except KeyError as error:
            raise _invalid(service, "no descriptor set has this service") from error
        return {m.name: self._entry(service, m) for m in descriptor.methods}

    def _entry(self, service: str, method: MethodDescriptor) -> MethodEntry:
        label = self._shapes.labels.of_method(method)
        return MethodEntry(
            service=service,
            method=method.name,
            path=f"/{service}/{method.name}",
            request=self._shapes.of(method.input_type),
            answer=self._shapes.of(method.output_type),
            dataset=label.dataset,
            request_mode=label.request_mode,
            answer_mode=label.answer_mode,
            honours_exchange_id=label.honours_exchange_id,
            unary=not (method.client_streaming or method.server_streaming),
        )


def build_catalogue(register: Register) -> Catalogue:
    """The catalogue of everything that ``register`` names."""
    return Catalogue(
        register.descriptor_sets.values(),
        (o.service for o in register.document.services),
        register.document.services,
    )


def _merged(sets: Iterable[bytes]) -> list[descriptor_pb2.FileDescriptorProto]:
    """All files of all sets, each once, imports first. Two texts under one name are refused."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for file in _files(builtin_descriptor_set()):
        if file.name.startswith(_OURS):
            files[file.name] = file
    wanted: list[str] = []
    for content in sets:
        for file in _files(content):
            wanted.append(file.name)
            known = files.setdefault(file.name, file)
            if known != file and not file.name.startswith(_OURS):
                raise _invalid(file.name, "two descriptor sets differ about this file")
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for name in wanted:
        _after_imports(name, files, ordered, ())
    return list(ordered.values())


def _files(content: bytes) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    try:
        parsed = descriptor_pb2.FileDescriptorSet.FromString(content)
    except DecodeError as error:
        raise _invalid("descriptor set", "not a FileDescriptorSet") from error
    for file in parsed.file:
        file.ClearField("source_code_info")  # comments do not make two texts differ
        yield file


def _after_imports(
    name: str,
    files: Mapping[str, descriptor_pb2.FileDescriptorProto],
    ordered: dict[str, descriptor_pb2.FileDescriptorProto],
    importers: tuple[str, ...],
) -> None:
    if name in ordered:
        return
    if name in importers or len(importers) > limits.MESSAGE_DEPTH_MAX:
        raise _invalid(name, "imports in a circle, or too deep")
    if (file := files.get(name)) is None:
        raise _invalid(name, "imported but not in the descriptor set: build it with imports")
    for dependency in file.dependency:
        _after_imports(dependency, files, ordered, (*importers, name))
    ordered[name] = file


def _pool(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    pool = DescriptorPool()
    for file in files:
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:  # what the pool raises for a file that does not fit together
            raise _invalid(file.name, f"not a valid descriptor: {error}") from error
    return pool


class _Shapes:
    """Builds each message type's shape once."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.labels = Labels(pool)
        self._built: dict[str, MessageShape] = {}

    def of(self, descriptor: Descriptor) -> MessageShape:
        """The shape of a type; raises ``Refused(CONFIG_INVALID)`` for one that cannot be listed."""
        if (shape := self._built.get(descriptor.full_name)) is not None:
            return shape
        facts: list[FieldFacts] = []
        maskable: list[str] = []
        steps = self._steps(descriptor, "", (descriptor.full_name,), facts, maskable)
        shape = MessageShape(
            full_name=descriptor.full_name,
            descriptor=descriptor,
            message_class=message_factory.GetMessageClass(descriptor),
            steps=steps,
            fields=tuple(sorted(facts, key=lambda f: f.path)),
            paths=frozenset(f.path for f in facts),
            maskable=frozenset(maskable),
            required=tuple(sorted(f.path for f in facts if f.required)),
        )
        self._built[descriptor.full_name] = shape
        return shape

    def _steps(
        self,
        descriptor: Descriptor,
        prefix: str,
        inside: tuple[str, ...],
        facts: list[FieldFacts],
        maskable: list[str],
    ) -> dict[int, Step]:
        return {
            field.number: self._step(field, prefix + field.name, inside, facts, maskable)
            for field in descriptor.fields
        }

    def _step(
        self,
        field: FieldDescriptor,
        path: str,
        inside: tuple[str, ...],
        facts: list[FieldFacts],
        maskable: list[str],
    ) -> Step:
        form, held = _held(field)
        nested = held.message_type if _has_fields(held) else None
        leaf = nested is None or form == "map"
        label = self.labels.of_field(field, path)
        _check_label(field, held, label, leaf=leaf, nested=nested is not None)
        mark = len(facts)
        if leaf:
            facts.append(label.facts)
        if len(facts) > limits.MESSAGE_FIELDS_MAX:
            raise _invalid(inside[0], f"more than {limits.MESSAGE_FIELDS_MAX} leaf fields")
        below: dict[int, Step] = {}
        if nested is not None:
            if nested.full_name in inside or len(inside) >= limits.MESSAGE_DEPTH_MAX:
                raise _invalid(
                    field.full_name, f"{nested.full_name} holds itself, or is nested too deeply"
                )
            deeper = (*inside, nested.full_name)
            below = self._steps(nested, path + ".", deeper, facts, maskable)
        text = nested is None and held.type == _TEXT
        if text:
            maskable.append(path)
        return Step(
            name=field.name,
            path=path,
            form=form,
            leaf=leaf,
            below=below if nested is not None else None,
            leaves=frozenset(f.path for f in facts[mark:]),
            subject=label.subject,
            identifier=label.facts.identifier,
            meaning=label.meaning,
            maskable=text,
            telling=nested is not None and _tells(nested, below),
        )


def _tells(kind: Descriptor, below: Mapping[int, Step]) -> bool:
    return kind.is_extendable or any(
        step.subject or step.identifier or step.meaning or step.telling for step in below.values()
    )


def _held(field: FieldDescriptor) -> tuple[Form, FieldDescriptor]:
    """How often a field holds something, and the field that says what: a map's is its value."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return "map", kind.fields_by_name["value"]
    return "many" if field.is_repeated else "one", field


def _has_fields(field: FieldDescriptor) -> bool:
    """Whether leaves stand below: not for scalars, well-known types and types without fields."""
    kind = field.message_type
    if kind is None or kind.file.name.startswith("google/protobuf/"):
        return False
    return bool(kind.fields)


def _check_label(
    field: FieldDescriptor, held: FieldDescriptor, label: FieldLabel, *, leaf: bool, nested: bool
) -> None:
    """A label that would silently mean nothing is the provider's mistake."""
    if not leaf and label.given:
        raise _invalid(field.full_name, "a label stands on the leaves of a message, not on it")
    # The keys of a map of messages are its leaf, and may be any type that keys can have.
    naming = nested or held.cpp_type in _NAMING
    if label.subject and not naming:
        raise _invalid(field.full_name, "only text, bytes or whole numbers name a subject")
    if label.facts.identifier and (nested or held.type != _TEXT):
        raise _invalid(field.full_name, "an identifier is text")
    if label.meaning and (nested or held.cpp_type not in MEANT_AS[label.meaning]):
        raise _invalid(field.full_name, f"a field of its type cannot say {label.meaning}")


def _invalid(what: str, why: str) -> Refused:
    return Refused(Reason.CONFIG_INVALID, f"catalogue: {what}: {why}", path=what, why=why)
