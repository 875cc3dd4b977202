"""A node that tells how many event loops it made: ``counted_loops.py TOLD CONFIG``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

from xbgateway.app import ready, serve
from xbgateway.server import leave

made: list[str] = []


def counted(kind: type[Any]) -> None:
    begin = kind.__init__

    def beginning(self: Any, *args: Any, **more: Any) -> None:
        made.append(kind.__module__)
        begin(self, *args, **more)

    setattr(kind, begin.__name__, beginning)


if __name__ == "__main__":
    told, config = sys.argv[1:]
    counted(uvloop.Loop)
    counted(asyncio.BaseEventLoop)
    code = serve(ready(Path(config)))
    Path(told).write_text("\n".join(made))
    leave(code)
