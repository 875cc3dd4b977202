"""Frozen values from plain documents: what was written down as JSON or YAML becomes facts again.

Types say how: a list becomes a tuple, a mapping the dataclass of its place. A key that is not given
takes the default, so that what an earlier release wrote stays readable; an unknown key is an error.
"""

from collections.abc import Mapping
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
    hints = _hints(known)
    unknown = sorted(set(document) - set(hints))
    if unknown:
        raise TypeError(f"{kind.__name__} has no {unknown[0]!r}")
    return kind(**{key: _typed(hints[key], value) for key, value in document.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        return _typed(hint, value)
    if origin is tuple:
        return tuple(_typed(get_args(hint)[0], one) for one in value)
    if isinstance(hint, type) and is_dataclass(hint):
        return value_of(hint, value)
    return value
