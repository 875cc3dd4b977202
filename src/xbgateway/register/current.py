"""The register in use: one place that everybody reads it from, swapped whole when it changes."""

from dataclasses import dataclass

from xbgateway.register.document import Register


@dataclass(slots=True)
class Current:
    """Holds the register in use. Whoever decides reads it once; the record says by which version.

    Only the registrar writes it, once the change is durable: what was decided on the one before is
    stale when it comes to be recorded (``Record.register_version``), and decided again (REQ-CHG-9).
    """

    register: Register
