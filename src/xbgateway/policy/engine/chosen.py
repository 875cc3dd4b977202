"""The engine that a node's settings ask for."""

import shutil
from pathlib import Path

from xbgateway.policy.engine.address import Address, Tls
from xbgateway.policy.engine.check import OpaCheck
from xbgateway.policy.engine.embedded import EmbeddedEngine
from xbgateway.policy.engine.port import Engine
from xbgateway.settings import Engine as Asked


def engine_of(asked: Asked) -> Engine:
    """OPA inside the process, or a server by its address or socket."""
    if asked.kind == "embedded":
        return EmbeddedEngine()
    from xbgateway.policy.engine.server import ServerEngine  # noqa: PLC0415  its client starts late

    tls = None
    if asked.ca is not None:
        tls = Tls(ca=asked.ca, certificate=asked.cert, key=asked.key)
    if asked.socket is not None:
        address = Address(unix_socket=asked.socket)
    else:
        host, _, port = (asked.url or "").rpartition("//")[2].partition(":")
        address = Address(host=host, port=int(port or 8181), tls=tls)
    return ServerEngine(address, OpaCheck(Path(shutil.which("opa") or "opa")))
