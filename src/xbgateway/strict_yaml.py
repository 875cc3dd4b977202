"""YAML as officers write it, read strictly: one document, no key twice, dates stay text.

Problems are refused with file and line, so that an editor of tables or of case types finds the
place; what reads them says with which reason.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from xbgateway.model.errors import Reason, Refused

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


# libyaml where PyYAML was built with it: the same events, ten times as fast.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """A safe loader that leaves dates as the text they are written in."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document: its value, and the node tree that knows the lines."""

    file: str
    value: Any
    root: yaml.Node
    why: Reason = Reason.POLICY_INVALID

    def line(self, path: Sequence[object]) -> int:
        """The line (from 1) of the value at ``path``; of its nearest parent where it is missing."""
        node = self.root
        for part in path:
            below = _child(node, part)
            if below is None:
                break
            node = below
        return int(node.start_mark.line) + 1

    def refuse(self, path: Sequence[object], reason: str) -> Refused:
        """The refusal for what stands at ``path``, with file and line."""
        return invalid(self.file, self.line(path), reason, self.why)


def invalid(file: str, line: int, reason: str, why: Reason = Reason.POLICY_INVALID) -> Refused:
    """One wording for all that is wrong with a file."""
    return Refused(why, f"{file}:{line}: {reason}", file=file, line=str(line))


def read(file: str, raw: bytes, why: Reason = Reason.POLICY_INVALID) -> Document:
    """Read one document. Raises Refused, for the reason ``why``, with file and line."""
    try:
        text = raw.decode("utf-8")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise invalid(file, 1, "the file is empty", why)
            _no_key_twice(file, node, why)
            value = loader.construct_document(node)
        finally:
            loader.dispose()
    except UnicodeDecodeError as problem:
        raise invalid(file, 1, f"not UTF-8: {problem}", why) from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise invalid(file, mark.line + 1 if mark else 1, str(problem.problem), why) from None
    except (yaml.YAMLError, ValueError) as problem:
        raise invalid(file, 1, str(problem), why) from None
    return Document(file, value, node, why)


def validate(document: Document, schema_raw: bytes) -> None:
    """Hold a document to its JSON Schema. Raises Refused with file and line."""
    try:
        validator = Draft202012Validator(json.loads(schema_raw))
    except ValueError as problem:
        raise invalid(
            document.file, 1, f"its schema is not JSON: {problem}", document.why
        ) from None
    fault = best_match(validator.iter_errors(document.value))
    if fault is not None:
        place = "/".join(str(part) for part in fault.absolute_path)
        raise document.refuse(list(fault.absolute_path), f"{place}: {fault.message}")


def _child(node: yaml.Node, part: object) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                found: yaml.Node = value
                return found
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item
    return None


def _no_key_twice(file: str, root: yaml.Node, why: Reason) -> None:
    pending: list[yaml.Node] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    raise invalid(file, key.start_mark.line + 1, f"{key.value!r} stands twice", why)
                seen.add(key.value)
                pending.append(value)
