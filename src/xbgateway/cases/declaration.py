"""Reads declarations of case types: strict YAML, a JSON Schema, and what a schema cannot say.

Everything that is wrong is refused with file and line (REQ-CASE-1): every state can
be reached and leads to an end, every role and state that is named exists, no event has two meanings
in one state.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from xbgateway.model.errors import Reason, Refused
from xbgateway.strict_yaml import Document, read, validate

from .filling import NOT_NAMED, names
from .types import ENDS, LATE, RESERVED, Act, Branch, CaseType, Ending, Send, State, Term

# How far a document goes at most; the largest of ours has 8 kB.
TYPE_BYTES_MAX = 128 * 1024
_SCHEMA = files("xbgateway.cases").joinpath("schema.json").read_bytes()
Place = tuple[object, ...]


def load_types(found: Mapping[str, bytes]) -> tuple[CaseType, ...]:
    """Every type of a folder, by file name. Raises ``Refused(CASE_TYPE_INVALID)``."""
    types = [load_type(file, raw) for file, raw in sorted(found.items())]
    for number, one in enumerate(types):
        if one.name in {other.name for other in types[:number]}:
            raise Refused(Reason.CASE_TYPE_INVALID, f"the case type {one.name} stands in two files")
    return tuple(types)


def load_type(file: str, raw: bytes) -> CaseType:
    """One declaration. Raises ``Refused(CASE_TYPE_INVALID)`` with file, line and reason."""
    if len(raw) > TYPE_BYTES_MAX:
        raise Refused(Reason.CASE_TYPE_INVALID, f"{file} is larger than {TYPE_BYTES_MAX} bytes")
    document = read(file, raw, Reason.CASE_TYPE_INVALID)
    validate(document, _SCHEMA)
    said: dict[str, Any] = document.value
    states = {name: _state(name, each, said) for name, each in said["states"].items()}
    made = CaseType(
        name=said["type"],
        digest=hashlib.sha256(raw).hexdigest(),
        document=raw,
        title=said["title"],
        roles=said["roles"],
        opens=said["opens"],
        application=said["application"],
        one_for=tuple(said.get("one_for", ())),
        keep_days=said["keep_days"],
        start=said["start"],
        states=states,
    )
    _check_whole(made, document)
    for state in states.values():
        _check_state(made, state, document)
    _check_ways(made, document)
    return made


def _state(name: str, said: Mapping[str, Any], whole: Mapping[str, Any]) -> State:
    ends = said.get("ends")
    acts = (
        dict(said.get("acts", {}))
        if ends
        else {**whole.get("anywhere", {}), **said.get("acts", {})}
    )
    return State(
        name=name,
        send=_send(said["send"]) if "send" in said else None,
        acts=tuple(_act(act, each) for act, each in acts.items()),
        term=_term(said["term"]) if "term" in said else None,
        shows=said.get("shows"),
        ending=Ending(ends, said.get("follow")) if ends else None,
    )


def _act(name: str, said: Mapping[str, Any]) -> Act:
    return Act(
        name=name,
        role=said["by"],
        to=said["to"],
        office=said.get("office"),
        replaces="replaces" in said,
        reason=said.get("reason", False),
    )


def _send(said: Mapping[str, Any]) -> Send:
    service, _, method = said["method"].rpartition("/")
    otherwise = said["otherwise"]
    ends = dict.fromkeys(ENDS, otherwise)
    if "refused" in said:
        ends |= {"refused": said["refused"], "not_executed": said["refused"]}
    if "failed" in said:
        ends |= {"failed": said["failed"]}
    return Send(
        sender=said["from"],
        recipient=said["to"],
        service=service,
        method=method,
        purpose=said["purpose"],
        scenario=said["scenario"],
        message=said["message"],
        answers=tuple(
            Branch(each.get("when", {}), event, each["to"])
            for event, each in said["answers"].items()
        ),
        ends=ends,
    )


def _term(said: Mapping[str, Any]) -> Term:
    month_day = said.get("month_day")
    return Term(
        working_days=said.get("working_days"),
        calendar=said["calendar"],
        month_day=tuple(map(int, month_day.split("-"))) if month_day else None,  # type: ignore[arg-type]
        year=said.get("year"),
        late=said.get("late"),
    )


def _check_whole(made: CaseType, document: Document) -> None:
    if made.roles.get(made.opens) != "owner":
        raise document.refuse(("opens",), f"{made.opens} is no role of the owner's side")
    if set(made.roles.values()) != {"owner", "other"}:
        raise document.refuse(("roles",), "a case has roles on both sides")
    if made.start not in made.states:
        raise document.refuse(("start",), f"there is no state {made.start}")
    try:
        Draft202012Validator.check_schema(made.application)
    except SchemaError as error:
        raise document.refuse(
            ("application", *error.absolute_path), f"not a JSON Schema: {error.message}"
        ) from error
    for place, schema in _objects(made.application, ("application",)):
        if schema.get("additionalProperties") is not False:
            raise document.refuse(place, "an object names all that it may hold")
    for number, path in enumerate(made.one_for):
        _check_path(made, path, ("one_for", number), document)
    anywhere: Mapping[str, Any] = document.value.get("anywhere", {})
    for name in anywhere:
        _check_name(name, ("anywhere", name), document)


def _objects(schema: Mapping[str, Any], place: Place) -> Iterable[tuple[Place, Mapping[str, Any]]]:
    if schema.get("type") == "object":
        yield place, schema
    for name, below in schema.get("properties", {}).items():
        yield from _objects(below, (*place, "properties", name))
    if isinstance(schema.get("items"), dict):
        yield from _objects(schema["items"], (*place, "items"))


def _check_path(made: CaseType, path: str, place: Place, document: Document) -> None:
    """An application can hold something there."""
    schema: Mapping[str, Any] = made.application
    for part in path.split("."):
        below = schema.get("properties", {}).get(part)
        if below is None:
            raise document.refuse(place, f"no application has {path}")
        schema = below


def _check_name(name: str, place: Place, document: Document) -> None:
    if name in RESERVED:
        raise document.refuse(place, f"{name} has a meaning of its own")


def _check_state(made: CaseType, state: State, document: Document) -> None:
    place: Place = ("states", state.name)
    for act in state.acts:
        here = (*place, "acts", act.name)
        _check_name(act.name, here, document)
        if made.roles.get(act.role) != "owner":
            raise document.refuse(here, f"{act.role} is no role of the owner's side")
        _check_to(made, act.to, here, document)
    if state.send is not None:
        _check_send(made, state, state.send, document)
    if state.shows is not None:
        shown = made.states.get(state.shows)
        if shown is None or shown.send is None:
            raise document.refuse((*place, "shows"), f"{state.shows} sends nothing")
    if state.term is not None:
        _check_term(made, state.term, (*place, "term"), document)


def _check_send(made: CaseType, state: State, send: Send, document: Document) -> None:
    place: Place = ("states", state.name, "send")
    for key, role, side in (("from", send.sender, "owner"), ("to", send.recipient, "other")):
        if made.roles.get(role) != side:
            raise document.refuse((*place, key), f"{role} is no role of side {side}")
    acts = {act.name for act in state.acts}
    for branch in send.answers:
        here = (*place, "answers", branch.event)
        _check_name(branch.event, here, document)
        if branch.event in acts:
            raise document.refuse(here, f"{branch.event} is an act of this state as well")
        _check_to(made, branch.to, here, document)
    for to in set(send.ends.values()):
        _check_to(made, to, place, document)
    _check_named(made, send, (*place, "message"), document)


def _check_named(made: CaseType, send: Send, place: Place, document: Document) -> None:
    for path, name in names(send.message):
        if name.startswith("application."):
            _check_path(made, name.removeprefix("application."), (*place, *path), document)
        elif name.startswith("answers."):
            _, source, *rest = name.split(".")
            asked = made.states.get(source)
            if asked is None or asked.send is None or not rest:
                raise document.refuse((*place, *path), f"{source} gets no answer")
        elif name not in NOT_NAMED:
            raise document.refuse((*place, *path), f"nothing is called ${name}")


def _check_term(made: CaseType, term: Term, place: Place, document: Document) -> None:
    if term.late is not None:
        _check_to(made, term.late, (*place, LATE), document)
    if term.month_day is not None:
        try:
            date(2000, *term.month_day)
        except ValueError as error:
            raise document.refuse((*place, "month_day"), "there is no such day") from error
        _check_path(made, term.year or "", (*place, "year"), document)


def _check_to(made: CaseType, to: str, place: Place, document: Document) -> None:
    if to not in made.states:
        raise document.refuse(place, f"there is no state {to}")


def ways(state: State) -> frozenset[str]:
    """The states that may follow one."""
    found = {act.to for act in state.acts}
    if state.send is not None:
        found |= {branch.to for branch in state.send.answers} | set(state.send.ends.values())
    if state.term is not None and state.term.late is not None:
        found.add(state.term.late)
    return frozenset(found)


def _check_ways(made: CaseType, document: Document) -> None:
    reached, new = {made.start}, [made.start]
    while new:
        for to in ways(made.states[new.pop()]) - reached:
            reached.add(to)
            new.append(to)
    ending = {name for name, state in made.states.items() if state.ending}
    while grown := {n for n, s in made.states.items() if n not in ending and ways(s) & ending}:
        ending |= grown
    for name in made.states:
        if name not in reached:
            raise document.refuse(("states", name), "nothing leads to this state")
        if name not in ending:
            raise document.refuse(("states", name), "no end can be reached from this state")
