"""Random bytes from the operating system, read in blocks.

The path needs a dozen short nonces for each exchange. One system call each gives the interpreter
lock away a dozen times, which costs more than all of the sealing; a block read ahead does not.
Each byte is handed out once; a forked child starts anew.
"""

import os
import threading

_BLOCK_BYTES = 8192


class _Pool(threading.local):
    """A block of each thread: no byte is ever shared between two."""

    def __init__(self) -> None:
        self.block = b""
        self.at = 0


_pool = _Pool()


def _forget() -> None:
    _pool.block, _pool.at = b"", 0


os.register_at_fork(after_in_child=_forget)


def random_bytes(count: int) -> bytes:
    """``count`` (at most 256) bytes of the operating system's generator, each used once."""
    assert 0 < count <= 256  # noqa: PLR2004 - keys and nonces only
    start = _pool.at
    if start + count > len(_pool.block):
        _pool.block, start = os.urandom(_BLOCK_BYTES), 0
    _pool.at = start + count
    return _pool.block[start : start + count]
