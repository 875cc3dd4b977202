"""The gRPC edge: who calls, for how long, and how every error is spelt. It decides nothing.

``start.Server`` is the door; the path and the logs stand behind the Protocols in ``ports``.
"""

from xbgateway.server.credentials import Credentials
from xbgateway.server.identity import Caller, Identities
from xbgateway.server.ports import ExchangeView, LogEntry, Logs, LogView, Path
from xbgateway.server.refusals import Refusals
from xbgateway.server.start import Ports, Server, ServerOptions, leave

__all__ = [
    "Caller",
    "Credentials",
    "ExchangeView",
    "Identities",
    "LogEntry",
    "LogView",
    "Logs",
    "Path",
    "Ports",
    "Refusals",
    "Server",
    "ServerOptions",
    "leave",
]
