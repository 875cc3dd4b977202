"""A service's own error as it travels: the payload of an answer whose status is ``failed``.

One line with the gRPC status code, then the text. The text is no labelled field of a message, so no
rule judges it and nothing can be taken out of it: it is short, and a service must name nobody in it
(``docs/spec/entry.md``, ``docs/developers.md``).
"""

import re

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import SERVICE_ERROR_BYTES_MAX

# gRPC's codes but OK, as decimal numbers without a leading zero.
_FORM = re.compile(rb"([1-9]|1[0-6])\n(.*)", re.DOTALL)
_UNKNOWN = 2  # gRPC's own word for a code that it does not know


def pack_error(code: int, text: str) -> bytes:
    """The payload; a longer text is cut, between characters."""
    known = code if 1 <= code <= 16 else _UNKNOWN  # noqa: PLR2004 - gRPC's codes
    cut = text.encode("utf-8", "replace")[:SERVICE_ERROR_BYTES_MAX]
    return f"{known}\n{cut.decode('utf-8', 'ignore')}".encode()


def unpack_error(payload: bytes) -> tuple[int, str]:
    """``(code, text)``. Raises ``Refused(MESSAGE_UNDECODABLE)`` for anything else."""
    found = _FORM.fullmatch(payload)
    if found is None or len(found[2]) > SERVICE_ERROR_BYTES_MAX:
        raise Refused(Reason.MESSAGE_UNDECODABLE, "the answer is not an error of a service")
    try:
        return int(found[1]), found[2].decode()
    except UnicodeDecodeError as error:
        raise Refused(
            Reason.MESSAGE_UNDECODABLE, "the text of the service's error is not UTF-8"
        ) from error
