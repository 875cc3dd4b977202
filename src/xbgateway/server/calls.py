"""Runs one submission for one caller, or takes it over, and answers in time whatever happens.

The path runs on tasks of its own (pitfall 13); this only waits for it. When the caller's time is
nearly over, what became of the exchange so far is told together with its id.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from xbgateway.exchange.stages import Finished, Submission
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, GatewayError, Reason, Unavailable
from xbgateway.model.outcome import Outcome

from .identity import Context
from .interceptors import hung_up, time_left_s
from .ports import Path
from .status import Ended

Result = TypeVar("Result")


async def run(path: Path, submission: Submission, context: Context) -> Finished:
    """The answer of an exchange, or what a dry run says.

    Raises ``Ended`` for any other end, also while it has none and the time is over, and
    ``GatewayError`` where nothing was accepted.
    """
    finished = await _in_time(path, submission, path.call(submission), context)
    answered = finished.outcome is Outcome.EXECUTED and finished.payload is not None
    if finished.decision is not None or (answered and finished.service_code is None):
        return finished
    raise Ended(finished)


async def take_over(path: Path, submission: Submission, context: Context) -> str:
    """The exchange that a submission opened, now or before; its end is not waited for.

    Raises ``Ended`` where this node refused it on record, and as :func:`run` otherwise.
    """
    begun = await _in_time(path, submission, path.submit(submission), context)
    if isinstance(begun, str):
        return begun
    if begun.outcome is Outcome.REFUSED:
        raise Ended(begun)
    return begun.exchange


async def _in_time(
    path: Path, submission: Submission, work: Awaitable[Result], context: Context
) -> Result:
    """What the path says, or, when the caller's time is nearly over, what became of it so far."""
    left_s = time_left_s(context)
    wait_s = max(left_s / 2, left_s - limits.ANSWER_MARGIN_MS / 1000)
    try:
        async with asyncio.timeout(wait_s) as bound:
            return await work
    except TimeoutError:
        if not bound.expired():
            raise
        raise await _unfinished(path, submission, Reason.DEADLINE_PASSED) from None
    except asyncio.CancelledError:
        if hung_up():
            raise
        raise await _unfinished(path, submission, Reason.INTERRUPTED) from None
    except (Unavailable, Fatal) as error:
        raise await _with_exchange(path, submission, error) from error


async def _unfinished(path: Path, submission: Submission, otherwise: Reason) -> Exception:
    """What became of it so far where it was accepted; ``otherwise`` where it was not."""
    exchange = _accepted(path, submission)
    if exchange is None:
        return Unavailable(otherwise, "Nothing was accepted in the time that the call had.")
    return Ended(Finished(exchange, await _so_far(path, submission.party, exchange)))


async def _with_exchange(
    path: Path, submission: Submission, error: Unavailable | Fatal
) -> Exception:
    """The error with the exchange's id, where one was accepted and the error does not say."""
    exchange = _accepted(path, submission)
    if "exchange_id" in error.metadata or exchange is None:
        return error
    outcome = await _so_far(path, submission.party, exchange)
    about = {**error.metadata, "exchange_id": exchange, "outcome": str(outcome)}
    return type(error)(error.reason, error.sentence, **about)


async def _so_far(path: Path, party: str, exchange: str) -> Outcome:
    """Held or pending; what ends meanwhile is told to the next call with the same request id."""
    try:
        view = await path.get(party, exchange, auditor=False)
    except GatewayError:
        return Outcome.PENDING
    return Outcome.HELD if view.state.outcome is Outcome.HELD else Outcome.PENDING


def _accepted(path: Path, submission: Submission) -> str | None:
    if submission.validate_only:
        return None
    return path.exchange_of(submission.party, submission.request_id)
