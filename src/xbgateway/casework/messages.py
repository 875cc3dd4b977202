"""Requests and answers of registered methods as JSON, by the provider's own descriptors.

Field names are those of the ``.proto``; enumerations are their names (proto3 JSON mapping).
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError

from xbgateway.model.errors import Reason, Refused
from xbgateway.register import Catalogue


class JsonMessages:
    """Reads and writes the messages of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def encode(self, service: str, method: str, said: Mapping[str, Any]) -> bytes:
        """The request's bytes. Raises ``Refused(CASE_DOCUMENT_INVALID)``."""
        shape = self._catalogue.method(service, method).request
        message = shape.message_class()
        try:
            ParseDict(dict(said), message)
        except ParseError as error:
            raise Refused(
                Reason.CASE_DOCUMENT_INVALID, f"it makes no {shape.full_name}: {error}"
            ) from error
        return message.SerializeToString(deterministic=True)

    def decode(self, service: str, method: str, answer: bytes) -> dict[str, Any]:
        """What an answer says. Raises ``Refused(MESSAGE_UNDECODABLE)``."""
        shape = self._catalogue.method(service, method).answer
        try:
            message = shape.message_class.FromString(answer)
        except DecodeError as error:
            raise Refused(
                Reason.MESSAGE_UNDECODABLE, f"the bytes are not a {shape.full_name}"
            ) from error
        found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
        return found
