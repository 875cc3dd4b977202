"""Reads providers' labels from the options of a descriptor set, through that set's own pool.

The options are looked up by full name, so this room needs no generated code; a set that does not
import ``options.proto`` has no labels. A value that this version does not know counts as not given:
the field is then unlabelled and the law refuses it. Stands below ``catalogue.py``.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from xbgateway.model.facts import FieldFacts, Mode

_CATALOGUE = "xbgateway.api.catalogue.v1"
_IDENTIFIERS = {
    "BIR": "bir",
    "RESIDENCE_PERMIT": "permit",
    "PRC_ID": "prc_id",
    "HOME_RETURN_PERMIT": "hrp",
    "FSS_NUMBER": "fss",
    "PHONE": "phone",
    "ACCOUNT": "account",
}
_MODES: dict[str, Mode] = {
    "PAYLOAD": "payload",
    "PREDICATE": "predicate",
    "DIGEST": "digest",
    "AGGREGATE": "aggregate",
    "PSI": "psi",
}
_WHOLE = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_TEXT = frozenset({FieldDescriptor.CPPTYPE_STRING})
# What a field can mean to law, and the types that can say it.
MEANT_AS = {
    "birth_date": _TEXT,
    "record_date": _TEXT,
    "stay_from": _TEXT,
    "stay_region": _TEXT,
    "cell_count": _WHOLE,
    "bucket_months": _WHOLE,
}
# What a value of a type can say; all other types are whole numbers.
_SHAPES = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_ENUM: "enum",
    FieldDescriptor.CPPTYPE_DOUBLE: "decimal",
    FieldDescriptor.CPPTYPE_FLOAT: "decimal",
    FieldDescriptor.CPPTYPE_STRING: "text",
}


@dataclass(frozen=True, slots=True)
class FieldLabel:
    """What a provider says about one leaf; ``given`` is false where it says nothing at all."""

    given: bool
    facts: FieldFacts
    subject: bool
    meaning: str | None  # a name of ``MEANT_AS``


@dataclass(frozen=True, slots=True)
class MethodLabel:
    """What a provider says about one method; empty where it says nothing."""

    dataset: str
    request_mode: Mode | None
    answer_mode: Mode | None
    honours_exchange_id: bool


class Labels:
    """Reads the labels of one pool."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._field = _extension(pool, f"{_CATALOGUE}.label", "google.protobuf.FieldOptions")
        self._method = _extension(pool, f"{_CATALOGUE}.method", "google.protobuf.MethodOptions")

    def of_field(self, field: FieldDescriptor, path: str) -> FieldLabel:
        """The label on ``field`` as facts about the leaf at ``path``."""
        label = self._field.read(field.GetOptions()) if self._field else None
        level = _word(label, "level")
        data_class = _word(label, "data_class")
        cn, mo = _word(label, "sens_cn"), _word(label, "sens_mo")
        identifier = _word(label, "identifier")
        meaning = _word(label, "meaning")
        words = {
            "level": level,
            "data_class": data_class,
            "identifier": identifier,
            "meaning": meaning,
            "sens_cn": cn,
            "sens_mo": mo,
        }
        # A number from a later version: we cannot tell what it asks of us.
        strange = any(word is None and getattr(label, name, 0) for name, word in words.items())
        facts = FieldFacts(
            path=path,
            name=(label.name if label else "") or field.name,
            level=level,
            data_class=data_class.lower() if data_class else None,
            labelled=None not in (level, data_class, cn, mo) and not strange,
            sens_cn=cn == "YES",
            sens_mo=mo == "YES",
            state_secret=bool(label and label.state_secret),
            purposes=tuple(label.purposes) if label else (),
            required=bool(label and label.required),
            identifier=_IDENTIFIERS[identifier] if identifier else None,
            shape="bytes" if field.type == field.TYPE_BYTES else _SHAPES.get(field.cpp_type, "int"),
        )
        subject = bool(label and label.subject)
        return FieldLabel(label is not None, facts, subject, meaning.lower() if meaning else None)

    def of_method(self, method: MethodDescriptor) -> MethodLabel:
        """The label on ``method``."""
        label = self._method.read(method.GetOptions()) if self._method else None
        return MethodLabel(
            dataset=label.dataset if label else "",
            request_mode=_MODES.get(_word(label, "request_mode") or ""),
            answer_mode=_MODES.get(_word(label, "answer_mode") or ""),
            honours_exchange_id=bool(label and label.honours_exchange_id),
        )


class _Extension:
    def __init__(self, extension: FieldDescriptor, options: type[Any]) -> None:
        self._extension = extension
        self._options = options

    def read(self, found: Any) -> Any:
        """The extension's message on these options, or ``None``."""
        # The options come as the default pool's type, to which our extension is unknown bytes.
        if not (raw := found.SerializeToString()):
            return None
        options = self._options.FromString(raw)
        if not options.HasExtension(self._extension):
            return None
        return options.Extensions[self._extension]


def _extension(pool: DescriptorPool, name: str, options: str) -> _Extension | None:
    try:
        extension = pool.FindExtensionByName(name)
    except KeyError:
        return None
    options_type = pool.FindMessageTypeByName(options)
    return _Extension(extension, message_factory.GetMessageClass(options_type))


def _word(label: Any, field: str) -> str | None:
    """``L1`` for ``LEVEL_L1``; ``None`` where unspecified, or a number that we do not know."""
    if label is None or not (number := getattr(label, field)):
        return None
    enum = label.DESCRIPTOR.fields_by_name[field].enum_type
    known = enum.values_by_number.get(number)
    if known is None:
        return None
    # Every value carries the name of its enum, which its zero value ends with UNSPECIFIED.
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(known.name.removeprefix(prefix))
