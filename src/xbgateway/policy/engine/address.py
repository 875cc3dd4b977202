"""Where an OPA server listens, and who vouches for it. Without a client: settings need none."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """The one CA that may vouch for the server, and for mutual TLS our certificate and key."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where an OPA server listens: a unix socket, or host and port with or without TLS 1.3."""

    host: str = "localhost"
    port: int = 8181
    unix_socket: Path | None = None
    tls: Tls | None = None
    token: str | None = None
