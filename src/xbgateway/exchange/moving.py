"""How segments of an attachment move: in constant memory, durable in order, under today's law.

What is read of one window of segments and what is written of the window before are all that a
stream holds, whatever its size. Law is asked again about every second while it moves (REQ-STR-7),
on the registers and the revision of that moment: what was revoked stops.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from xbgateway.model.clock import Clock, instant
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import SEGMENTS_AT_ONCE_MAX, STREAM_ASKED_EVERY_S

from .admission import Admission
from .asking import informed
from .legs import Legs
from .ports import SegmentStore, StoredSegments
from .stages import NOBODY, Declaration

Prepare = Callable[[int, bytes], bytes]  # index and segment as it came, to what is stored


class StreamLaw:
    """Whether law still lets an attachment move, asked of this node's revision and registers."""

    def __init__(self, admission: Admission, legs: Legs, clock: Clock) -> None:
        self._admission = admission
        self._legs = legs
        self._clock = clock

    async def check(self, declaration: Declaration) -> None:
        """Raises ``Refused(STREAM_STOPPED)`` where the request leg is denied by now.

        A hold stops nothing: whoever had to decide on this exchange has decided.
        """
        at = instant(self._clock.now())
        standing = self._admission.standing(declaration, "request")
        facts = self._admission.declared_facts(standing, declaration, at)
        decided = await self._legs.decide(informed(facts, NOBODY, self._admission.tables))
        if decided.decision.verdict == "deny":
            rules = ",".join(finding.rule for finding in decided.decision.denials)
            raise Refused(
                Reason.STREAM_STOPPED, "law does not let the attachment move any more", rules=rules
            )


async def watched(
    segments: AsyncIterator[bytes], ask: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes, None]:
    """The segments, for as long as ``ask`` raises nothing."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    async for segment in segments:
        if loop.time() >= due:
            await ask()
            due = loop.time() + STREAM_ASKED_EVERY_S
        yield segment


async def first(segments: AsyncIterator[bytes], count: int) -> AsyncGenerator[bytes, None]:
    """At most so many of them; what comes beyond is never read."""
    if count <= 0:
        return
    async for segment in segments:
        yield segment
        count -= 1
        if not count:
            return


async def stored(
    file: StoredSegments, segments: AsyncIterator[bytes], prepare: Prepare
) -> AsyncGenerator[int, None]:
    """Make segments durable behind those that are; yields how many are, window by window."""
    batch: list[bytes] = []
    running: asyncio.Task[int] | None = None
    try:
        async for segment in segments:
            batch.append(segment)
            if len(batch) == SEGMENTS_AT_ONCE_MAX:
                if running is not None:
                    yield await running
                running = _storing(file, batch, prepare)
                batch = []
        if running is not None:
            yield await running
        if batch:
            running = _storing(file, batch, prepare)
            yield await running
    finally:
        if running is not None:  # its thread has the file open: nobody may close it before
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # told to whoever awaited it, or nobody asks any more


def _storing(file: StoredSegments, batch: list[bytes], prepare: Prepare) -> asyncio.Task[int]:
    def store() -> int:
        start = file.count
        file.append([prepare(start + i, segment) for i, segment in enumerate(batch)])
        return file.count

    return asyncio.get_running_loop().create_task(asyncio.to_thread(store))


async def read(
    files: SegmentStore, name: str, start: int, end: int, prepare: Prepare
) -> AsyncGenerator[bytes, None]:
    """Segments ``start`` to ``end`` of an attachment, a few read at once, on a thread."""
    few = SEGMENTS_AT_ONCE_MAX // 2

    def some(index: int) -> list[bytes]:
        found = files.segments(name, index, min(few, end - index))
        return [prepare(index + i, segment) for i, segment in enumerate(found)]

    for index in range(start, end, few):
        for segment in await asyncio.to_thread(some, index):
            yield segment
