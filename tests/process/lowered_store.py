"""A node whose store does not sync as it should: ``lowered_store.py OFF|NORMAL CONFIG``.

The product has no such setting. It exists so that the tests of durability can show that they would
notice.
"""

import functools
import sys
from pathlib import Path

from xbgateway import core
from xbgateway.app import ready, serve
from xbgateway.server import leave
from xbgateway.store import SqliteStore

if __name__ == "__main__":
    synchronous, config = sys.argv[1:]
    lowered = functools.partial(SqliteStore, synchronous=synchronous)
    setattr(core, SqliteStore.__name__, lowered)
    leave(serve(ready(Path(config))))
