"""One writer for one store: an advisory lock on a file beside it, freed by the kernel."""

import fcntl
import os
from pathlib import Path

from xbgateway.model.errors import Fatal, Reason


class StoreLock:
    """Held for as long as the process may write; a second process is refused at once.

    Raises ``Fatal(STORE_LOCKED)`` naming the process that holds it.
    """

    def __init__(self, store: Path) -> None:
        path = store.with_name(store.name + ".lock")
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise Fatal(
                Reason.STORE_LOCKED,
                f"another process ({holder}) writes to this store; stop it first",
                holder=holder,
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let another process write."""
        os.close(self._fd)
