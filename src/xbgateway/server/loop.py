"""One event loop for one process (pitfall 6).

gRPC's asyncio layer has one poller for the whole process and wakes the loop that it knows. With a
second loop calls stall or fail with ``BlockingIOError``, rarely and far from the cause: so a second
one is refused where a server is made. What else wants a loop (a console, say) is a process.
"""

import asyncio
import weakref

from xbgateway.model.errors import Fatal, Reason

_served: "weakref.ref[asyncio.AbstractEventLoop] | None" = None


def only_loop() -> asyncio.AbstractEventLoop:
    """The running loop. Raises ``Fatal(INTERNAL)`` while another one of this process serves."""
    global _served  # noqa: PLW0603 - it is a rule about the process
    running = asyncio.get_running_loop()
    other = _served() if _served is not None else None
    if other is not None and other is not running and not other.is_closed():
        raise Fatal(Reason.INTERNAL, "another event loop of this process serves gRPC already")
    _served = weakref.ref(running)
    return running
