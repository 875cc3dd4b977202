"""Policy engines: real OPA inside the process, as a managed child, or as a server.

One port (``port.py``), one reading of JSON (``strict_json.py``), one bundle (``bundle.py``); a
contract suite holds every engine to the same bytes.
"""

from xbgateway.policy.engine.bundle import BundleSigner, bundle_tar
from xbgateway.policy.engine.check import OpaCheck
from xbgateway.policy.engine.child import ChildEngine
from xbgateway.policy.engine.embedded import EmbeddedEngine
from xbgateway.policy.engine.port import OPA_VERSION, Bundle, Engine, Snapshot, decision_bytes
from xbgateway.policy.engine.server import ServerEngine
from xbgateway.policy.engine.transport import Address, Tls

__all__ = [
    "OPA_VERSION",
    "Address",
    "Bundle",
    "BundleSigner",
    "ChildEngine",
    "EmbeddedEngine",
    "Engine",
    "OpaCheck",
    "ServerEngine",
    "Snapshot",
    "Tls",
    "bundle_tar",
    "decision_bytes",
]
