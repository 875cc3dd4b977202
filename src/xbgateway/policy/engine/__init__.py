"""Policy engines: real OPA inside the process, as a managed child, or as a server.

One port (``port.py``), one reading of JSON (``strict_json.py``), one bundle (``bundle.py``); a
contract suite holds every engine to the same bytes. The engines outside the process, ``child.py``
and ``server.py``, are imported by who uses them: their client loads aiohttp, a tenth of a start.
"""

from xbgateway.policy.engine.address import Address, Tls
from xbgateway.policy.engine.bundle import BundleSigner, bundle_tar
from xbgateway.policy.engine.check import OpaCheck
from xbgateway.policy.engine.embedded import EmbeddedEngine
from xbgateway.policy.engine.port import OPA_VERSION, Bundle, Engine, Snapshot, decision_bytes

__all__ = [
    "OPA_VERSION",
    "Address",
    "Bundle",
    "BundleSigner",
    "EmbeddedEngine",
    "Engine",
    "OpaCheck",
    "Snapshot",
    "Tls",
    "bundle_tar",
    "decision_bytes",
]
