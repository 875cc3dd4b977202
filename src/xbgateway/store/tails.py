"""Groups of own logs for the link: the latest from memory, older ones from the rows.

A peer that keeps up is served from memory. One that was away is caught up in large groups, each
under a checkpoint of its own, over rows that are hashed again before anything is signed.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from xbgateway.model.limits import GROUP_BYTES_MAX, GROUP_ENTRIES_MAX
from xbgateway.model.record import Group

from .logs import LogHead, signed, verified_at
from .reader import Reader

# Bounded by entries too: a group holds at most 256 of them and 2 MiB.
_GROUPS_IN_MEMORY = 64


class Tails:
    """The last committed groups of each log. Filled on the loop, read by any thread."""

    def __init__(self, origins: Iterable[str], reader: Reader) -> None:
        self._reader = reader
        self._groups: dict[str, deque[Group]] = {
            origin: deque(maxlen=_GROUPS_IN_MEMORY) for origin in origins
        }

    def append(self, group: Group) -> None:
        """A group was committed."""
        self._groups[group.origin].append(group)

    def forget(self, origin: str) -> None:
        """What is in memory of a log may not be joined with what follows: read it from the rows."""
        self._groups[origin].clear()

    def joined(self, origin: str, start: int) -> Group | None:
        """Committed groups of an own log from ``start`` on, if they are still in memory.

        Consecutive ones are joined as far as one group may go, under the newest checkpoint: a
        mirror that is behind catches up with few signatures and few transactions.
        """
        found: list[Group] = []
        entries = size = 0
        for group in tuple(self._groups[origin]):
            if group.start != (found[-1].end if found else start):
                if found:
                    break
                continue
            entries, size = entries + len(group.items), size + group.size
            if found and (entries > GROUP_ENTRIES_MAX or size > GROUP_BYTES_MAX):
                break
            found.append(group)
        if len(found) < 2:  # noqa: PLR2004 - nothing to join
            return found[0] if found else None
        return Group(
            origin,
            start,
            tuple(item for group in found for item in group.items),
            found[-1].checkpoint,
            tuple(dict.fromkeys(wrap for group in found for wrap in group.wraps)),
        )

    def read(self, head: LogHead, start: int) -> Group | None:
        """The next group of an own log from ``start`` on, read from the rows. Blocks.

        Raises ``Fatal(STORE_CORRUPT)`` where the rows are not what was signed before.
        """
        whole = head.frontier
        if start >= whole.size:
            return None
        end = self._end(head.origin, start, whole.size)
        group = self._reader.group(head.origin, start, end, b"")
        frontier = verified_at(self._reader.connection(), head, whole, group)
        return replace(group, checkpoint=signed(head, frontier, start))

    def _end(self, origin: str, start: int, size: int) -> int:
        """As many entries as fit one group, not running into a group that is in memory."""
        end = min(start + GROUP_ENTRIES_MAX, size)
        for group in tuple(self._groups[origin]):
            if start < group.start < end:
                end = group.start
        rough = self._reader.group(origin, start, end, b"")
        total = 0
        for offset, item in enumerate(rough.items):
            total += len(item.entry) + len(item.sealed) + len(item.declaration)
            if total > GROUP_BYTES_MAX and offset > 0:
                return start + offset
        return end
