"""What was refused at the edge, summed by source and reason until the home log takes it.

Only counts and network sources are kept, never what a caller wrote; the number of sums is bounded,
so that a flood of sources cannot fill memory.
"""

from collections.abc import Sequence

from xbgateway.model import limits
from xbgateway.model.errors import Reason
from xbgateway.observe import Metrics

OTHERS = "others"


class Refusals:
    """Counts refusals. One per node; used on the event loop only."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sums: dict[tuple[str, Reason], int] = {}

    def count(self, source: str, reason: Reason) -> None:
        """Count one; beyond ``REFUSAL_SOURCES_MAX`` sums the source is :data:`OTHERS`."""
        self._metrics.refused_early(reason)
        name = (source, reason)
        if name not in self._sums and len(self._sums) >= limits.REFUSAL_SOURCES_MAX:
            name = (OTHERS, reason)
        self._sums[name] = self._sums.get(name, 0) + 1

    def take(self) -> Sequence[tuple[str, Reason, int]]:
        """The sums since the last time, to be written as ``attempts`` entries."""
        taken, self._sums = self._sums, {}
        return [(source, reason, count) for (source, reason), count in taken.items()]
