"""What one message carries: parse, list, remove, mask. Pure functions over serialised bytes.

``parse`` refuses bytes that hold anything the registered type does not name, at any depth, since
nobody can judge or remove what nobody can see. What leaves is always what was looked at: a message
whose bytes say more than its fields (a value overwritten by a later one) is written anew.

A message that is present but has no field set still says something: it counts as every leaf that
it could carry. Removal is by leaf path; a message left empty by a removal inside it goes too. Map
keys are a leaf of their own, with the map's path; removing it removes the map.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import identifiers
from xbgateway.register.identifiers import persons
from xbgateway.register.shape import MessageShape, Step


class Content:
    """One parsed message. Made by :func:`parse` only, never changed."""

    __slots__ = (
        "_identifiers", "_meanings", "_message", "_original", "_paths", "_shape", "_subjects",
    )  # fmt: skip

    def __init__(self, shape: MessageShape, message: Message, original: bytes) -> None:
        self._shape = shape
        self._message = message
        self._original = original
        found: set[str] = set()
        told: list[tuple[Step, Any]] = []
        _walk(message, shape.steps, found, told)
        self._paths = tuple(sorted(found))
        self._subjects = tuple(
            dict.fromkeys(text for step, value in told if step.subject for text in _texts(value))
        )
        self._identifiers = tuple(
            (step.identifier, text)
            for step, value in told
            if step.identifier
            for text in _texts(value)
        )
        self._meanings = tuple(
            (step.meaning, text) for step, value in told if step.meaning for text in _texts(value)
        )

    def paths(self) -> tuple[str, ...]:
        """Leaf paths present, sorted, as in ``FieldFacts.path``."""
        return self._paths

    def subject_tokens(self) -> tuple[str, ...]:
        """Distinct values that name the persons the message is about (bytes as hex)."""
        return self._subjects

    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """Kind and value of every identifier carried, in the order of the message."""
        return self._identifiers

    def persons(self) -> tuple[tuple[str, str], ...]:
        """What names each person as lastingly as the message can; see :func:`persons`."""
        return persons(self._subjects, self._identifiers)

    def meanings(self) -> tuple[tuple[str, str], ...]:
        """Meaning and value of every field that law reads, in the order of the message."""
        return self._meanings

    def apply(self, drops: Iterable[str], masks: Iterable[tuple[str, str]]) -> bytes:
        """The bytes that may travel: without ``drops``, with ``masks`` (path, how) over the rest.

        Deterministic, and the very bytes that were parsed where nothing is to be done. Dropping
        wins over masking. Raises ``Refused(POLICY_INVALID)`` for a path that the type does not
        have, a mask on what is not text, and a way of masking that is not ours.
        """
        plan = _planned(self._shape, frozenset(drops), frozenset(masks))
        if plan.leaves.isdisjoint(self._paths):
            return self._original
        reduced = self._shape.message_class()
        reduced.CopyFrom(self._message)
        _reduce(reduced, plan)
        return reduced.SerializePartialToString(deterministic=True)


def parse(shape: MessageShape, data: bytes) -> Content:
    """Raises ``Refused(MESSAGE_UNDECODABLE)``, or ``Refused(FIELD_UNKNOWN)`` naming the field."""
    try:
        message: Message = shape.message_class.FromString(data)
        # What the type does not name is gone after this; then equal bytes have said no more.
        message.DiscardUnknownFields()
        plain = message.SerializePartialToString(deterministic=True)
    except (DecodeError, ValueError) as error:
        raise Refused(
            Reason.MESSAGE_UNDECODABLE,
            f"the bytes are not a {shape.full_name}",
            message_type=shape.full_name,
        ) from error
    if plain == data:
        return Content(shape, message, data)
    whole = shape.message_class.FromString(data)
    # Not ByteSize, which asks for the required fields that an obligation may have removed.
    if len(whole.SerializePartialToString()) != len(plain):
        _refuse_unknown(whole)
    return Content(shape, message, plain)


def _walk(
    message: Message, steps: dict[int, Step], found: set[str], told: list[tuple[Step, Any]]
) -> bool:
    """Gathers leaves present and the values that say who; false where no field was set."""
    listed = message.ListFields()
    for field, value in listed:
        step = steps.get(field.number)
        if step is None:
            # An extension that some registered file defines: parsed, but not in the type.
            raise _unknown(message, field.number)
        if step.leaf:
            found.add(step.path)
            if step.subject or step.identifier or step.meaning:
                told.append((step, value))
        if step.below is None:
            continue
        if step.form == "map":
            for item in value.values():
                _walk(item, step.below, found, told)
        else:
            _walk_each(value if step.form == "many" else (value,), step, found, told)
    return bool(listed)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do to each message of one type at one place."""

    cleared: tuple[str, ...]  # fields by name
    masked: tuple[tuple[Step, Callable[[str], str]], ...]
    deeper: tuple[tuple[Step, "_Plan"], ...]
    drops: bool  # whether anything is cleared here or deeper, so that a message may end up empty
    leaves: frozenset[str]  # every path that is touched


# Obligations are few and come again with every message of a corridor.
@lru_cache(maxsize=limits.STANDINGS_CACHED_MAX)
def _planned(
    shape: MessageShape, dropping: frozenset[str], masks: frozenset[tuple[str, str]]
) -> _Plan:
    masking = dict(masks)
    for path in (dropping | masking.keys()) - shape.paths:
        raise _obligation(shape, path, "the message type has no such field")
    for path, how in masks:
        if path not in shape.maskable:
            raise _obligation(shape, path, "only text can be masked")
        if how not in identifiers.MASKS:
            raise _obligation(shape, path, f"no way of masking is called {how}")
        if masking[path] != how:
            raise _obligation(shape, path, "two ways of masking")
    return _plan(shape.steps, dropping, masking)


def _plan(steps: dict[int, Step], dropping: frozenset[str], masking: dict[str, str]) -> _Plan:
    cleared: list[str] = []
    masked: list[tuple[Step, Callable[[str], str]]] = []
    deeper: list[tuple[Step, _Plan]] = []
    touched: set[str] = set()
    for step in steps.values():
        if step.leaves <= dropping or (step.leaf and step.path in dropping):
            cleared.append(step.name)
            touched |= step.leaves
            continue
        if (how := masking.get(step.path)) is not None:
            masked.append((step, identifiers.MASKS[how]))
            touched.add(step.path)
        if step.below is not None:
            below = _plan(step.below, dropping, masking)
            if below.leaves:
                deeper.append((step, below))
                touched |= below.leaves
    return _Plan(
        cleared=tuple(cleared),
        masked=tuple(masked),
        deeper=tuple(deeper),
        drops=bool(cleared) or any(below.drops for _, below in deeper),
        leaves=frozenset(touched),
    )


def _reduce(message: Message, plan: _Plan) -> None:
    for name in plan.cleared:
        message.ClearField(name)
    for step, mask in plan.masked:
        _mask(message, step, mask)
    for step, below in plan.deeper:
        if step.form == "one" and not message.HasField(step.name):
            continue
        held: Any = getattr(message, step.name)
        if step.form == "map":
            for key in held:
                _reduce(held[key], below)
            continue
        for item in held if step.form == "many" else (held,):
            _reduce(item, below)
        if below.drops:
            _prune(message, step, held)


def _prune(message: Message, step: Step, held: Any) -> None:
    """Removes messages that a removal inside them has left empty."""
    if step.form == "one":
        if _empty(held):
            message.ClearField(step.name)
        return
    for i in range(len(held) - 1, -1, -1):
        if _empty(held[i]):
            del held[i]


def _empty(message: Message) -> bool:
    # Cheaper than listing the fields, and ByteSize asks for required ones.
    return not message.SerializePartialToString()


def _mask(message: Message, step: Step, mask: Callable[[str], str]) -> None:
    """Masks every value; what is empty or absent stays as it is."""
    held: Any = getattr(message, step.name)
    if not held:
        return
    if step.form == "one":
        setattr(message, step.name, mask(held))
    elif step.form == "many":
        held[:] = [mask(text) for text in held]
    else:
        for key in list(held):
            held[key] = mask(held[key])


def _walk_each(
    items: Iterable[Message], step: Step, found: set[str], told: list[tuple[Step, Any]]
) -> None:
    for item in items:
        if not _walk(item, step.below or {}, found, told):
            found |= step.leaves
        if not step.telling and step.leaves <= found:
            return  # the rest of the list can show nothing new


def _texts(value: Any) -> Iterator[str]:
    """The values of a scalar, of a list, of a map of scalars, or the keys of a map of messages."""
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, bytes):
        if value:
            yield value.hex()
    elif isinstance(value, int):
        yield str(value)
    elif hasattr(value, "values"):
        for key, item in value.items():
            yield from _texts(key if isinstance(item, Message) else item)
    else:
        for item in value:
            yield from _texts(item)


def _refuse_unknown(message: Message) -> None:
    """Finds the unknown field that the sizes have betrayed, and refuses it by name."""
    for unknown in UnknownFieldSet(message):  # type: ignore[attr-defined] # it iterates
        raise _unknown(message, unknown.field_number)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            items = [v for v in value.values() if isinstance(v, Message)]
        else:
            items = value if field.is_repeated else [value]
        for item in items:
            _refuse_unknown(item)


def _unknown(message: Message, number: int) -> Refused:
    name = message.DESCRIPTOR.full_name
    return Refused(
        Reason.FIELD_UNKNOWN,
        f"field {number} is not in the registered {name}",
        message_type=name,
        number=str(number),
    )


def _obligation(shape: MessageShape, path: str, why: str) -> Refused:
    return Refused(
        Reason.POLICY_INVALID,
        f"an obligation cannot be applied: {why}",
        message_type=shape.full_name,
        path=path,
    )
