"""How facts are written down, so that a decision can be made again years later.

The moving half is written for each decision; the standing half is named by its digest and written
once. Both are canonical JSON. Reading them back gives equal values, and so equal inputs.
"""

import hashlib
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

import orjson

from xbgateway.model.facts import Facts, FieldFacts, Moment, PartyFacts, Standing

_T = TypeVar("_T")
_OPTIONS = orjson.OPT_SORT_KEYS


def facts_bytes(facts: Facts, standing_digest: str) -> bytes:
    """The recorded form of one decision's facts."""
    return orjson.dumps({"moment": facts.moment, "standing": standing_digest}, option=_OPTIONS)


def standing_bytes(standing: Standing) -> tuple[str, bytes]:
    """``(hex digest, canonical bytes)`` of a standing half."""
    raw = orjson.dumps(standing, option=_OPTIONS)
    return hashlib.sha256(raw).hexdigest(), raw


def read_facts(raw: bytes, standing: bytes) -> Facts:
    """The facts that were recorded. ``standing`` is what ``facts_bytes`` names by digest."""
    document = orjson.loads(raw)
    if hashlib.sha256(standing).hexdigest() != document["standing"]:
        raise ValueError("the standing facts are not those that the facts name")
    return Facts(_standing(orjson.loads(standing)), _value(Moment, document["moment"]))


def standing_digest(raw: bytes) -> str:
    """The digest by which recorded facts name their standing half."""
    digest: str = orjson.loads(raw)["standing"]
    return digest


def _standing(document: dict[str, Any]) -> Standing:
    hints = get_type_hints(Standing)
    values = dict(document)
    for each in fields(Standing):
        value = values[each.name]
        if each.name == "fields":
            values[each.name] = tuple(_value(FieldFacts, one) for one in value)
        elif isinstance(value, dict):
            named = hints[each.name]
            target = next(t for t in getattr(named, "__args__", (named,)) if t is not type(None))
            values[each.name] = _value(target, value)
    found: Standing = Standing(**values)
    assert isinstance(found.sender, PartyFacts)
    return found


def _value(target: type[_T], document: dict[str, Any]) -> _T:
    return target(**{n: tuple(v) if isinstance(v, list) else v for n, v in document.items()})
