r"""The one reading and the one writing of JSON around a policy engine.

Engines disagree on what bad JSON means (duplicate keys, lone surrogates, numbers beyond 64 bits),
so none of them ever sees any: what goes in and what comes out passes here. The canonical form is
UTF-8, object keys in code point order, no spaces, nothing escaped but ``"``, ``\`` and controls
(RFC 8785 but for its UTF-16 key order, which differs only beyond the BMP). Numbers are integers
within ±(2^53 - 1); fractions are refused, since engines print them differently.
"""

import json

import orjson

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.limits import POLICY_INPUT_BYTES_MAX, POLICY_INPUT_DEPTH_MAX

INTEGER_MAX = 2**53 - 1


class _Malformed(ValueError):
    """Why a text or value is outside the strict form."""


def parse(
    raw: bytes,
    *,
    bytes_max: int = POLICY_INPUT_BYTES_MAX,
    depth_max: int = POLICY_INPUT_DEPTH_MAX,
    reason: Reason = Reason.POLICY_INPUT_LIMIT,
) -> object:
    """Read JSON text once. Raises Unavailable(reason) for all that :func:`canonical` cannot say."""
    if len(raw) > bytes_max:
        raise Unavailable(
            reason, f"the JSON text has {len(raw)} bytes, at most {bytes_max} are read"
        )
    try:
        value: object = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
        _check(value, depth_max)
    except RecursionError:
        raise Unavailable(reason, f"the JSON text is nested deeper than {depth_max}") from None
    except ValueError as problem:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unavailable(reason, f"the JSON text is not strict: {problem}") from None
    return value


def canonical(
    value: object,
    *,
    depth_max: int = POLICY_INPUT_DEPTH_MAX,
    reason: Reason = Reason.POLICY_INPUT_LIMIT,
) -> bytes:
    """Write a value in its one form. Raises Unavailable(reason) for a value that has none."""
    try:
        _check(value, depth_max)
    except ValueError as problem:
        raise Unavailable(reason, f"the value is not strict JSON: {problem}") from None
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def policy_input(raw: bytes) -> tuple[dict[str, object], bytes]:
    """Read a policy input: the object and its canonical bytes.

    Raises Unavailable(POLICY_INPUT_LIMIT).
    """
    value = parse(raw)
    if not isinstance(value, dict):
        raise Unavailable(Reason.POLICY_INPUT_LIMIT, "the policy input is not a JSON object")
    return value, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Malformed("an object names a key twice")
    return found


def _check(value: object, depth_max: int) -> None:
    """Walk level by level, so that depth costs no stack."""
    level: list[object] = [value]
    depth = 0
    while level:
        below: list[object] = []
        containers = 0
        for item in level:
            if type(item) is dict:
                containers += 1
                for key in item:
                    if type(key) is not str:
                        raise _Malformed("an object has a key that is not a string")
                    _check_scalar(key)
                below.extend(item.values())
            elif type(item) is list:
                containers += 1
                below.extend(item)
            else:
                _check_scalar(item)
        depth += containers > 0
        if depth > depth_max:
            raise _Malformed(f"nested deeper than {depth_max}")
        level = below


def _check_scalar(item: object) -> None:
    kind = type(item)
    if kind is str:
        assert isinstance(item, str)
        if not item.isascii():
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise _Malformed("a string holds a lone surrogate") from None
    elif kind is int:
        assert isinstance(item, int)
        if not -INTEGER_MAX <= item <= INTEGER_MAX:
            raise _Malformed("an integer lies beyond 2^53 - 1")
    elif kind is float:
        raise _Malformed("a number is not an integer")
    elif item is not None and kind is not bool:
        raise _Malformed(f"a {kind.__name__} has no JSON form")
