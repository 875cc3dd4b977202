"""The command line: for operators, auditors, officers and developers; one file per noun.

It speaks to a running node only through the SDK (``client``). Exceptions are what needs no node or
must do without one: ``serve``, keys and certificates on disk, policies, and the offline audit. It
decides nothing and never signs. What each command does stands in ``docs/cli.md``.
"""

import os

# Read by gRPC when it is first imported: with our ECDSA certificates this leaves TLS 1.2 no suite
# that works, so that a node refuses it in the handshake already. TLS 1.3 has suites of its own.
os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")

from xbgateway.cli.root import app, main

__all__ = ["app", "main"]
