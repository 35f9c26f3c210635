"""Waiting for a forge that doesn't answer now, or asks us to wait, while the attempt is still this delivery's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from domain.errors import ForgeUnreachable, NotReachable

PATIENCE = 3600.0
"""Seconds for which finished work is offered to a forge that doesn't take it."""

T = TypeVar("T")

_growing = wait_exponential_jitter(multiplier=0.5, max=60)


async def patiently(call: Callable[[], Awaitable[T]], confirm: Callable[[], Awaitable[None]]) -> T:
    """The result of `call`, however often it takes. `confirm` is asked before each further try, and raises AttemptGone
    where there must be none. Raises ForgeUnreachable after an hour, or at once where the forge wants a longer wait.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((ForgeUnreachable, NotReachable)),
        wait=_pause,
        stop=stop_before_delay(PATIENCE),
        reraise=True,
    ):
        with attempt:
            if attempt.retry_state.attempt_number > 1:
                await confirm()
            return await call()
    raise AssertionError("tenacity returns or raises")


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    until = error.until if isinstance(error, ForgeUnreachable) else None
    asked_for = (until - datetime.now(UTC)).total_seconds() if until else 0.0
    return max(_growing(state), asked_for)
