"""Frozen values from plain documents: what was written down as JSON or YAML becomes facts again.

Types say how: a list becomes a tuple, a mapping the dataclass of its place. A key that is not given
takes the default, so that what an earlier release wrote stays readable; an unknown key is an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


def value_of(kind: type[_T], document: Mapping[str, Any]) -> _T:
    """The frozen value that ``document`` says; values within keep the types they have.

    Raises ``TypeError`` for a key that ``kind`` does not have or needs and was not given.
    """
    known: Any = kind
    readers = _readers(known)
    unknown = sorted(document.keys() - readers.keys())
    if unknown:
        raise TypeError(f"{kind.__name__} has no {unknown[0]!r}")
    return kind(**{key: _read(readers[key], value) for key, value in document.items()})


# How a value of one type is read; None where it stays as it is, as most do.
_Reader = Callable[[Any], Any] | None


def _read(reader: _Reader, value: Any) -> Any:
    return value if reader is None or value is None else reader(value)


@cache
def _readers(kind: Any) -> dict[str, _Reader]:
    hints = get_type_hints(kind)
    return {each.name: _reader(hints[each.name]) for each in fields(kind)}


def _reader(hint: Any) -> _Reader:
    """Worked out once for each field: facts are read by the thousand at a start and in a check."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        return _reader(hint)
    if origin is tuple:
        within = _reader(get_args(hint)[0])
        return lambda value: tuple(_read(within, one) for one in value)
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: value_of(hint, value)
    return None
