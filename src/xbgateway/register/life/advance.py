"""Runs a machine: the state of a record, what can happen to it, what it becomes, what is due.

Pure: nothing is stored, no clock is read. A record is never changed, a new one is returned, and it
keeps its id.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError, create_model

from xbgateway.model.errors import Reason, Refused
from xbgateway.register.life.kinds import MACHINES
from xbgateway.register.life.machine import Event, Guard, Machine, Step
from xbgateway.register.life.terms import Due, Terms
from xbgateway.register.values import Day, Id, Record

_NAMED = TypeAdapter(tuple[Day, Id]).json_schema()["prefixItems"]
_PATTERNS = {one["pattern"]: name for one, name in zip(_NAMED, ("day", "id"), strict=True)}
_KINDS = {machine.model: machine for machine in MACHINES.values()}


def state_of(record: Record, day: date, terms: Terms) -> str:
    """The state that a record has on a day."""
    return _KINDS[type(record)].state(record, day.isoformat(), terms)


def events(kind: str) -> tuple[Event, ...]:
    """Everything that can happen to a record of a kind. Raises ``Refused(ARGUMENT_INVALID)``."""
    return _machine(kind).events


def field_types(kind: str) -> Mapping[str, str]:
    """What each field of a kind's records holds, for people: ``day``, ``list of id``, words."""
    schema = _machine(kind).model.model_json_schema()
    return {name: _type(one) for name, one in schema["properties"].items()}


def _type(said: Mapping[str, Any]) -> str:
    """The name of a JSON Schema type; ``null`` says only that the field may be left out."""
    if "anyOf" in said:
        return _type(next(one for one in said["anyOf"] if one.get("type") != "null"))
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    if "enum" in said:
        return "/".join(said["enum"])
    if said["type"] == "array":
        return f"list of {_type(said['items'])}"
    return _PATTERNS.get(said.get("pattern", ""), str(said["type"]))


def legal(record: Record, day: date, terms: Terms) -> tuple[str, ...]:
    """Names of the events that can happen to a record on a day."""
    return _KINDS[type(record)].legal(state_of(record, day, terms))


def deadlines(record: Record, day: date, terms: Terms) -> tuple[Due, ...]:
    """What is still to be done about a record, the earliest first; what is overdue stays.

    A term whose length no table knows on the day is not there.
    """
    found = _KINDS[type(record)].deadlines(record, day.isoformat(), terms)
    return tuple(sorted((one for one in found if one.due_on), key=lambda one: one.due_on))


def advance(  # noqa: PLR0917 - who calls has all of it at hand, in this order
    kind: str,
    record: Record | None,
    event: str,
    given: Mapping[str, object],
    day: date,
    terms: Terms,
) -> Record:
    """The record after an event that an officer records on ``day``; ``None`` makes a new one.

    ``given`` are fields of the record, as a register document would say them. Raises ``Refused``:
    ``TRANSITION_ILLEGAL`` (the event is unknown, or not one of this state's: ``state``, ``legal``),
    ``TRANSITION_REFUSED`` (what must hold does not: ``guard``, ``field``), ``ARGUMENT_INVALID``
    (a field is missing, unknown or malformed: ``field``).
    """
    machine = _machine(kind)
    if record is not None and type(record) is not machine.model:
        raise _malformed("kind", f"the record is no {kind}")
    today = day.isoformat()
    state = None if record is None else machine.state(record, today, terms)
    known = machine.event(event)
    if known is None or event not in machine.legal(state):
        legal_now = ",".join(machine.legal(state))
        now = state or "none"
        raise Refused(
            Reason.TRANSITION_ILLEGAL,
            f"{event} cannot happen to a {kind} that is {now}; legal: {legal_now or 'nothing'}",
            kind=kind,
            event=event,
            state=now,
            legal=legal_now,
        )
    after = _after(machine, known, record, _read(machine, known, given), today=today, terms=terms)
    step = Step(record, after, today, terms)
    for guard in (*_timely(known), *known.guards):
        if not guard.holds(step):
            raise _refused(kind, known, guard)
    reached = machine.state(after, today, terms)
    if reached not in (known.to or (state,)):
        wanted = known.on or (known.must or known.optional or ("",))[0]
        says = f"with what is given it would be {reached}"
        raise _refused(kind, known, Guard("leads_to", wanted, says, bool))
    return after


def _machine(kind: str) -> Machine:
    if (machine := MACHINES.get(kind)) is None:
        raise _malformed("kind", f"there is no kind of record called {kind}")
    return machine


def _read(machine: Machine, event: Event, given: Mapping[str, object]) -> dict[str, Any]:
    """What is given, with the types of the record."""
    try:
        values = _form(machine.kind, event.name).model_validate(dict(given))
    except ValidationError as error:
        raise _invalid(error) from error
    read = values.model_dump(exclude_unset=True, by_alias=True)
    for name in event.must:
        if read[name] is None:
            raise _malformed(name, "must be given")
    if not (read or event.must or event.on or event.sets or event.clears):
        raise _malformed(event.optional[0], f"one of {', '.join(event.optional)} must be given")
    return read


@cache
def _form(kind: str, name: str) -> type[Record]:
    """What may be given for an event: fields of the record's own types, and no others."""
    machine = MACHINES[kind]
    event = machine.event(name)
    assert event is not None
    fields: dict[str, Any] = {}
    for one in (*event.must, *event.optional):
        info = machine.model.model_fields[one]
        kept = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        fields[one] = (kept, ... if one in event.must else None)
    return create_model(f"{kind}_{name}", __base__=Record, **fields)


def _after(
    machine: Machine,
    event: Event,
    record: Record | None,
    read: Mapping[str, Any],
    *,
    today: str,
    terms: Terms,
) -> Record:
    values: dict[str, Any] = (
        dict(machine.fixed) if record is None else record.model_dump(by_alias=True)
    )
    values |= {**dict.fromkeys(event.clears), **event.sets}
    if event.on:
        values[event.on] = today
    values |= read
    for name, fill in event.fills.items():
        if read.get(name) is None:
            values[name] = fill(values, terms)
    try:
        return machine.model.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from error


def _timely(event: Event) -> tuple[Guard, ...]:
    """What an officer records has happened."""
    if event.on is None:
        return ()
    name = event.on
    says = f"{name} is not after the day of recording"
    return (Guard("happened", name, says, lambda step: getattr(step.after, name) <= step.today),)


def _refused(kind: str, event: Event, guard: Guard) -> Refused:
    return Refused(
        Reason.TRANSITION_REFUSED,
        f"{event.name} of a {kind}: it must hold that {guard.says}"
        if guard.name != "leads_to"
        else f"{event.name} of a {kind}: {guard.says}",
        kind=kind,
        event=event.name,
        guard=guard.name,
        field=guard.field,
    )


def _invalid(error: ValidationError) -> Refused:
    first = error.errors(include_url=False, include_input=False)[0]
    return _malformed(".".join(str(part) for part in first["loc"]), first["msg"])


def _malformed(field: str, why: str) -> Refused:
    return Refused(Reason.ARGUMENT_INVALID, f"{field}: {why}", field=field, why=why)
