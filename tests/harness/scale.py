"""Counts by variable: ``make test`` uses 1, ``make test-long`` sets ``XB_TEST_SCALE``.

What is cheap is multiplied by all of it. Where one more costs a process that dies and comes back,
or a decision of the engine, ``most`` says how far it is worth going, so that a long run takes about
an hour on two cores, and less than two where others work on them too. Measured on busy cores, in
seconds at 1 and minutes at 20: the soak at least 180 and 18; a peer that was away 20 and 4; equal
decisions 50 and 9; memo and caches 45 and 8; every other count 45 and 13; what has none 8 minutes.
"""

import os

FULL = 20.0


def scaled(count: int, *, most: float = FULL) -> int:
    """``count`` multiplied by ``XB_TEST_SCALE``, or by ``most`` where that is less; at least 1."""
    scale = min(float(os.environ.get("XB_TEST_SCALE", "1")), most)
    return max(1, round(count * scale))
