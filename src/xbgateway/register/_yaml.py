"""Reads one YAML document into plain values and remembers the line of each.

Stricter than YAML: one document, no duplicate keys, no tags but the standard ones, text keys only,
dates stay text, bounded depth, and bounded size after aliases are expanded. It never builds objects
and never decides what a value means: that is ``document.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

Place = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"


@dataclass
class _Reading:
    scalars: yaml.SafeLoader
    lines: dict[Place, int] = field(default_factory=dict)
    values: int = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        line = int(node.start_mark.line) + 1
        self.lines[place] = line
        self.values += 1
        if self.values > limits.REGISTER_VALUES_MAX:
            raise invalid(place, "more values than a register may hold", line)
        if len(place) > limits.REGISTER_DEPTH_MAX:
            raise invalid(place, "nested too deeply", line)
        if node.tag == _TAG + "timestamp":
            return node.value  # a date stays the text that was written
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*place, i)) for i, item in enumerate(node.value)]
        try:
            return self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise invalid(place, "not a plain value", line) from error

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = int(key_node.start_mark.line) + 1
            if key_node.tag == _TAG + "merge":
                merged = {**self._merged(value_node, place), **merged}
                continue
            key = key_node.value
            if key_node.tag != _TAG + "str":
                raise invalid(place, "keys are text", line)
            if key in own:
                raise invalid((*place, key), "the same key twice", line)
            own[key] = self.value(value_node, (*place, key))
        return {**merged, **own}

    def _merged(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        value = self.value(node, (*place, "<<"))
        if not isinstance(value, dict):
            raise invalid(place, "'<<' takes one mapping", int(node.start_mark.line) + 1)
        return value


def read(text: bytes) -> tuple[Any, Mapping[Place, int]]:
    """The document's value and the line (from 1) of every place in it.

    Raises ``Refused(CONFIG_INVALID)`` naming the place, the line and what is wrong.
    """
    if len(text) > limits.REGISTER_BYTES_MAX:
        raise Refused(
            Reason.CONFIG_INVALID,
            f"the register has {len(text)} bytes, at most {limits.REGISTER_BYTES_MAX} are read",
            path="",
        )
    try:
        _bounded_depth(text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise invalid((), error.problem or "not YAML", mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise invalid((), "not YAML: " + str(error).splitlines()[0], None) from error
    if node is None:
        raise invalid((), "the document is empty", None)
    reading = _Reading(yaml.SafeLoader(""))
    return reading.value(node, ()), reading.lines


def _bounded_depth(text: bytes) -> None:
    """The C composer recurses on its own stack without a bound, so look at the events first."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits.REGISTER_DEPTH_MAX:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise invalid((), "nested too deeply", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def line_of(lines: Mapping[Place, int], place: Place) -> int | None:
    """The line of ``place``, or of the nearest place around it that the text has."""
    while place not in lines:
        if not place:
            return None
        place = place[:-1]
    return lines[place]


def invalid(place: Place, why: str, line: int | None) -> Refused:
    """The refusal of a register document, naming where and why."""
    path = dotted(place)
    where = f"line {line}, {path or 'the document'}" if line else path or "the document"
    metadata = {"path": path, "why": why} | ({"line": str(line)} if line else {})
    return Refused(Reason.CONFIG_INVALID, f"register: {where}: {why}", **metadata)


def dotted(place: Place) -> str:
    """``scenarios[0].request.basis`` for ``("scenarios", 0, "request", "basis")``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
