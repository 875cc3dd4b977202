"""A node whose store does not sync as it should: ``lowered_store.py OFF|NORMAL CONFIG``.

The product has no such setting. It exists so that the tests of durability can show that they would
notice.
"""

import functools
import sys
from pathlib import Path

import xbgateway.core
from xbgateway.app import serve

if __name__ == "__main__":
    synchronous, config = sys.argv[1:]
    lowered = functools.partial(xbgateway.core.SqliteStore, synchronous=synchronous)
    xbgateway.core.SqliteStore = lowered  # type: ignore[assignment,misc]
    sys.exit(serve(Path(config)))
