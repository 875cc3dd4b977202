"""Lists that a node gives page by page (AIP-158), as one iterator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

_Row = TypeVar("_Row")


async def paged(
    ask: Callable[[Any], Awaitable[Any]],
    request: Any,
    rows: str,
    *,
    place: str = "page_token",
    following: str = "next_page_token",
) -> AsyncIterator[Any]:
    """The messages in the field ``rows`` of every page.

    ``place`` of the request takes what ``following`` of the page before it says; an empty one ends.
    """
    while True:
        page = await ask(request)
        for one in getattr(page, rows):
            yield one
        after = getattr(page, following)
        if not after:
            return
        setattr(request, place, after)


async def first(rows: AsyncIterator[_Row], limit: int) -> list[_Row]:
    """At most ``limit`` (1 or more) rows; no page after them is asked for."""
    found: list[_Row] = []
    async for one in rows:
        found.append(one)
        if len(found) >= limit:
            break
    return found
