"""Register records between the wire's messages and the model's values. Nothing is decided here."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from xbgateway.api.register.v1 import register_pb2 as wire
from xbgateway.exchange.register_book import ChangeView, RecordView
from xbgateway.model.errors import Reason, Refused
from xbgateway.register.life import Due, Event

from .translate import timestamp


def record_of(view: RecordView) -> wire.Record:
    """A record as officers and parties read it."""
    return wire.Record(
        kind=view.kind,
        id=view.id,
        owner=view.owner,
        state=view.state,
        etag=view.etag,
        since=timestamp(view.since) if view.since else None,
        version=view.version,
        body=_struct(view.body),
        events=[_event(one) for one in view.legal],
    )


def change_of(view: ChangeView) -> wire.Change:
    """A change of the history."""
    return wire.Change(
        number=view.number,
        kind=view.kind,
        id=view.id,
        event=view.event,
        node=view.node,
        at=timestamp(view.at) if view.at else None,
        version=view.version,
        officer=view.officer,
        refused=view.refused,
        given=_struct(view.given),
        etag=view.etag,
    )


def due_of(due: Due) -> wire.Due:
    """A deadline."""
    return wire.Due(
        kind=due.kind,
        id=due.id,
        what=due.what,
        due_on=due.due_on,
        due_at=timestamp(due.due_at) if due.due_at else None,
        role=due.role,
        statute=due.statute,
    )


def given_of(given: Struct) -> dict[str, Any]:
    """What an officer gives with an event. Raises ``Refused(ARGUMENT_INVALID)`` for a fraction.

    JSON on the wire knows one kind of number; registers know whole ones only.
    """
    found: dict[str, Any] = _whole(MessageToDict(given))
    return found


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case float():
            if not value.is_integer():
                raise Refused(
                    Reason.ARGUMENT_INVALID, "Registers hold whole numbers only.", field="given"
                )
            return int(value)
    return value


def _event(event: Event) -> wire.Event:
    return wire.Event(
        name=event.name,
        title=event.title,
        roles=event.roles,
        must=event.must,
        may=event.optional,
        statute=event.statute,
    )


def _struct(value: Mapping[str, Any]) -> Struct:
    made = Struct()
    made.update(value)
    return made
