"""The command line: for operators, auditors, officers and developers; one file per noun.

It speaks to a running node only through the SDK (``client``). Exceptions are what needs no node or
must do without one: ``serve``, keys and certificates on disk, policies, and the offline audit. It
decides nothing and never signs. What each command does stands in ``docs/cli.md``.
"""

from xbgateway.cli.root import app, main

__all__ = ["app", "main"]
