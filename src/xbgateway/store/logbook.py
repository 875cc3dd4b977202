"""The logs as auditors see them: listed, paged, followed, proven. Reads only."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.origins import parse
from xbgateway.tlog import Checkpoint, Cosigner, Proof, add_signatures, inclusion_proof

from .logs import LogHead
from .writer import Store

_TAIL_POLL_S = 0.2
_PAGE = 256


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry, to the byte, and where it stands."""

    origin: str
    index: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class LogSummary:
    """One log of this node. ``role`` is own, mirror or home."""

    origin: str
    role: str
    size: int
    checkpoint: bytes
    held_size: int
    stopped: str = ""


class Logbook:
    """The node's logs, read only."""

    def __init__(self, store: Store, cosigner: Callable[[], Cosigner]) -> None:
        self._store = store
        self._cosigner = cosigner

    async def logs(self) -> list[LogSummary]:
        """Every log, in the order of the store."""
        found = []
        for head in self._store.heads.values():
            home = parse(head.origin).reader is None
            found.append(
                LogSummary(
                    origin=head.origin,
                    role="home" if home else head.role,
                    size=head.size,
                    checkpoint=head.held if head.held_size == head.size and head.held
                    else head.checkpoint or b"",
                    held_size=head.held_size if head.role == "own" else head.size,
                    stopped=head.stopped or "",
                )
            )  # fmt: skip
        return found

    async def entries(self, origin: str, start: int, count: int) -> list[LogLine]:
        """At most ``count`` entries from ``start`` on; fewer only at the end of the log."""
        self._known(origin)
        rows = await asyncio.get_running_loop().run_in_executor(
            None, self._store.reader.entries, origin, start, start + count
        )
        return [LogLine(origin, start + offset, entry) for offset, entry in enumerate(rows)]

    async def entries_of(self, exchange: str, origin: str) -> list[LogLine]:
        """Every entry of an exchange in one log, in order."""
        self._known(origin)
        try:
            placed = await asyncio.get_running_loop().run_in_executor(
                None, self._store.reader.placed, exchange
            )
        except ValueError:
            return []
        return [
            LogLine(origin, p.position.index, p.entry.encode())
            for p in placed
            if p.position.origin == origin
        ]

    async def tail(self, origin: str | None, start: int) -> AsyncIterator[LogLine]:
        """Entries from ``start`` on, then each new one; ``None``: of every log, from its end."""
        if origin is not None:
            self._known(origin)
        nexts = (
            {origin: start}
            if origin is not None
            else {name: head.size for name, head in self._store.heads.items()}
        )
        while True:
            quiet = True
            for name, at in nexts.items():
                lines = await self.entries(name, at, _PAGE)
                for line in lines:
                    yield line
                nexts[name] = at + len(lines)
                quiet = quiet and not lines
            if quiet:
                await asyncio.sleep(_TAIL_POLL_S)

    async def prove(self, origin: str, index: int) -> tuple[bytes, bytes]:
        """``(entry, tlog-proof file)``. Raises ``Refused(ENTRY_UNKNOWN)``."""
        return await asyncio.get_running_loop().run_in_executor(None, self.prove_now, origin, index)

    def prove_now(self, origin: str, index: int) -> tuple[bytes, bytes]:
        """The same, in the calling thread.

        An own entry is proven under the newest checkpoint that the peer has cosigned, where that
        covers it: the proof then holds both sides' word. A mirrored entry is proven under the
        peer's checkpoint with our own cosignature.
        """
        head = self._known(origin)
        note = head.checkpoint
        if head.role == "own" and head.held is not None and index < head.held_size:
            note = head.held
        if note is None or not 0 <= index < head.size:
            raise _unknown(origin, index)
        text = note.partition(b"\n\n")[0] + b"\n"
        size = Checkpoint.parse(text).size
        if head.role == "mirror":
            note = add_signatures(note, self._cosigner().cosign(text, int(time.time())))
        reader = self._store.reader
        path = inclusion_proof(
            index, size, lambda level, n, width: reader.tile(origin, level, n, width)
        )
        return reader.entries(origin, index, index + 1)[0], Proof(index, path, note).marshal()

    def _known(self, origin: str) -> LogHead:
        head = self._store.heads.get(origin)
        if head is None:
            raise _unknown(origin, 0)
        return head


def _unknown(origin: str, index: int) -> Refused:
    return Refused(
        Reason.ENTRY_UNKNOWN, "no such log or entry at this node", origin=origin, index=str(index)
    )
