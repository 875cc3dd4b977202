"""Become ``opa``: die with the parent, take no more memory than told, then exec.

``child.py`` runs ``python -I -S _launch.py PARENT_PID MEMORY_BYTES BINARY ARGUMENT...``. It is a
program of its own because code between fork and exec of a threaded process can deadlock.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set up and exec; never returns."""
    parent, memory_bytes, binary = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the line above could matter
        sys.exit(1)
    # Writable private memory: what Go really uses, unlike the address space it merely reserves.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    os.execv(binary, [binary, *sys.argv[4:]])  # noqa: S606


if __name__ == "__main__":
    main()
