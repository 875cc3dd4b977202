"""How long the writer of a busy store waits for more before it writes the next group. Pure.

A commit costs the same whether it carries two entries or fifty, and so do the signature, the link's
message and the peer's commit that follow from it. Under load waiting is free: others use the
processor meanwhile. Where little is under way nobody comes, and waiting only takes time.
"""

from xbgateway.model.limits import GROUP_WAIT_S_MAX

# A group of so many entries is worth a wait as long as writing it took; a larger one a longer one.
_WORTH_ONE = 8


def company_s(entries: int, took_s: float, least_s: float) -> float:
    """Seconds to wait after a group of ``entries`` (0: it was alone) that took ``took_s`` to write.

    At least ``least_s`` where it was not alone, at most ``GROUP_WAIT_S_MAX``. No wait at all where
    ``least_s`` is 0.
    """
    if not entries or not least_s:
        return 0.0
    return max(least_s, min(took_s * entries / _WORTH_ONE, GROUP_WAIT_S_MAX))
