"""A gateway node, exactly as ``xbgateway serve`` runs it, without the command line's imports."""

import sys
from pathlib import Path

from xbgateway.app import ready, serve
from xbgateway.server import leave

if __name__ == "__main__":
    leave(serve(ready(Path(sys.argv[1]))))
