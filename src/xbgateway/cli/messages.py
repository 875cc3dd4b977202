"""JSON to a registered message and back, by the descriptor sets of a register or our own."""

from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from xbgateway.cli.ending import UsageError
from xbgateway.cli.register import read
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import Catalogue, MessageShape, MethodEntry, build_catalogue
from xbgateway.register.document import builtin_descriptor_set


class Messages:
    """The two message types of one method."""

    def __init__(self, path: str, register: Path | None) -> None:
        """``path`` is ``package.Service/Method``. Raises ``Refused`` for what is not known."""
        service, separator, method = path.strip("/").partition("/")
        if not separator:
            raise UsageError(f"a method is named SERVICE/METHOD, not {path!r}")
        self.path = f"{service}/{method}"
        self._catalogue, self._entry = _method(service, method, register)

    def request(self, data: str) -> Message:
        """The request that JSON says (``@file``: the file's JSON). Unknown fields are refused."""
        return self._parsed(data, self._entry.request)

    def answer(self, data: str) -> Message:
        """The answer that JSON says, in the same way."""
        return self._parsed(data, self._entry.answer)

    def _parsed(self, data: str, shape: MessageShape) -> Message:
        text = Path(data[1:]).read_bytes() if data.startswith("@") else data
        made: Message = shape.message_class()
        try:
            json_format.Parse(text, made, descriptor_pool=self._catalogue.pool)
        except (json_format.ParseError, UnicodeDecodeError) as error:
            raise Refused(
                Reason.MESSAGE_UNDECODABLE, f"--data is no {shape.full_name}: {error}"
            ) from error
        return made

    @property
    def request_type(self) -> type[Message]:
        """The class that requests are read into."""
        found: type[Message] = self._entry.request.message_class
        return found

    @property
    def answer_type(self) -> type[Message]:
        """The class that answers are read into."""
        found: type[Message] = self._entry.answer.message_class
        return found

    def plain(self, message: Message) -> dict[str, Any]:
        """A message as JSON values, under the names that the provider's file has."""
        return json_format.MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=self._catalogue.pool
        )


def _method(service: str, method: str, register: Path | None) -> tuple[Catalogue, MethodEntry]:
    if register is not None:
        catalogue = build_catalogue(read(register))
        return catalogue, catalogue.method(service, method)
    try:
        catalogue = Catalogue([builtin_descriptor_set()], [service])
    except Refused as error:
        raise Refused(
            Reason.SERVICE_UNKNOWN,
            f"{service} is not among the services of this release; --register names a file with it",
        ) from error
    return catalogue, catalogue.method(service, method)
