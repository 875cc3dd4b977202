"""How a program is started that takes no more memory than told and dies with this process."""

import os
import sys
from pathlib import Path

_LAUNCH = Path(__file__).with_name("_launch.py")


def bounded(memory_bytes: int, binary: str, *arguments: str) -> list[str]:
    """The command that becomes ``binary``, with at most so much private memory."""
    launch = (sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(memory_bytes))
    return [*launch, binary, *arguments]
