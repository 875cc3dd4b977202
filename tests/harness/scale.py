"""Counts by variable: ``make test`` uses 1, ``make test-long`` sets ``XB_TEST_SCALE``."""

import os


def scaled(count: int) -> int:
    """``count`` at the default, multiplied by ``XB_TEST_SCALE``, never below one."""
    return max(1, round(count * float(os.environ.get("XB_TEST_SCALE", "1"))))
