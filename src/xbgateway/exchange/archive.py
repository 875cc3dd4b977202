"""How facts are written down, so that a decision can be made again years later.

The moving half is written for each decision; the standing half is named by its digest and written
once. Both are canonical JSON. Reading them back gives equal values, and so equal inputs.
"""

import hashlib

import orjson

from xbgateway.model.documents import value_of
from xbgateway.model.facts import Facts, Moment, Standing

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
    return Facts(value_of(Standing, orjson.loads(standing)), value_of(Moment, document["moment"]))


def standing_digest(raw: bytes) -> str:
    """The digest by which recorded facts name their standing half."""
    digest: str = orjson.loads(raw)["standing"]
    return digest
